"""The closed list."""

from __future__ import annotations

from flows.catalog import rules
from flows.causes import BACKENDS_LOST, CAUSES, DNS_SERVERS_LOST, EXPLAINS, Stage

NOT_A_FAULT = {"none.healthy", "inconclusive"}
FOR_LATER = {
    "app.bind_localhost", "app.client_config", "cni.ip_conflict", "ip.family", "mesh.sidecar", "nat.ephemeral_ports",
    "nat.invalid_dropped", "path.checksum", "path.loss", "service.rollout",
}  # fmt: skip
"""Classes of the list that no sensor brings a proof for yet: no rule may pretend to know them."""


def test_every_class_has_a_stage_and_every_fault_a_layer():
    assert {name for name, cause in CAUSES.items() if cause.layer is None} == NOT_A_FAULT
    assert {name for name, cause in CAUSES.items() if cause.stage is Stage.NONE} == NOT_A_FAULT


def test_it_is_known_which_classes_no_rule_can_name_yet():
    named = {cause for rule in rules().values() for cause in rule.causes}

    assert set(CAUSES) - named - {"inconclusive"} == FOR_LATER


def test_what_explains_what_names_only_classes_of_the_list_and_never_itself():
    assert set(EXPLAINS) <= set(CAUSES)
    for cause, explained in {**EXPLAINS, "": BACKENDS_LOST | DNS_SERVERS_LOST}.items():
        assert explained <= set(CAUSES) - {cause}


def test_no_two_causes_explain_each_other():
    assert [(one, other) for one in EXPLAINS for other in EXPLAINS[one] if one in EXPLAINS.get(other, ())] == []
