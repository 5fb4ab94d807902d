"""Flow files: what they may say, and what they answer to a slip of the pen."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from flows.load import FLOW_SENSOR, BadFlow, Flow, load_file, load_flows
from sensors.kit import Cluster, Sensor, Target


async def capture(target: Target, cluster: Cluster, *, last: int = 1000, since: str = "1h", deep: bool = False) -> str:
    return "flows"


SENSORS = {
    "hubble.capture_flows": Sensor("hubble.capture_flows", capture, str, 5.0, ("policy",)),
    "net.tcp_stats": Sensor("net.tcp_stats", capture, str, 5.0, ("physical",)),
}

ORIGINAL = """\
    apiVersion: kai.v1
    kind: Flow
    metadata: {id: flow.mine, title: Mine}
    spec:
      within: 20s
      steps:
        - {id: hubble_flows, type: sensor, ref: hubble.capture_flows, with: {last: 50}}
        - {id: tcp_stats, type: sensor, ref: net.tcp_stats, needs: [hubble_flows], within: 500ms}
        - {id: diagnose, type: agent, agentType: correlation}
"""


def load(folder: Path, text: str) -> Flow:
    path = folder / "mine.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return load_file(path, SENSORS)


def test_the_original_shape_is_read_whole(tmp_path):
    flow = load(tmp_path, ORIGINAL)

    assert (flow.id, flow.title, flow.within) == ("flow.mine", "Mine", 20.0)
    assert [(step.id, step.ref, dict(step.settings), step.needs, step.within) for step in flow.steps] == [
        ("hubble_flows", "hubble.capture_flows", {"last": 50}, (), None),
        ("tcp_stats", "net.tcp_stats", {}, ("hubble_flows",), 0.5),
        ("diagnose", "correlation", {}, (), None),
    ]


def test_a_bare_list_of_steps_is_a_flow_named_after_its_file(tmp_path):
    flow = load(tmp_path, "steps:\n  - {id: a, type: sensor, ref: net.tcp_stats}\n")

    assert (flow.id, flow.within, [step.ref for step in flow.steps]) == ("flow.mine", 30.0, ["net.tcp_stats"])


@pytest.mark.parametrize(
    ("slip", "line", "says"),
    [
        pytest.param(("ref: net.tcp_stats", "ref: net.tcp_stat"), 8, "did you mean 'net.tcp_stats'?", id="sensor"),
        pytest.param(
            ("within: 20s", "wihtin: 20s"), 5, "unknown word 'wihtin' in spec; did you mean 'within'?", id="word"
        ),
        pytest.param(("type: agent", "type: agnet"), 9, "did you mean 'agent'?", id="type"),
        pytest.param(("agentType: correlation", "agentType: corelation"), 9, "'correlation'?", id="agent"),
        pytest.param(("with: {last: 50}", "with: {lst: 50}"), 7, "did you mean 'last'?", id="setting"),
        pytest.param(("with: {last: 50}", "with: {last: many}"), 7, "last should be int", id="setting's type"),
        pytest.param(("with: {last: 50}", "with: {deep: 1}"), 7, "deep should be bool", id="a number is no truth"),
        pytest.param(("with: {last: 50}", "with: {last: true}"), 7, "last should be int", id="a truth is no number"),
        pytest.param(("needs: [hubble_flows]", "needs: [hubble_flow]"), 8, "did you mean 'hubble_flows'?", id="need"),
        pytest.param(("needs: [hubble_flows]", "needs: [tcp_stats]"), 7, "in a circle", id="circle"),
        pytest.param(("id: tcp_stats", "id: hubble_flows"), 7, "two steps are called 'hubble_flows'", id="twice"),
        pytest.param(("within: 20s", "within: soon"), 5, "within should be a time such as 30s", id="time"),
        pytest.param(("kai.v1", "kai.v2"), 1, "apiVersion should be kai.v1", id="version"),
        pytest.param(("ref: net.tcp_stats, ", ""), 8, "needs ref", id="no ref"),
        pytest.param(("kind: Flow", "kind: [Flow"), 3, "not YAML", id="not yaml"),
    ],
)
def test_a_slip_is_answered_with_file_line_and_the_nearest_right_word(tmp_path, slip, line, says):
    text = dedent(ORIGINAL).replace(*slip)

    with pytest.raises(BadFlow) as told:
        load(tmp_path, text)

    message = str(told.value)
    assert says in message
    assert f"mine.yaml, line {line}: " in message
    assert "\n" not in message


def test_steps_that_are_no_list_are_refused(tmp_path):
    with pytest.raises(BadFlow, match="line 1: steps should be a list, found keys"):
        load(tmp_path, "steps: {a: b}")


def test_an_empty_file_says_that_a_flow_needs_steps(tmp_path):
    with pytest.raises(BadFlow, match="the file is empty; a flow needs steps"):
        load(tmp_path, "")


def test_two_files_may_not_claim_one_id(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(dedent(ORIGINAL), encoding="utf-8")

    with pytest.raises(BadFlow, match=r"'flow\.mine' is taken"):
        load_flows(tmp_path, SENSORS)


def test_every_shipped_flow_loads_and_judges_at_its_end():
    flows = load_flows()

    assert set(flows) == {"flow.k8s_network_debug", "flow.k8s_dns_debug", "flow.k8s_policy_drops"}
    assert {flow.steps[-1].type for flow in flows.values()} == {"agent"}


def test_a_flow_can_ask_one_sensor_with_other_settings():
    flow = load_flows()["flow.k8s_network_debug"]

    asking = flow.asking(FLOW_SENSOR, since=900, last=None)

    settings = {each.ref: dict(each.settings) for each in asking.looks}
    before = {each.ref: dict(each.settings) for each in flow.looks}
    assert settings == {**before, FLOW_SENSOR: {**before[FLOW_SENSOR], "since": 900}}
    assert flow.asking(FLOW_SENSOR, since=None) == flow
