"""The rules that the page recommends: each can be loaded, and what it fires leads to a pod, a node or a probe."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.alerts.gate import NetworkRelevance, judged, load_gate
from bot.triggers.alert import Alert, SubjectKind
from bot.triggers.alertmanager import TRIGGER

FILE = Path(__file__).resolve().parents[3] / "docs" / "prometheus-rules.yaml"
RULES = tuple(each for group in yaml.safe_load(FILE.read_text("utf-8"))["groups"] for each in group["rules"])
FIRES: dict[str, tuple[dict[str, str], SubjectKind]] = {
    "CiliumPolicyDrops": ({"namespace": "shop", "pod": "web-1"}, SubjectKind.POD),
    "CoreDNSErrors": ({"namespace": "kube-system", "pod": "coredns-1"}, SubjectKind.POD),
    "ProbeFailed": ({"instance": "https://pay.example.com/healthz", "job": "blackbox"}, SubjectKind.PROBE),
    "PodNotReadyWhileRunning": ({"namespace": "shop", "pod": "web-1"}, SubjectKind.POD),
    "NodeConntrackNearlyFull": ({"instance": "worker-1:9100", "node": "worker-1"}, SubjectKind.NODE),
}
"""The labels with which each rule fires, by its expression, and what KAI takes of them."""


@pytest.mark.parametrize("rule", RULES, ids=[each["alert"] for each in RULES])
def test_a_rule_has_all_that_prometheus_and_a_reader_need(rule: dict[str, Any]):
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["expr"].count("(") == rule["expr"].count(")") > 0 or rule["alert"] == "ProbeFailed"
    assert rule["annotations"]["summary"]


@pytest.mark.parametrize("rule", RULES, ids=[each["alert"] for each in RULES])
def test_what_a_rule_fires_is_about_the_network_and_leads_somewhere(rule: dict[str, Any]):
    labels, kind = FIRES[rule["alert"]]
    one = {"status": "firing", "labels": {"alertname": rule["alert"], **labels}, "annotations": rule["annotations"]}

    found = TRIGGER.read({"alerts": [one], "groupLabels": {}})

    assert isinstance(found, Alert)
    assert found.meant[0].kind is kind
    assert judged(found, load_gate()).network is not NetworkRelevance.NO


@pytest.mark.parametrize(
    ("instance", "node"),
    [("w1:9100", "w1"), ("10.0.0.11:9100", "10.0.0.11"), ("[fd00::11]:9100", "fd00::11"), ("w1", "w1")],
)
def test_a_node_is_named_by_its_instance_without_the_port(instance: str, node: str):
    rule = next(each for each in RULES if each["alert"] == "NodeConntrackNearlyFull")
    pattern = rule["expr"].rpartition('"instance", "')[2].partition('"')[0].replace("\\\\", "\\")

    assert re.fullmatch(pattern, instance)[1] == node  # type: ignore[index]


@pytest.mark.alertmanager
def test_promtool_takes_the_file():
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not there: apt-get install prometheus")

    said = subprocess.run([tool, "check", "rules", str(FILE)], capture_output=True, text=True, check=False)

    assert said.returncode == 0, said.stderr
    assert f"{len(RULES)} rules found" in said.stdout
