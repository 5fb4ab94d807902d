"""Captured from `cilium-dbg metrics list` of 1.20.0-dev; the Prometheus text is the agent's own exposition format."""

from __future__ import annotations

from sensors.kit.metrics import Metric, parse_metrics, read_metrics
from tests.kit.cases import CASES

TABLE = """\
cilium_bpf_map_pressure                                    map_name=ct4_global                          0.000834
cilium_controllers_failing                                                                              2.000000
cilium_datapath_conntrack_gc_duration_seconds              family=ipv4 protocol=TCP          2.5ms / 4.5ms / 4.95ms
cilium_drop_count_total                                    direction=EGRESS reason=Policy denied by denylist   66.000000
"""

PROMETHEUS = """\
# HELP cilium_drop_count_total Total dropped packets
# TYPE cilium_drop_count_total counter
cilium_drop_count_total{direction="EGRESS",reason="Policy denied by denylist"} 66 1763932000000
cilium_bpf_map_pressure{map_name="ct4_global"} 8.34e-04
cilium_controllers_failing 2
go_goroutines 5
"""

SERIES = {
    "cilium_bpf_map_pressure{map_name=ct4_global}": 0.000834,
    "cilium_controllers_failing": 2.0,
    "cilium_drop_count_total{direction=EGRESS,reason=Policy denied by denylist}": 66.0,
}


def test_both_forms_give_the_same_series() -> None:
    assert read_metrics(TABLE) == SERIES
    assert read_metrics(PROMETHEUS) == SERIES


def test_a_recorded_table_is_read_whole() -> None:
    found = read_metrics((CASES / "batch-new-worker/nodes/lab1/cilium/metrics.txt").read_text())

    assert found["cilium_drop_count_total{direction=INGRESS,reason=Stale or unroutable IP}"] == 95041
    assert found["cilium_endpoint_state{endpoint_state=ready}"] == 4
    assert found["cilium_ipam_capacity{family=ipv4}"] == 254


def test_what_is_no_metric_is_nothing() -> None:
    words = "Error: cannot connect\n\ncilium_controllers_failing\ncilium_controllers_failing NaN\n{}\n"

    assert read_metrics(words) == {}


def test_blanks_between_a_sample_and_its_value_do_not_matter():
    one, two = (list(parse_metrics(f'cilium_x{{reason="CT: full"}}{gap}7')) for gap in (" ", "  "))

    assert one == two == [Metric("cilium_x", {"reason": "CT: full"}, 7.0)]
