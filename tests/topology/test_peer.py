from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sensors.kit.objects import Ref
from sensors.topology.destination import destination_at
from sensors.topology.peer import AddressBook, AskedKind, ResolvedPeer, addressed
from tests.kit.build import endpoint, endpoint_slice, node, pod, service

API = [{"name": "https", "port": 6443, "protocol": "TCP"}]
WHERE = AddressBook(
    services=(
        service("shop", "api", ip="10.96.0.20", externalIPs=["192.0.2.7"]),
        service("bank", "ledger", ip="10.96.0.21"),
        service("data", "db", ip="None"),
        service("default", "kubernetes", ip="10.96.0.1"),
        {**service("shop", "front", ip="10.96.0.22"), "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.8"}]}}},
    ),
    slices=(
        endpoint_slice("default", "kubernetes", endpoint("172.30.0.11"), ports=API),
        endpoint_slice("shop", "api", endpoint("10.0.0.7", node="node-b")),
    ),
    pods=(
        pod("shop", "api-1", ip="10.0.0.7", node="node-b"),
        pod("data", "db-0", ip="10.0.0.8", node="node-a"),
        pod("shop", "done", ip="10.0.0.9", phase="Succeeded"),
        pod("shop", "agent", ip="172.30.0.12", hostNetwork=True),
    ),
    nodes=(node("node-a", ip="172.30.0.11"), node("node-b", ip="172.30.0.12")),
    namespaces=("bank", "data", "default", "shop"),
    service_cidrs=("10.96.0.0/16",),
    pod_cidrs=("10.0.0.0/16", "nonsense"),
)


def asked(host: str, port: int | None = None, where: AddressBook = WHERE) -> ResolvedPeer:
    return addressed(host, port, "shop", where)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api", "shop/api"),
        ("API.", "shop/api"),
        ("ledger.bank", "bank/ledger"),
        ("ledger.bank.svc", "bank/ledger"),
        ("ledger.bank.svc.cluster.local", "bank/ledger"),
        ("ledger.bank.svc.example.internal", "bank/ledger"),
        ("10.96.0.21", "bank/ledger"),
        ("192.0.2.7", "shop/api"),
        ("192.0.2.8", "shop/front"),
    ],
)
def test_a_service_is_known_under_all_its_names_and_addresses(host: str, name: str) -> None:
    space, _, own = name.partition("/")

    assert asked(host, 80) == ResolvedPeer(AskedKind.SERVICE, host, 80, Ref("Service", space, own))


@pytest.mark.parametrize("host", ["kubernetes.default.svc", "10.96.0.1"])
def test_the_api_server_is_recognised_behind_its_service(host: str) -> None:
    assert asked(host, 443).kind is AskedKind.API_SERVER


def test_a_nodes_address_is_the_api_server_on_its_port_only() -> None:
    assert asked("172.30.0.11", 6443).kind is AskedKind.API_SERVER
    assert asked("172.30.0.11", 22) == ResolvedPeer(AskedKind.NODE, "172.30.0.11", 22, node="node-a")


@pytest.mark.parametrize(
    ("host", "kind", "pod_name", "on"),
    [
        ("10.0.0.7", AskedKind.POD, "shop/api-1", "node-b"),
        ("db-0.db.data", AskedKind.POD, "data/db-0", "node-a"),
        ("db-0.db.data.svc.cluster.local", AskedKind.POD, "data/db-0", "node-a"),
        ("10-0-0-8.data.pod.cluster.local", AskedKind.POD, "data/db-0", "node-a"),
        ("172.30.0.12", AskedKind.NODE, "", "node-b"),
    ],
)
def test_pods_are_known_by_address_and_by_stable_name(host: str, kind: AskedKind, pod_name: str, on: str) -> None:
    found = asked(host)

    held = f"{found.pod.namespace}/{found.pod.name}" if found.pod else ""
    assert (found.kind, held, found.node) == (kind, pod_name, on)


@pytest.mark.parametrize(
    ("owner", "made_by"),
    [
        (("StatefulSet", "db"), Ref("StatefulSet", "data", "db")),
        (("ReplicaSet", "db-79d8"), Ref("Deployment", "data", "db")),
        (None, None),
    ],
)
def test_what_made_the_pod_is_known_with_it(owner: tuple[str, str] | None, made_by: Ref | None) -> None:
    db = pod("data", "db-0", ip="10.0.0.8", owner=owner, labels={"pod-template-hash": "79d8"})

    found = [asked(host, where=replace(WHERE, pods=(db,))) for host in ("10.0.0.8", "db-0.db.data")]

    assert [each.workload for each in found] == [made_by, made_by]


@pytest.mark.parametrize(
    "host", ["example.com", "cdn.example.net", "203.0.113.10", "2001:db8::1", "api.shop.example.org"]
)
def test_what_belongs_to_nobody_in_the_cluster_is_external(host: str) -> None:
    assert asked(host).kind is AskedKind.EXTERNAL


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (
            "apj",
            ResolvedPeer(
                AskedKind.UNKNOWN_SERVICE,
                "apj",
                service=Ref("Service", "shop", "apj"),
                nearest=("api",),
                why="namespace shop has no Service apj",
            ),
        ),
        (
            "ledger",
            ResolvedPeer(
                AskedKind.UNKNOWN_SERVICE,
                "ledger",
                service=Ref("Service", "shop", "ledger"),
                elsewhere=(Ref("Service", "bank", "ledger"),),
                why="namespace shop has no Service ledger",
            ),
        ),
        (
            "ledger.banc",
            ResolvedPeer(
                AskedKind.UNKNOWN_NAMESPACE,
                "ledger.banc",
                service=Ref("Service", "banc", "ledger"),
                elsewhere=(Ref("Service", "bank", "ledger"),),
                nearest_namespaces=("bank",),
                why="there is no namespace banc",
            ),
        ),
        (
            "10.96.9.9",
            ResolvedPeer(AskedKind.UNKNOWN_SERVICE, "10.96.9.9", why="a Service address that no Service has"),
        ),
        ("10.0.9.9", ResolvedPeer(AskedKind.UNKNOWN_POD, "10.0.9.9", why="a pod address that no pod has")),
        ("10.0.0.9", ResolvedPeer(AskedKind.UNKNOWN_POD, "10.0.0.9", why="a pod address that no pod has")),
        (
            "db-9.db.data.svc",
            ResolvedPeer(
                AskedKind.UNKNOWN_POD,
                "db-9.db.data.svc",
                service=Ref("Service", "data", "db"),
                nearest=("db-0",),
                why="namespace data has no pod db-9",
            ),
        ),
    ],
)
def test_what_does_not_exist_comes_with_what_is_nearest(host: str, expected: ResolvedPeer) -> None:
    assert asked(host) == expected


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_loopback_is_the_pod_itself(host: str) -> None:
    assert (asked(host).kind, asked(host).why) == (AskedKind.POD, "the pod itself")


def test_a_link_local_address_is_answered_on_the_node() -> None:
    assert asked("169.254.20.10").kind is AskedKind.NODE


@pytest.mark.parametrize("unread", [{"pods": None}, {"pods": None, "nodes": None, "slices": None}])
def test_blindness_for_pods_leaves_an_address_undecidable_instead_of_external(unread: dict[str, Any]) -> None:
    where = AddressBook(services=WHERE.services, **{"pods": WHERE.pods, "nodes": WHERE.nodes, **unread})

    assert asked("203.0.113.10", where=where).kind is AskedKind.UNDECIDABLE
    assert asked("10.96.0.20", where=where).kind is AskedKind.SERVICE


def test_without_namespaces_nobody_claims_that_one_is_missing() -> None:
    where = AddressBook(services=WHERE.services, pods=(), nodes=())

    assert asked("ledger.banc.svc", where=where).kind is AskedKind.UNKNOWN_SERVICE
    assert asked("example.com", where=where).kind is AskedKind.EXTERNAL


def test_the_peers_nodes_come_from_its_endpoints_or_itself() -> None:
    assert destination_at("api", None, "shop", WHERE).nodes == ("node-b",)
    assert destination_at("10.0.0.8", None, "shop", WHERE).nodes == ("node-a",)
    assert destination_at("example.com", None, "shop", WHERE).nodes == ()


@pytest.mark.parametrize(
    "host", ["", ".", "..", "a..b", "-", "x" * 300, "10.0.0", "[::1]", "1.2.3.4.5", "a.b.c.d.e.svc"]
)
def test_odd_words_never_crash(host: str) -> None:
    assert isinstance(asked(host).kind, AskedKind)


NODE_PORT = [{"name": "http", "port": 80, "nodePort": 30080}]


def alias(name: str, to: str) -> dict[str, Any]:
    return service("shop", name, ip="", type="ExternalName", externalName=to)


def test_a_node_s_address_with_a_node_port_is_the_service_behind_it() -> None:
    where = replace(WHERE, services=(*WHERE.services, service("bank", "till", ip="10.96.0.30", ports=NODE_PORT)))

    till = asked("172.30.0.12", 30080, where)

    assert (till.kind, till.service, till.service_port) == (AskedKind.SERVICE, Ref("Service", "bank", "till"), 80)
    assert (till.node, till.port_of_service) == ("node-b", 80)
    assert asked("172.30.0.12", 80, where).kind is AskedKind.NODE
    assert asked("203.0.113.9", 30080, where).kind is AskedKind.EXTERNAL


def test_a_load_balancer_s_name_is_its_service() -> None:
    balancer = {"loadBalancer": {"ingress": [{"hostname": "Front-1.elb.example.com."}]}}
    where = replace(WHERE, services=({**service("shop", "front", ip="10.96.0.22"), "status": balancer},))

    assert asked("front-1.ELB.example.com", 80, where).service == Ref("Service", "shop", "front")


def test_a_load_balancer_s_name_may_look_like_a_service_s_and_a_service_that_is_there_goes_first() -> None:
    balancer = {"loadBalancer": {"ingress": [{"hostname": "lb.eu.svc.example.com"}]}}
    front = {**service("shop", "front", ip="10.96.0.22"), "status": balancer}

    alone = replace(WHERE, services=(front,))
    beside = replace(WHERE, services=(front, service("eu", "lb", ip="10.96.0.23")))

    assert asked("lb.eu.svc.example.com", 80, alone).service == Ref("Service", "shop", "front")
    assert asked("lb.eu.svc.example.com", 80, beside).service == Ref("Service", "eu", "lb")


def test_an_external_name_leads_to_a_service_of_this_cluster() -> None:
    where = replace(WHERE, services=(*WHERE.services, alias("store", "Ledger.bank.svc.cluster.local.")))

    store = asked("store", 80, where)

    assert (store.kind, store.service) == (AskedKind.SERVICE, Ref("Service", "bank", "ledger"))
    assert store.alias == Ref("Service", "shop", "store")


@pytest.mark.parametrize("to", ["db.example.com", "ledger.bank", "10.96.0.21"])
def test_an_external_name_without_the_cluster_s_domain_leads_outside(to: str) -> None:
    store = asked("store", 80, replace(WHERE, services=(*WHERE.services, alias("store", to))))

    assert (store.kind, store.external_name) == (AskedKind.EXTERNAL, to)
    assert store.why == f"Service shop/store stands for {to} (ExternalName)"


def test_external_names_that_lead_to_each_other_end() -> None:
    loop = (alias("a", "b.shop.svc.cluster.local"), alias("b", "a.shop.svc.cluster.local"))

    assert isinstance(asked("a", 80, replace(WHERE, services=loop)).kind, AskedKind)
