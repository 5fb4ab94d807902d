"""Connections are recorded incidents of a two-node cluster (Kubernetes 1.36.2, Cilium 1.20.0-dev, kernel 6.18)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensors.access.casefolder import open_case
from sensors.kit import Absent, Blind, Connect, Dial, Sight, Target, observe
from sensors.kit.kinds import ENDPOINT_SLICE, POD, SERVICE
from sensors.net_connect import (
    MAX_ATTEMPTS,
    SENSOR,
    About,
    Connects,
    Landmarks,
    Role,
    classify,
    dials_to_try,
    look,
    read_attempt,
)
from sensors.topology.destination import Backend, Destination
from tests.kit.build import pod, service
from tests.kit.fakes import FakeCluster
from tests.kit.spoil import real_objects, spoiled

FOLDER = Path(__file__).parents[2] / "lab" / "cases"
WEB = Target("web", "shop", "db", 5432)


async def seen(case: str) -> Connects:
    opened = open_case(FOLDER / case)
    return await look(opened.header.target, opened)


def told(doors):
    return [(each.where, each.result, each.role.value) for each in doors]


async def test_a_wrong_target_port_is_refused_while_the_pod_s_other_port_opens():
    found = await seen("mobile-to-gateway")

    assert told(found.asked) == [
        ("gateway:80", "refused", "peer"),
        ("10.96.31.180:80", "refused", "service"),
        ("10.244.1.137:8081", "refused", "backend"),
    ]
    assert told(found.context) == [
        ("10.244.1.137:8080", "open", "backend_other_port"),
        ("10.96.0.1:443", "open", "api_server"),
        ("10.96.0.10:53", "open", "resolver"),
    ]


def test_a_peer_that_speaks_udp_is_not_asked_over_tcp():
    there = Destination(
        "core", 5140, cluster_ips=("10.96.0.7",), service_ports=(5140,), backends=(backend("10.244.1.7", 5140),),
        protocol="UDP",
    )  # fmt: skip
    known = Landmarks(frozenset({"10.96.0.10"}), frozenset())
    tcp = (read_attempt(Connect("core", 5140, "tcp", "refused", errno="ECONNREFUSED", address="10.96.0.7")),)

    assert dials_to_try(there, known) == (
        *(Dial(each, 5140, "udp") for each in ("core", "10.96.0.7", "10.244.1.7")),
        Dial("10.96.0.10", 53),
    )
    assert [each.about for each in classify(tcp, there, known)] == [About.CONTEXT]
    summary = Connects(classify(tcp, there, known), "core:5140", (), "UDP").summary()
    assert summary == "the requested peer was not tried; control connections: core:5140 refused (ECONNREFUSED)"


UDP = {"name": "in", "port": 5140, "protocol": "UDP"}
CORE = service("shop", "core", ip="10.96.0.7", ports=[UDP])


async def asked_over_udp(*rows: Connect, port: int = 5140) -> Connects:
    return await look(Target("web", "shop", "core", port), FakeCluster([CORE], connects=rows))


async def test_a_silent_udp_port_is_no_measurement_and_is_said_to_be_none():
    """`sent` is the probe's word, `timeout` that of other tools: neither says that the port is shut."""
    for result in ("sent", "timeout"):
        found = await asked_over_udp(Connect("core", 5140, "udp", result, address="10.96.0.7"))

        assert (found.doors, found.asked_opens) == ((), None)
        assert [(each.where, each.result, each.about) for each in found.sent] == [("core:5140", "sent", About.ASKED)]
        assert found.summary() == "a datagram was sent to core:5140 over UDP, no answer expected and none came"


async def test_a_udp_port_that_answers_or_is_turned_away_was_measured():
    answered = await asked_over_udp(Connect("core", 5140, "udp", "open"))
    refused = await asked_over_udp(Connect("core", 5140, "udp", "refused", errno="ECONNREFUSED"))

    assert (answered.asked_opens, refused.asked_opens) == (True, False)
    assert refused.summary() == "requested: core:5140 refused (ECONNREFUSED)"


async def test_a_dns_question_that_nobody_answers_is_a_failure():
    silent = await asked_over_udp(Connect("core", 5140, "udp", "timeout", errno="ETIMEDOUT", ask="dns"))

    assert told(silent.asked) == [("core:5140", "timeout", "peer")]


def test_a_dns_server_is_asked_a_question():
    there = Destination("names", 53, cluster_ips=("10.96.0.10",), service_ports=(53,), protocol="UDP", is_dns=True)

    assert dials_to_try(there, Landmarks())[:2] == (
        Dial("names", 53, "udp", "dns"), Dial("10.96.0.10", 53, "udp", "dns"),
    )  # fmt: skip


def test_sctp_cannot_be_tried():
    assert dials_to_try(Destination("core", 5140, protocol="SCTP"), Landmarks()) == ()


def backend(address: str, port: int) -> Backend:
    return Backend(address, (port,), "shop", "core-1", "node-1", True)


def test_an_attempt_that_the_kernel_could_not_make_is_left_out_where_the_same_address_opened():
    rows = [
        Connect("db", 5432, "tcp", "unreachable", errno="ENOENT", address="10.96.0.7"),
        Connect("10.96.0.7", 5432, "tcp", "open"),
    ]
    there = Destination("db", 5432, cluster_ips=("10.96.0.7",), service_ports=(5432,))

    found = classify(tuple(map(read_attempt, rows)), there, Landmarks())
    alone = classify(tuple(map(read_attempt, rows[:1])), there, Landmarks())

    assert told(found) == [("10.96.0.7:5432", "open", "service")]
    assert told(alone) == [("db:5432", "unreachable", "peer")]


async def test_a_failed_control_connection_stays_context():
    found = await seen("search-to-index")

    assert found.asked_opens is True
    assert [(each.where, each.result) for each in found.of(Role.API_SERVER)] == [("10.96.0.1:443", "timeout")]


async def test_a_service_without_backends_is_eperm_at_once():
    found = await seen("web-to-catalog")

    assert [(each.role, each.errno) for each in found.asked] == [(Role.PEER, "EPERM"), (Role.SERVICE, "EPERM")]
    assert told(found.of(Role.OTHER)) == [("10.244.1.162:8080", "open", "other")]


async def test_the_api_server_is_asked_when_the_question_says_so():
    found = await seen("api-server-cannot-watch")

    assert told(found.asked) == [
        ("10.96.0.1:443", "timeout", "peer"),
        ("172.30.0.11:6443", "timeout", "backend"),
    ]


async def test_a_name_that_did_not_resolve_leaves_no_requested_attempt():
    found = await seen("notify-to-mailer")

    assert found.asked == ()
    assert found.asked_opens is None
    assert found.summary().startswith("the requested peer was not tried; control connections: 10.244.1.183:2525 open")


async def test_every_recorded_attempt_is_told_apart_and_none_is_lost():
    for case in sorted(each.parent.name for each in FOLDER.glob("*/case.yaml")):
        opened = open_case(FOLDER / case)
        target = opened.header.target
        if not (opened.path / "pods" / target.namespace / target.pod / "connect.json").exists():
            continue
        rows = await opened.connects(target.namespace, target.pod, ())

        found = await seen(case)

        assert {(each.host, each.port) for each in found.doors} == {(each.host, each.port) for each in rows}, case
        assert len(found.asked) + len(found.context) == len(found.doors)


async def test_blind_when_the_pod_cannot_be_entered():
    evidence = await observe(SENSOR, WEB, FakeCluster(blind={"connects": "exec into shop/web is forbidden"}))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "exec into shop/web is forbidden")


async def test_blind_when_nothing_was_tried():
    evidence = await observe(SENSOR, WEB, FakeCluster(connects=[]))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "no connection was tried from inside the pod")


@pytest.mark.parametrize(
    "row", [Connect("db", 5432, "tcp", "fine"), Connect("db", "http", "tcp", "open"), Connect("db", 1, "tcp", None)]
)
def test_blind_on_a_result_it_does_not_know(row):
    with pytest.raises(Blind, match="not understood"):
        read_attempt(row)


async def test_without_objects_the_peer_is_still_asked_and_the_gaps_are_named():
    rows = [Connect("db", 5432, "tcp", "open", address="10.96.7.7"), Connect("10.96.7.7", 5432, "tcp", "refused")]

    found = await look(WEB, FakeCluster(connects=rows))

    assert told(found.asked) == [("db:5432", "open", "peer"), ("10.96.7.7:5432", "refused", "service")]
    assert found.unread == ("services were not given", "endpointslices were not given", "pods were not given")


async def test_without_a_requested_peer_every_attempt_is_context():
    found = await look(Target("web", "shop"), FakeCluster(connects=[Connect("10.96.0.1", 443, "tcp", "timeout")]))

    assert found.asked == ()
    assert found.summary() == "no peer was requested; control connections: 10.96.0.1:443 timeout"


def test_the_requested_attempts_come_first_and_there_are_never_more_than_twelve():
    backends = tuple(Backend(f"10.0.0.{each}", (6000, 6001, 6002), "shop", "p", "n", True) for each in range(9))
    asked = Destination("db", 5432, cluster_ips=("10.96.7.7",), service_ports=(5432,), backends=backends)
    known = Landmarks(frozenset({"10.96.0.10"}), frozenset({("10.96.0.1", 443)}))

    doors = dials_to_try(asked, known)

    assert len(doors) == MAX_ATTEMPTS
    assert doors[:3] == (Dial("db", 5432), Dial("10.96.7.7", 5432), Dial("10.0.0.0", 6000))
    assert doors[-2:] == (Dial("10.96.0.10", 53), Dial("10.96.0.1", 443))


def test_without_a_question_what_the_pod_talks_to_is_tried():
    assert dials_to_try(None, Landmarks(), [Dial("10.96.7.7", 5432)]) == (Dial("10.96.7.7", 5432),)


async def test_the_services_next_to_the_pod_are_not_tried_for_that():
    """Only what the pod's spec names, of two Services of its namespace."""
    dialled: list[Dial] = []

    class Trying(FakeCluster):
        async def connects(self, namespace, pod, doors):
            dialled.extend(doors)
            return tuple(Connect(each.host, each.port, each.protocol, "open") for each in doors)

    web = pod("shop", "web")
    web["spec"]["containers"][0]["env"] = [{"name": "UPSTREAM", "value": "orders:80"}]
    others = [service("shop", "orders", ip="10.96.0.8"), service("shop", "stock", ip="10.96.0.9")]

    await look(Target("web", "shop"), Trying([web, *others]))

    assert dialled == [Dial("orders", 80)]


def test_the_same_attempt_with_one_result_counts_once_and_an_intermittent_one_twice():
    rows = [
        Connect("db", 1, "tcp", "open", ms=1),
        Connect("db", 1, "tcp", "open", ms=2),
        Connect("db", 1, "tcp", "timeout"),
    ]

    found = classify(tuple(map(read_attempt, rows)), Destination("db", 1), Landmarks())

    assert [(each.result, each.about) for each in found] == [("open", About.ASKED), ("timeout", About.ASKED)]


@pytest.mark.parametrize("seed", range(25))
async def test_spoiled_objects_never_crash_it(seed):
    objects = spoiled(real_objects(FOLDER / "mobile-to-gateway"), seed, share=0.2)
    rows = [Connect("gateway", 80, "tcp", "refused")]

    evidence = await observe(
        SENSOR,
        Target("mobile-bff-6b68f78b59-wjgbd", "mobile", "gateway", 80),
        FakeCluster(objects, kinds=[SERVICE, ENDPOINT_SLICE, POD], connects=rows),
    )

    assert evidence.sight is Sight.SEEN, evidence.why


async def test_absent_is_passed_on():
    with pytest.raises(Absent):
        await look(WEB, FakeCluster(absent={"connects": "pod shop/web does not exist"}))
