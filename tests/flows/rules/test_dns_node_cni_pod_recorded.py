"""What the rules about DNS, nodes, network plug-ins and the pod itself say of every recorded incident."""

from __future__ import annotations

import pytest

from flows.catalog import rules
from flows.model import Missing
from tests.flows.rules.facts import judged
from tests.kit.cases import case_of, names

FAMILIES = ("dns", "node", "cni", "pod")
OURS = [each for each in rules().values() if each.judge.__module__.rpartition(".")[2].partition("_")[0] in FAMILIES]

TRUTH = {
    "batch-new-worker": {("cni.agent_down", "Node lab2")},
    "frontend-to-backend": {("dns.coredns_oom", "Deployment kube-system/coredns")},
    "notify-to-mailer": {("dns.nxdomain", "Deployment notify/notify")},
    "planner-to-roster": {("node.not_ready", "Node lab2"), ("dns.coredns_down", "Deployment kube-system/coredns")},
}


def believed(name: str) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for rule in OURS:
        try:
            found |= {
                (each.cause_class, str(each.component)) for each in judged(rule, case_of(name)) if each.belief >= 0.5
            }
        except Missing:
            continue
    return found


def test_all_rules_of_these_families_take_part():
    assert len(OURS) == 24


@pytest.mark.parametrize("name", names())
def test_what_is_believed_of_a_recorded_incident_is_its_truth_and_no_more(name):
    assert believed(name) == TRUTH.get(name, set())


@pytest.mark.parametrize("name", names())
def test_every_finding_names_a_class_its_rule_promises_and_rests_on_facts(name):
    for rule in OURS:
        try:
            found = judged(rule, case_of(name))
        except Missing:
            continue
        assert {each.cause_class for each in found} <= set(rule.causes)
        assert all(any(case_of(name).id_of(facts) for facts in each.shown_by) for each in found)
