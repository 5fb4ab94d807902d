"""What is tried where nobody names a peer."""

from __future__ import annotations

from typing import Any

from sensors.hubble.lines import HubbleFlow
from sensors.kit import Dial, Target
from sensors.kit.kinds import POD
from sensors.topology.peer import AddressBook
from sensors.topology.talking import dials_of, talks_of
from sensors.topology.talks import Known, Talk
from tests.kit.build import endpoint, endpoint_slice, pod, service
from tests.kit.fakes import FakeCluster
from tests.kit.hubble_captures import hubble_flows
from tests.topology.test_talks import HEAD, row, with_env

DNS_PORTS = [{"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP"}]
WHERE = AddressBook(
    services=(
        service("shop", "web", ip="10.96.0.20"),
        service("shop", "names", ip="10.96.0.21", ports=DNS_PORTS),
        service("shop", "syslog", ip="10.96.0.22", ports=[{"port": 514, "protocol": "UDP"}]),
    ),
    slices=(endpoint_slice("shop", "web", endpoint("10.0.0.9")),),
    namespaces=("shop",),
)
WEB = Target("web", "shop")


def dials(*talks: Talk) -> list[Dial]:
    return list(dials_of(talks, "shop", WHERE))


def test_a_backend_seen_on_the_wire_is_tried_and_so_is_the_service_before_it() -> None:
    assert dials(Talk("10.0.0.9", 8080, Known.FLOWS, "TCP")) == [Dial("10.0.0.9", 8080), Dial("10.96.0.20", 80)]


def test_a_name_without_a_port_is_tried_at_its_service_and_a_name_of_outside_is_not() -> None:
    assert dials(Talk("web", None, Known.NAMES)) == [Dial("web", 80)]
    assert dials(Talk("www.example.com", None, Known.NAMES)) == []


def test_a_udp_peer_is_sent_a_datagram_and_a_dns_server_a_question() -> None:
    assert dials(Talk("syslog", 514, Known.SPEC)) == [Dial("syslog", 514, "udp")]
    assert dials(Talk("names", 53, Known.SPEC)) == [Dial("names", 53, "udp", "dns")]


def cluster(flows: list[HubbleFlow], pods: list[dict[str, Any]], **more: Any) -> FakeCluster:
    return FakeCluster(pods, kinds=[POD], flows=flows, **more)


async def test_flows_come_before_sockets_sockets_before_the_log_and_the_log_before_the_spec() -> None:
    flows = hubble_flows("03")
    source = next(each.source for each in flows if each.source.pod)
    asked = Target(source.pod, source.namespace)
    mine = with_env(DATABASE_URL="postgres://db/app")
    mine["metadata"].update(name=source.pod, namespace=source.namespace)
    files = {f"{asked.namespace}/{asked.pod}/net/tcp": HEAD + row(40001, "10.9.9.9", 6379)}
    logs = {f"{asked.namespace}/{asked.pod}/app": "connect to queue port 5672: connection refused\n"}

    found = await talks_of(asked, cluster(flows, [mine], pod_files=files, logs=logs))

    assert [each.known for each in found] == sorted((each.known for each in found), key=list(Known).index)
    assert {each.known for each in found} == set(Known)
    assert [(each.host, each.port) for each in found][-3:] == [("10.9.9.9", 6379), ("queue", 5672), ("db", 5432)]


async def test_of_a_pod_of_which_nothing_is_known_nothing_is_tried() -> None:
    """Its namespace is full of Services: they are no reason."""
    assert await talks_of(WEB, cluster([], [pod("shop", "web"), *WHERE.services])) == ()
    assert await talks_of(WEB, FakeCluster()) == ()
