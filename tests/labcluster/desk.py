"""What the tests of the lab's cluster share: requests as somebody, fixes through the API, flows from the relay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio

from bot.commands.recipe import flow_named
from flows.catalog import rules
from flows.engine import WalkTools, run
from flows.model import Diagnosis, Fix
from lab.cluster import LabCluster
from lab.cluster.clients import ClientTarget
from sensors.access.kube import connect
from sensors.access.live import live_cluster
from sensors.access.probe.client import ProbeAnswer, ProbeRequest, build_command, parse_answer
from sensors.access.relay import Relay, relay_config
from sensors.access.relay.conversion import read_response
from sensors.hubble.lines import HubbleFlow
from sensors.hubble.pb.cilium.flow.flow_pb2 import FlowFilter
from sensors.hubble.pb.cilium.observer.observer_pb2 import GetFlowsRequest
from sensors.kit.catalog import sensors
from tests.kit.diagnoses import diagnosis_of

CASES = Path(__file__).parents[2] / "lab" / "cases"
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
POLICIES = "/apis/networking.k8s.io/v1"
ROOTS = {
    "NetworkPolicy": (POLICIES, "networkpolicies"),
    "CiliumNetworkPolicy": ("/apis/cilium.io/v2", "ciliumnetworkpolicies"),
    "CiliumClusterwideNetworkPolicy": ("/apis/cilium.io/v2", "ciliumclusterwidenetworkpolicies"),
    "Namespace": ("/api/v1", "namespaces"),
    "Service": ("/api/v1", "services"),
    "Deployment": ("/apis/apps/v1", "deployments"),
}


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


def running(case: str, **wishes: Any) -> Any:
    """The case as a cluster whose time stands still until it is moved."""
    return LabCluster.start(CASES / case, by_hand=True, **wishes)


async def ask(
    lab: LabCluster,
    user: str,
    method: str,
    path: str,
    body: Any = None,
    media: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request with a user's token; nobody's with an unknown name."""
    sent = {"Authorization": f"Bearer {lab.tokens.get(user, 'nobody')}", "Content-Type": media, **(headers or {})}
    data = None if body is None else json.dumps(body)
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, lab.url + path, data=data, headers=sent) as answer,
    ):
        text = await answer.text()
        return Reply(answer.status, json.loads(text) if text.startswith("{") else {"text": text})


async def patch(lab: LabCluster, user: str, path: str, operations: Any, query: str = "") -> Reply:
    return await ask(lab, user, "PATCH", path + query, operations, JSON_PATCH)


def path_of(kind: str, namespace: str, name: str = "") -> str:
    root, plural = ROOTS[kind]
    space = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{space}/{plural}{f'/{name}' if name else ''}"


async def apply(lab: LabCluster, user: str, fix: Fix) -> list[int]:
    """The fix and all that belongs to it; the status of each answer."""
    found = []
    for each in (fix, *fix.also):
        assert each.target is not None
        kind, namespace, name = each.target.kind, each.target.namespace, each.target.name
        if each.kind == "manifest":
            reply = await ask(lab, user, "POST", path_of(kind, namespace), dict(each.patch[0]))
        else:
            reply = await patch(lab, user, path_of(kind, namespace, name), [dict(one) for one in each.patch])
        found.append(reply.status)
    return found


async def undo(lab: LabCluster, user: str, fix: Fix) -> list[int]:
    found = []
    for each in reversed((fix, *fix.also)):
        assert each.target is not None
        path = path_of(each.target.kind, each.target.namespace, each.target.name)
        if each.kind == "manifest":
            found.append((await ask(lab, user, "DELETE", path)).status)
        else:
            found.append((await patch(lab, user, path, [dict(one) for one in each.inverse])).status)
    return found


async def recorded_diagnosis(case: str) -> Diagnosis:
    """What KAI says of the case as files."""
    return await asyncio.to_thread(diagnosis_of, case)


async def live_diagnosis(lab: LabCluster) -> Diagnosis:
    """What KAI says of the lab, over HTTP, websockets and gRPC, with KAI's own rights."""
    assert lab.target is not None
    async with connect(lab.kubeconfig("kai"), environ={}) as kube:
        relay = Relay(relay_config({}, server=lab.relay))
        async with live_cluster(kube, relay, clock=lambda: lab.now.timestamp()) as cluster:
            return await run(flow_named("flow.k8s_network_debug"), lab.target, cluster, WalkTools(sensors(), rules()))


# -- traffic -----------------------------------------------------------------------------------------------------------


def asked_wish(lab: LabCluster) -> ClientTarget:
    """The client that the case is about."""
    return next(iter(lab.crowd.attempts))


async def attempts(lab: LabCluster, seconds: float) -> list[str]:
    """How the client's attempts end from now on, for so many seconds."""
    results = lab.crowd.attempts[asked_wish(lab)]
    known = len(results)
    await lab.advance(seconds)
    return results[known:]


async def new_flows(lab: LabCluster, since: Any) -> list[HubbleFlow]:
    """The flows of the target pod since a moment, as the relay tells them over gRPC."""
    target = lab.target
    assert target is not None
    name = f"{target.namespace}/{target.pod}"
    request = GetFlowsRequest(whitelist=[FlowFilter(source_pod=[name]), FlowFilter(destination_pod=[name])])
    request.since.FromDatetime(since)
    async with grpc.aio.insecure_channel(lab.relay) as channel:
        call = channel.unary_stream("/observer.Observer/GetFlows", request_serializer=GetFlowsRequest.SerializeToString)
        told = [each async for raw in call(request) for each in read_response(raw) or ()]
    return [each for each in told if isinstance(each, HubbleFlow)]


def tcp(flows: list[HubbleFlow]) -> Iterator[HubbleFlow]:
    return (each for each in flows if each.protocol == "TCP")


# -- the probe ---------------------------------------------------------------------------------------------------------


async def probe(lab: LabCluster, namespace: str, pod: str, **wanted: Any) -> ProbeAnswer:
    """What kai-probe on the pod's node answers, run as KAI runs it."""
    pods = (await ask(lab, "kai", "GET", "/api/v1/pods")).body["items"]
    mine = next(each for each in pods if (each["metadata"]["namespace"], each["metadata"]["name"]) == (namespace, pod))
    node = mine["spec"]["nodeName"]
    probes = [
        each for each in pods if each["metadata"]["namespace"] == "kai-probe" and each["spec"]["nodeName"] == node
    ]
    allow = ("10.0.0.0/8", "172.30.0.0/24", "198.51.100.0/24", "203.0.113.0/24")
    request = ProbeRequest(pod_uid=mine["metadata"]["uid"], allow=allow, **wanted)
    async with connect(lab.kubeconfig("kai"), environ={}) as kube:
        name = probes[0]["metadata"]["name"]
        ended = await kube.exec("kai-probe", name, "probe", build_command(request))
    return parse_answer(ended.stdout)
