"""Links, routes and probes are recorded incidents (iproute2 6.1, kernel 6.18, Cilium 1.20.0-dev with VXLAN)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensors.access.casefolder import open_case
from sensors.kit import Blind, PathMtu, Sight, Target, observe
from sensors.kit.objects import Ref
from sensors.net_mtu import (
    SENSOR,
    Link,
    Mtu,
    Reach,
    Route,
    Stall,
    TcpHints,
    destinations_to_probe,
    judge_path,
    look,
    parse_links,
    parse_routes,
)
from sensors.net_mtu import (
    Path as Way,
)
from sensors.topology.destination import Backend, Destination
from tests.kit.fakes import FakeCluster

FOLDER = Path(__file__).parents[2] / "lab" / "cases"
WEB = Target("web", "shop")
LINKS = '[{"ifname":"eth0","flags":["UP"],"mtu":1500,"stats64":{"rx":{"errors":1,"dropped":2},"tx":{"errors":3}}}]'
ROUTES = '[{"dst":"default","gateway":"10.0.0.1","dev":"eth0","flags":[],"metrics":[{"mtu":1450}]}]'


async def seen(case: str) -> Mtu:
    opened = open_case(FOLDER / case)
    return await look(opened.header.target, opened)


async def test_a_black_hole_for_large_packets_is_a_measured_gap():
    found = await seen("gallery-to-media")

    (path,) = found.short
    assert path == Way(
        destination="10.244.1.179",
        reach=Reach.SMALLER,
        mtu=1350,
        promised=1450,
        unanswered=(1372, 1400, 1450),
        method="icmp-echo-df",
    )
    assert path.gap == 100
    assert found.stalls == (
        Stall("media/media-57f64f87bf-z47gz", "10.244.0.37", 56518, queued=78288, retransmits=3, full_size=True),
    )
    assert found.hints[1] == TcpHints("media/media-57f64f87bf-z47gz", 692, 18, 0, 12, 0)
    assert found.summary() == (
        "pod route MTU 1450; 10.244.1.179 answers up to 1350 of 1450 bytes (unanswered: 1372, 1400, 1450); "
        "1 connection repeats unacknowledged data"
    )


async def test_drops_of_the_node_s_links_are_kept_and_pod_ends_left_out():
    found = await seen("gallery-to-media")

    assert Link("lab2", "eth0", 1500, is_up=True, tx_dropped=4656) in found.node_links
    assert {each.name for each in found.node_links} == {"eth0", "cilium_net", "cilium_host", "cilium_vxlan"}


@pytest.mark.parametrize("case", ["basket-to-pricing", "agent-to-collector", "search-to-index", "edge-to-sessions"])
async def test_a_probe_that_no_size_answers_is_not_evidence_about_the_mtu(case):
    found = await seen(case)

    assert {each.reach for each in found.paths} == {Reach.SILENT}
    assert found.short == ()
    assert all(each.gap is None for each in found.paths)


async def test_a_whole_path_keeps_its_promise():
    found = await seen("cart-to-coupons")

    assert [(each.reach, each.mtu, each.promised) for each in found.paths] == [(Reach.OK, 1450, 1450)]


async def test_paths_that_were_not_measured_are_named_and_not_called_good():
    found = await seen("sync-to-partner")

    assert found.paths == ()
    assert any("pmtu.json is not in the recording" in each for each in found.unread)
    assert found.summary() == "pod route MTU 1450; path MTU not measured"


async def test_only_one_recorded_incident_has_a_gap():
    short = [
        each.parent.name
        for each in sorted(FOLDER.glob("*/case.yaml"))
        if (each.parent / "pods").exists()
        and each.parent.name != "batch-new-worker"
        and (await seen(each.parent.name)).short
    ]

    assert short == ["gallery-to-media"]


async def test_blind_when_neither_links_routes_nor_probes_can_be_read():
    evidence = await observe(SENSOR, WEB, FakeCluster(blind={"pod_files": "no exec", "path_mtus": "no exec"}))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "no exec")


@pytest.mark.parametrize("text", ["", "1: lo: <LOOPBACK,UP> mtu 65536", "{}", "[1]", "[{}]", '[{"ifname":"eth0"}]'])
async def test_blind_on_links_in_an_unknown_format(text):
    evidence = await observe(SENSOR, WEB, FakeCluster(pod_files={"shop/web/links.json": text}))

    assert evidence.sight is Sight.BLIND
    assert evidence.why.startswith("links.json ")


@pytest.mark.parametrize("text", ["default via 10.0.0.1 dev eth0", '[{"gateway":"10.0.0.1"}]'])
def test_blind_on_routes_in_an_unknown_format(text):
    with pytest.raises(Blind, match=r"routes\.json"):
        parse_routes(text)


def test_a_route_s_own_mtu_wins_over_its_interface_s():
    links, own, none = parse_links(LINKS, "pod"), parse_routes(ROUTES), (Route("default", "eth0", None, None),)

    assert Mtu(pod_links=links, routes=own).route_mtu == 1450
    assert Mtu(pod_links=links, routes=none).route_mtu == 1500
    assert Mtu(pod_links=links).route_mtu is None


def test_links_carry_their_counters_and_uncounted_is_zero():
    assert parse_links(LINKS, "pod") == (
        Link("pod", "eth0", 1500, is_up=True, rx_errors=1, tx_errors=3, rx_dropped=2, tx_dropped=0),
    )


@pytest.mark.parametrize(
    ("row", "reach"),
    [
        (PathMtu("d", mtu=1350, route_mtu=1450, unanswered=(1400,)), Reach.SMALLER),
        (PathMtu("d", mtu=1350, route_mtu=1450), Reach.UNPROVEN),
        (PathMtu("d", mtu=1350, route_mtu=1450, unanswered=(1200,)), Reach.UNPROVEN),
        (PathMtu("d", mtu=1450, route_mtu=1450, unanswered=(1500,)), Reach.OK),
        (PathMtu("d", mtu=1350, unanswered=(1400,)), Reach.UNPROVEN),
        (PathMtu("d", error="no answer"), Reach.SILENT),
        (PathMtu("d", mtu=None, route_mtu="junk", unanswered=("x", None)), Reach.SILENT),
        (PathMtu("d", mtu=-1, route_mtu=1450, unanswered=(10**30,)), Reach.SILENT),
        (PathMtu("d", mtu=True, route_mtu=1450, unanswered=7), Reach.SILENT),
    ],
)
def test_a_gap_needs_an_answer_a_larger_silence_and_a_promise(row, reach):
    assert judge_path(row, None).reach is reach


def test_a_bare_mtu_is_a_result_of_its_own():
    """As docs/case-folder.md describes pmtu.json for whoever measures with tracepath."""
    assert judge_path(PathMtu("d", mtu=1340), 1460).reach is Reach.SMALLER
    assert judge_path(PathMtu("d", mtu=1460), 1460).reach is Reach.OK
    assert judge_path(PathMtu("d", mtu=1340), None).reach is Reach.UNPROVEN
    assert judge_path(PathMtu("d", mtu=1340, method="icmp-echo-df"), 1460).reach is Reach.UNPROVEN


def test_the_pod_s_route_promises_where_the_probe_does_not_say():
    found = judge_path(PathMtu("d", mtu=1350, unanswered=(1400,)), 1450)

    assert (found.reach, found.gap) == (Reach.SMALLER, 100)


def test_backends_are_probed_and_a_service_s_own_address_is_not():
    pod = Backend("10.0.0.6", (80,), "shop", "db", "n1", True)

    assert destinations_to_probe(
        Destination("db", 80, Ref("Service", "shop", "db"), ("10.96.0.7",), (80,), (pod,))
    ) == ("10.0.0.6",)
    assert destinations_to_probe(Destination("10.96.0.7", 80, Ref("Service", "shop", "db"))) == ()
    assert destinations_to_probe(Destination("203.0.113.9", 443)) == ("203.0.113.9",)
    assert destinations_to_probe(Destination("example.com", 443)) == ()
    assert destinations_to_probe(None) == ()
