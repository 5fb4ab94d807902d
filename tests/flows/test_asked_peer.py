"""However a person writes the peer, the whole walk tries, measures and reads the pod that really stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.catalog import rules
from flows.engine import WalkTools, run
from flows.load import load_flows
from flows.model import Diagnosis
from sensors.kit import Connect, Dial, PathMtu, Target
from sensors.kit.catalog import sensors
from sensors.kit.cluster import Environment
from sensors.kit.kinds import KINDS
from sensors.kit.resolv_conf import USUAL_DOMAIN
from tests.kit.build import endpoint, endpoint_slice, namespace, node, pod, service
from tests.kit.fakes import FakeCluster

MYSQL = [{"name": "mysql", "port": 3306, "protocol": "TCP"}]
OBJECTS = (
    *(namespace("shop"), namespace("data"), namespace("default")),
    *(node("node-a", ip="172.30.0.11"), node("node-b", ip="172.30.0.12"), node("node-c", ip="172.30.0.13")),
    pod("shop", "web", ip="10.0.0.5", node="node-a"),
    pod("data", "db-0", ip="10.0.1.7", node="node-b", ports=[{"name": "mysql", "containerPort": 3306}]),
    pod("data", "db-1", ip="10.0.2.8", node="node-c", ports=[{"name": "mysql", "containerPort": 3306}]),
    pod("data", "six-0", ip="fd00::7", node="node-b"),
    service("data", "db", ip="None", ports=MYSQL),
    service("data", "front", ip="10.96.0.40", type="NodePort", ports=[{**MYSQL[0], "nodePort": 30306}]),
    service("data", "balanced", ip="10.96.0.41", externalIPs=["192.0.2.7"], ports=MYSQL),
    service("shop", "store", ip="", type="ExternalName", externalName="front.data.svc.cluster.local"),
    endpoint_slice(
        "data",
        "db",
        endpoint("10.0.1.7", pod="db-0", node="node-b"),
        endpoint("10.0.2.8", pod="db-1", node="node-c"),
        ports=MYSQL,
    ),
    endpoint_slice("data", "front", endpoint("10.0.1.7", pod="db-0", node="node-b"), ports=MYSQL),
    endpoint_slice("data", "balanced", endpoint("10.0.1.7", pod="db-0", node="node-b"), ports=MYSQL),
)
ENVIRONMENT = Environment(cni="cilium", service_cidrs=("10.96.0.0/16",), pod_cidrs=("10.0.0.0/16", "fd00::/64"))


@dataclass
class Asked:
    """What the sensors asked the cluster for."""

    doors: list[Dial] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    pods: set[str] = field(default_factory=set)


class Listening(FakeCluster):
    """A cluster in which every connection opens, that remembers what was asked of it."""

    def __init__(self, asked: Asked) -> None:
        super().__init__(OBJECTS, kinds=KINDS, environment=ENVIRONMENT)
        object.__setattr__(self, "asked", asked)

    async def connects(self, namespace: str, pod: str, doors: Sequence[Dial]) -> tuple[Connect, ...]:
        self.asked.doors.extend(doors)
        return tuple(Connect(each.host, each.port, each.protocol, "open") for each in doors)

    async def path_mtus(self, namespace: str, pod: str, destinations: Sequence[str]) -> tuple[PathMtu, ...]:
        self.asked.paths.extend(destinations)
        return tuple(PathMtu(each, mtu=1450, route_mtu=1450, method="icmp-echo-df") for each in destinations)

    async def node_file(self, node: str, name: str) -> str:
        return {"nf_conntrack_count": "7", "nf_conntrack_max": "1000"}.get(name) or await super().node_file(node, name)

    async def pod_file(self, namespace: str, pod: str, name: str) -> str:
        self.asked.pods.add(f"{namespace}/{pod}")
        return await super().pod_file(namespace, pod, name)


async def walk(host: str, port: int = 3306) -> tuple[Diagnosis, Asked]:
    asked = Asked()
    flow = load_flows()["flow.k8s_network_debug"]
    return await run(flow, Target("web", "shop", host, port), Listening(asked), WalkTools(sensors(), rules())), asked


def facts(diagnosis: Diagnosis, sensor: str) -> Any:
    return next(each.facts for each in diagnosis.evidence.values() if each.sensor == sensor)


def measured(diagnosis: Diagnosis, asked: Asked) -> tuple[str, ...]:
    """The path measured, the pods whose sockets were read, and the first two nodes whose tables were."""
    nodes = [each.node for each in facts(diagnosis, "net.conntrack_usage").nodes]
    return (*asked.paths, *sorted(asked.pods - {"shop/web"}), *nodes[:2])


THE_RIGHT_ONE = ("10.0.1.7", "data/db-0", "node-a", "node-b")


async def test_a_statefulset_pod_is_tried_at_its_own_address_and_no_other_replica_is():
    diagnosis, asked = await walk("db-0.db.data.svc.cluster.local")

    assert [each.where for each in facts(diagnosis, "net.connect").asked] == [
        "db-0.db.data.svc.cluster.local:3306",
        "10.0.1.7:3306",
    ]
    assert measured(diagnosis, asked) == THE_RIGHT_ONE
    assert "10.0.2.8" not in {each.host for each in asked.doors}


async def test_a_host_in_upper_case_is_the_same_service():
    diagnosis, asked = await walk("Front.DATA")

    assert [each.where for each in facts(diagnosis, "net.connect").asked] == [
        "front.data:3306",
        "10.96.0.40:3306",
        "10.0.1.7:3306",
    ]
    assert measured(diagnosis, asked) == THE_RIGHT_ONE


async def test_any_spelling_of_an_ipv6_address_is_the_same_pod():
    diagnosis, asked = await walk("FD00:0:0::0007")

    assert [each.where for each in facts(diagnosis, "net.connect").asked] == ["[fd00::7]:3306"]
    assert measured(diagnosis, asked) == ("fd00::7", "data/six-0", "node-a", "node-b")


async def test_a_pod_s_own_dns_name_is_that_pod():
    diagnosis, asked = await walk(f"10-0-1-7.data.pod.{USUAL_DOMAIN}")

    assert [each.where for each in facts(diagnosis, "net.connect").asked] == [
        "10-0-1-7.data.pod.cluster.local:3306",
        "10.0.1.7:3306",
    ]
    assert measured(diagnosis, asked) == THE_RIGHT_ONE


async def test_a_node_port_is_the_service_behind_it_and_no_wrong_port():
    diagnosis, asked = await walk("172.30.0.13", 30306)

    assert [each.where for each in facts(diagnosis, "net.connect").asked] == ["172.30.0.13:30306", "10.0.1.7:3306"]
    assert measured(diagnosis, asked) == ("10.0.1.7", "data/db-0", "node-a", "node-c")  # it arrives at node-c first
    assert facts(diagnosis, "k8s.services").asked_service.name == "front"
    assert [each.cause_class for each, _ in diagnosis.findings if each.cause_class.startswith("service.")] == []


async def test_a_node_s_address_without_a_node_port_is_the_node_alone():
    diagnosis, asked = await walk("172.30.0.13", 9100)

    assert measured(diagnosis, asked) == ("172.30.0.13", "node-a", "node-c")


async def test_an_external_address_is_its_service():
    diagnosis, asked = await walk("192.0.2.7")

    assert measured(diagnosis, asked) == THE_RIGHT_ONE


async def test_an_external_name_is_followed_to_the_service_that_it_stands_for():
    diagnosis, asked = await walk("store")

    assert facts(diagnosis, "net.connect").asked[0].where == "store:3306"
    assert measured(diagnosis, asked) == THE_RIGHT_ONE
