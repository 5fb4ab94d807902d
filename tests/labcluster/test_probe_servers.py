"""The lab's probes over the network: certificates on both sides, the node known by its address, refusals as real."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from bot.clusters.connecting import settings_of
from bot.clusters.options import Live
from lab.cluster import LabCluster, probe_servers
from lab.cluster.probe_servers import address_of
from sensors.access.kube import connect
from sensors.access.live import LiveSettings, live_cluster
from sensors.access.probe.channel import probe_channel
from sensors.access.probe.client import ProbeAnswer, ProbeRequest, parse_answer
from sensors.kit import Blind
from tests.labcluster.desk import running

CASE = "api-server-cannot-watch"
NODE_FILES = ProbeRequest(node_files=("nf_conntrack_count", "nf_conntrack_max"), budget_ms=4000)


def settings(lab: LabCluster) -> LiveSettings:
    """As KAI reads them from its environment."""
    return settings_of(Live(environ=dict(lab.environ)))


async def told(
    lab: LabCluster, node: int = 0, request: ProbeRequest = NODE_FILES, side: str = "probe-client"
) -> ProbeAnswer:
    channel = replace(probe_channel(lab.folder / side), port=int(lab.environ["KAI_PROBE_PORT"]))
    return parse_answer(await channel.ask(address_of(node), request, 10.0), request)


async def test_a_pod_s_files_come_over_the_network_without_the_right_to_run_programs():
    async with running(CASE, probe_servers=True) as lab, connect(lab.kubeconfig("kai"), environ={}) as kube:
        target = lab.target
        async with live_cluster(kube, None, settings(lab)) as cluster:
            assert "Tcp:" in await cluster.pod_file(target.namespace, target.pod, "net/snmp")
        async with live_cluster(kube, None, replace(settings(lab), probe_tls=None, exec_in_target=False)) as cluster:
            with pytest.raises(Blind, match="pods/exec"):
                await cluster.pod_file(target.namespace, target.pod, "net/snmp")


async def test_without_the_servers_the_program_is_run_in_its_pod():
    async with running(CASE) as lab, connect(lab.kubeconfig("kai"), environ={}) as kube:
        target = lab.target
        assert lab.environ == {}
        async with live_cluster(kube, None, settings(lab)) as cluster:
            assert "Tcp:" in await cluster.pod_file(target.namespace, target.pod, "net/snmp")


async def test_where_they_cannot_serve_the_program_is_run_in_its_pod(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe_servers.sys, "platform", "darwin")
    async with running(CASE, probe_servers=True) as lab:
        assert lab.environ == {}


async def test_each_address_answers_for_the_pods_of_its_own_node():
    async with running(CASE, probe_servers=True) as lab:
        nodes = lab.probe_servers.nodes
        pods = {each["metadata"]["uid"]: each["spec"].get("nodeName") for each in lab.dataplane.of_kind("Pod")}
        uid, node = next((uid, node) for uid, node in pods.items() if node in nodes)
        request = ProbeRequest(uid, files=("net/snmp",), budget_ms=4000)

        for number, name in enumerate(nodes):
            found = await told(lab, number, request)
            assert any("no process of pod" in why for why in found.errors.values()) is (name != node)


async def test_only_the_client_s_certificate_may_ask():
    async with running(CASE, probe_servers=True) as lab:
        assert (await told(lab)).pid is not None
        with pytest.raises(Blind, match="this client may not ask"):
            await told(lab, side="probe-server")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v1/look HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"POST /v1/exec HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 404),
        (b"POST /v1/look HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /v1/look HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{}", 400),
        (b"POST /v1/look HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400),
    ],
    ids=["method", "path", "no length", "too long", "no question"],
)
async def test_what_the_real_server_refuses_is_refused(head: bytes, status: int):
    async with running(CASE, probe_servers=True) as lab:
        port, context = int(lab.environ["KAI_PROBE_PORT"]), probe_channel(lab.folder / "probe-client").context
        reader, writer = await asyncio.open_connection(address_of(0), port, ssl=context, server_hostname="kai-probe")
        writer.write(head)
        first = await asyncio.wait_for(reader.readline(), 60)
        writer.close()

    assert re.match(rb"HTTP/1\.[01] %d " % status, first)
