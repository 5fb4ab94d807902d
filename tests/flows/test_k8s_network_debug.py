"""The whole walk on every recorded incident: the cause, the object a person must change, and no false alarm."""

from __future__ import annotations

from typing import Any

import pytest

from flows.model import Diagnosis, LayerState
from tests.kit.cases import expected, names
from tests.kit.diagnoses import diagnosis_of

DEGREES_OF_DOUBT = (LayerState.INCONCLUSIVE, LayerState.NOT_MEASURED)


def component(diagnosis: Diagnosis) -> dict[str, Any] | None:
    each = diagnosis.component
    return {"kind": each.kind, "namespace": each.namespace, "name": each.name} if each else None


@pytest.mark.parametrize("name", names())
def test_a_recorded_incident_gets_its_cause_and_its_component(name):
    truth = expected(name)

    diagnosis = diagnosis_of(name)

    assert diagnosis.cause_class in [truth["cause_class"], *truth["accept_classes"]]
    assert component(diagnosis) == truth["affected_component"]
    assert diagnosis.fault_found is (truth["cause_class"] != "none.healthy")


@pytest.mark.parametrize("name", names())
def test_what_else_is_true_of_an_incident_is_found_too(name):
    diagnosis = diagnosis_of(name)

    found = {(each.cause_class, str(each.component)) for each, _ in diagnosis.findings}
    wanted = {
        (each["cause_class"], each["component"])
        for each in expected(name)["findings_expected"]
        if not each.get("optional")
    }
    assert wanted <= found


@pytest.mark.parametrize("name", names())
def test_the_cause_is_found_even_when_nobody_names_the_peer(name):
    truth = expected(name)

    diagnosis = diagnosis_of(name, asked=False)

    assert diagnosis.cause_class in [truth["cause_class"], *truth["accept_classes"]]


@pytest.mark.parametrize("name", names())
def test_an_automatic_fix_is_offered_exactly_where_one_is_safe(name):
    diagnosis = diagnosis_of(name)

    assert diagnosis.fix.automatic is expected(name)["fix"]["automatic"]
    without_button = diagnosis.cause_class == "policy.explicit_deny"  # what its removal would do is told
    assert diagnosis.fix.kind == "none" or diagnosis.fix.automatic or without_button


@pytest.mark.parametrize("name", names())
def test_the_ledger_has_eight_rows_and_says_pass_only_with_evidence(name):
    diagnosis = diagnosis_of(name)

    assert len(diagnosis.layers) == 8
    for row in diagnosis.layers:
        assert row.evidence or row.state in DEGREES_OF_DOUBT, row
        assert row.why
        assert "ruled out" not in row.why


def test_a_pod_that_never_started_leaves_most_layers_unmeasured_and_the_confidence_low():
    diagnosis = diagnosis_of("batch-new-worker")

    assert diagnosis.coverage < 0.7
    assert diagnosis.confidence <= diagnosis.coverage
    assert any(row.state is LayerState.NOT_MEASURED for row in diagnosis.layers)


def test_calm_is_said_with_a_ledger_that_shows_what_passed():
    diagnosis = diagnosis_of("search-to-index")

    passed = {row.layer.value for row in diagnosis.layers if row.state is LayerState.PASS}
    assert passed == {"pod_network", "service", "policy", "dns", "conntrack", "nat", "application"}


def test_a_policy_that_swallows_the_probe_leaves_the_path_open_not_passed():
    """The policy of this pod admits no ICMP, so no packet size was measured: calm, and still not "pass"."""
    diagnosis = diagnosis_of("search-to-index")

    (physical,) = (row for row in diagnosis.layers if row.layer.value == "physical")
    assert physical.state is LayerState.INCONCLUSIVE
