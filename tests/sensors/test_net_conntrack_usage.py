"""Node files are recorded incidents (kernel 6.18, conntrack-tools 1.4.7, Cilium 1.20.0-dev); the hexadecimal counters
are /proc/net/stat/nf_conntrack of kernel 6.18 with 30 connections in the table."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sensors.access.casefolder import open_case
from sensors.kit import Blind, Environment, Sight, Target, observe
from sensors.kit.app_log import log_time
from sensors.kit.kernel_log import FullTable
from sensors.kit.metrics import parse_metrics
from sensors.net_conntrack_usage import (
    SENSOR,
    CiliumTables,
    Conntrack,
    NodeTables,
    datapath_table,
    look,
    parse_cilium,
    parse_node,
    parse_number,
    parse_stats,
)
from tests.kit.fakes import FakeCluster

FOLDER = Path(__file__).parents[2] / "lab" / "cases"
CAPTURES = Path(__file__).parents[1] / "captures" / "net"
WEB = Target("web", "shop")
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"nodeName": "n1"}}

# cilium-dbg metrics list -o table, Cilium 1.20.0-dev (columns are padded with spaces)
TABLE = """\
cilium_bpf_map_pressure                 map_name=ct4_global                             0.000523
cilium_bpf_map_pressure                 map_name=snat_v4_external                       0.250000
cilium_bpf_map_pressure                 map_name=lb4_reverse_nat                        0.900000
cilium_controllers_failing                                                              0.000000
cilium_datapath_conntrack_gc_duration_seconds    family=ipv4 protocol=TCP status=completed    2.5ms / 4.5ms / 4.95ms
cilium_drop_count_total                 direction=EGRESS reason=CT: Map insertion failed     7.000000
cilium_drop_count_total                 direction=INGRESS reason=CT: Map insertion failed    2.000000
cilium_drop_count_total                 direction=EGRESS reason=No mapping for NAT masquerade    3.000000
"""
# the same figures as the agent's /metrics serves them
PROMETHEUS = """\
# HELP cilium_bpf_map_pressure Fill percentage of map
# TYPE cilium_bpf_map_pressure gauge
cilium_bpf_map_pressure{map_name="ct4_global"} 0.000523
cilium_bpf_map_pressure{map_name="snat_v4_external"} 2.5e-01
cilium_bpf_map_pressure{map_name="lb4_reverse_nat"} 0.9
cilium_controllers_failing 0
cilium_drop_count_total{direction="EGRESS",reason="CT: Map insertion failed"} 7
cilium_drop_count_total{direction="INGRESS",reason="CT: Map insertion failed"} 2
cilium_drop_count_total{direction="EGRESS",reason="No mapping for NAT masquerade"} 3
"""


async def seen(case: str) -> Conntrack:
    opened = open_case(FOLDER / case)
    return await look(opened.header.target, opened)


async def test_a_full_kernel_table_is_seen_beside_an_empty_cilium_table():
    found = await seen("edge-to-sessions")

    assert (found.here.node, found.here.fill, found.host_network) == ("lab1", 1.0, True)
    assert found.here.full == FullTable(
        lines=27,
        first=datetime(2026, 11, 23, 21, 40, 29, 902998, tzinfo=UTC),
        newest=datetime(2026, 11, 23, 21, 40, 42, 874747, tzinfo=UTC),
        netns=("4026532321",),
        suppressed=7,
    )
    assert (found.here.counted("drop"), found.here.counted("insert_failed"), found.here.counted("nonsense")) == (
        33,
        0,
        None,
    )
    assert found.here.cilium.connection_pressure == pytest.approx(0.00055)
    assert found.datapath_table == "cilium"


async def test_nodes_of_one_kernel_show_the_same_log_and_only_the_count_tells_them_apart():
    found = await seen("edge-to-sessions")

    assert found.shared_log
    assert [(each.node, each.full.lines, round(each.fill, 4)) for each in found.nodes] == [
        ("lab1", 27, 1.0),
        ("lab2", 27, 0.0003),
    ]
    assert found.summary() == (
        'lab1: nf_conntrack 262144 of 262144 (100.0%), Cilium connection table 0.1%, 27 kernel lines "table full"; '
        'lab2: nf_conntrack 88 of 262144 (0.0%), Cilium connection table 0.5%, 27 kernel lines "table full" '
        "(the nodes show one and the same kernel log)"
    )


async def test_a_quiet_log_was_read_and_said_nothing():
    found = await seen("search-to-index")

    assert found.here.full == FullTable(lines=0)
    assert not found.shared_log


async def test_a_node_whose_agent_is_down_still_tells_of_the_kernel_s_table():
    found = await seen("batch-new-worker")

    assert (found.here.node, found.here.count, found.here.cilium) == ("lab2", 55, None)
    assert found.here.unread == ("cilium/metrics.txt: nodes/lab2/cilium/metrics.txt is not in the recording",)


def test_the_counters_of_all_cpus_are_summed():
    text = (FOLDER / "edge-to-sessions/nodes/lab1/conntrack_stats").read_text()

    assert parse_stats(text) == {
        "found": 0,
        "invalid": 0,
        "insert": 261813,
        "insert_failed": 0,
        "drop": 33,
        "early_drop": 0,
        "error": 18,
        "search_restart": 0,
        "clash_resolve": 0,
        "chaintoolong": 0,
    }


def test_the_kernel_s_own_hexadecimal_counters_are_read_by_name_and_entries_are_not_summed():
    real = (CAPTURES / "proc_net_stat_nf_conntrack.txt").read_text()
    older = "entries searched insert_failed\n0000ffff 00000001 0000000a\n0000ffff 00000001 00000010\n"

    assert set(parse_stats(real).values()) == {0}
    assert "entries" not in parse_stats(real)
    assert parse_stats(older) == {"searched": 2, "insert_failed": 26}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "conntrack v1.4.7 (conntrack-tools): Operation failed: Operation not permitted\n",
        "entries searched\n",
        "entries searched\n00000001\n",
        "entries searched\n00000001 zz\n",
    ],
)
def test_blind_on_counters_in_an_unknown_format(text):
    with pytest.raises(Blind):
        parse_stats(text)


def test_blind_on_a_count_that_is_no_number():
    with pytest.raises(Blind, match="nf_conntrack_count holds 'cat: no such file', not a number"):
        parse_number("cat: no such file\n", "nf_conntrack_count")


def test_blind_on_a_kernel_log_that_is_a_complaint():
    with pytest.raises(Blind, match="read kernel buffer failed"):
        parse_node("n1", True, {"dmesg": "dmesg: read kernel buffer failed: Operation not permitted\n"})


async def test_blind_when_nothing_of_the_pod_s_node_can_be_read():
    cluster = FakeCluster([POD], blind={"node_files": "no agent on node n1"})

    evidence = await observe(SENSOR, WEB, cluster)

    assert evidence.sight is Sight.BLIND
    assert evidence.why == "nothing of node n1 can be read: nf_conntrack_count: no agent on node n1"


async def test_a_file_is_named_once_where_the_reason_names_it_already():
    said = "nf_conntrack_count: the network namespace /proc/1/ns/net cannot be entered"
    evidence = await observe(SENSOR, WEB, FakeCluster([POD], blind={"node_files": said}))

    assert evidence.why == f"nothing of node n1 can be read: {said}"


async def test_blind_when_the_pod_is_on_no_node_or_nobody_knows_which():
    pending = {**POD, "spec": {}}

    evidence = [await observe(SENSOR, WEB, FakeCluster(each)) for each in ([pending], [])]

    assert [(each.sight, each.why) for each in evidence] == [
        (Sight.BLIND, "shop/web is on no node yet"),
        (Sight.BLIND, "the node of shop/web is not known"),
    ]


async def test_blind_on_its_own_node_s_unknown_format_but_not_on_another_s():
    def node(name):
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}

    objects = [POD, node("n1"), node("n2")]
    good = {"n1/nf_conntrack_count": "5", "n1/nf_conntrack_max": "10"}

    here = await observe(SENSOR, WEB, FakeCluster(objects, node_files={"n1/nf_conntrack_count": "many"}))
    there = await look(WEB, FakeCluster(objects, node_files=good | {"n2/nf_conntrack_count": "many"}))

    assert (here.sight, here.why) == (Sight.BLIND, "nf_conntrack_count holds 'many', not a number")
    assert [(each.node, each.fill) for each in there.nodes] == [("n1", 0.5)]


async def test_at_most_so_many_nodes_are_read_and_the_rest_is_counted():
    nodes = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{each}"}} for each in range(9)]
    files = {f"n{each}/nf_conntrack_count": "1" for each in range(9)}

    found = await look(WEB, FakeCluster([POD, *nodes], node_files=files), nodes=2)

    assert ([each.node for each in found.nodes], found.left_out) == (["n1", "n0"], 7)


@pytest.mark.parametrize("text", [TABLE, PROMETHEUS])
def test_cilium_s_metrics_are_read_in_both_forms(text):
    found = parse_cilium(text)

    assert found == CiliumTables(
        pressure={"ct4_global": 0.000523, "snat_v4_external": 0.25, "lb4_reverse_nat": 0.9},
        drops={"CT: Map insertion failed": 9, "No mapping for NAT masquerade": 3},
    )
    assert (found.connection_pressure, found.nat_pressure) == (0.000523, 0.25)
    assert (found.insert_failures, found.no_nat_mapping) == (9, 3)


def test_every_recorded_metrics_file_has_a_connection_table_and_its_drops():
    for path in FOLDER.glob("*/nodes/*/cilium/metrics.txt"):
        found = parse_cilium(path.read_text())

        assert found.connection_pressure is not None, path
        assert found.drops["Unsupported L3 protocol"] > 0, path


def test_a_label_value_with_spaces_and_an_escaped_quote_is_one_value():
    (found,) = parse_metrics('x_total{reason="a \\"b\\" c",way="in"} 1\n')

    assert found.labels == {"reason": 'a "b" c', "way": "in"}


def test_metrics_that_are_none_leave_cilium_untold_and_named():
    found = parse_node("n1", True, {"nf_conntrack_count": "5", "cilium/metrics.txt": "Is the agent running?"})

    assert found == NodeTables("n1", True, count=5, unread=("cilium/metrics.txt holds no Cilium metric",))


def test_an_older_kernel_s_line_without_a_namespace_counts_and_seconds_since_boot_are_no_time():
    text = "[  12.5] nf_conntrack: nf_conntrack: table full, dropping packet\n[  13.0] eth0: renamed\n"

    assert parse_node("n1", True, {"dmesg": text}).full == FullTable(lines=1)


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026-11-23T21:40:42,874747+00:00 x", datetime(2026, 11, 23, 21, 40, 42, 874747, tzinfo=UTC)),
        ("2026-11-23T22:40:42,874747+01:00 x", datetime(2026, 11, 23, 21, 40, 42, 874747, tzinfo=UTC)),
        ("[Mon Nov 23 21:40:42 2026] x", None),
        ("[  123.456789] x", None),
        ("2026-99-99T99:99:99,000000+00:00 x", None),
    ],
)
def test_only_a_wall_clock_with_its_zone_is_a_time(line, time):
    assert log_time(line) == time


@pytest.mark.parametrize(("cni", "table"), [("cilium", "cilium"), ("calico", "netfilter"), (None, "unknown")])
def test_which_table_the_datapath_uses_follows_the_cni(cni, table):
    assert datapath_table(Environment(cni=cni)) == table
