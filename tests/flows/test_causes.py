"""The closed list."""

from __future__ import annotations

from pathlib import Path

from flows.catalog import rules
from flows.causes import BACKENDS_LOST, CAUSES, DNS_SERVERS_LOST, EXPLAINS, Stage

NOT_A_FAULT = {"none.healthy", "inconclusive"}

STRUCK = {"app.bind_localhost": "app.not_listening"}
"""Classes that were left out, and the one that says the same; docs/json-result.md has the reason."""


def test_every_class_has_a_stage_and_every_fault_a_layer():
    assert {name for name, cause in CAUSES.items() if cause.layer is None} == NOT_A_FAULT
    assert {name for name, cause in CAUSES.items() if cause.stage is Stage.NONE} == NOT_A_FAULT


def test_a_rule_can_name_every_class_of_the_list():
    named = {cause for rule in rules().values() for cause in rule.causes}

    assert set(CAUSES) - named == {"inconclusive"}


def test_a_class_that_was_left_out_has_its_reason_in_the_documentation():
    reasons = (Path(__file__).parents[2] / "docs" / "json-result.md").read_text("utf-8")

    for name, instead in STRUCK.items():
        assert name not in CAUSES
        assert instead in CAUSES
        assert f"- `{name}`" in reasons


def test_what_explains_what_names_only_classes_of_the_list_and_never_itself():
    assert set(EXPLAINS) <= set(CAUSES)
    for cause, explained in {**EXPLAINS, "": BACKENDS_LOST | DNS_SERVERS_LOST}.items():
        assert explained <= set(CAUSES) - {cause}


def test_no_two_causes_explain_each_other():
    assert [(one, other) for one in EXPLAINS for other in EXPLAINS[one] if one in EXPLAINS.get(other, ())] == []
