"""The narrow walk for alerts that already say "drop"."""

from __future__ import annotations

import pytest

from tests.flows.test_k8s_network_debug import component
from tests.kit.cases import expected, names
from tests.kit.diagnoses import diagnosis_of

FLOW = "flow.k8s_policy_drops"


@pytest.mark.parametrize("name", [each for each in names() if expected(each)["cause_class"].startswith("policy.")])
def test_the_short_walk_names_the_same_policy_as_the_long_one(name):
    truth = expected(name)

    diagnosis = diagnosis_of(name, flow=FLOW)

    assert diagnosis.cause_class in [truth["cause_class"], *truth["accept_classes"]]
    assert component(diagnosis) == truth["affected_component"]


@pytest.mark.parametrize("name", ["cart-to-coupons", "search-to-index", "gallery-to-media"])
def test_it_blames_no_policy_for_what_is_none(name):
    diagnosis = diagnosis_of(name, flow=FLOW)

    assert not diagnosis.cause_class.startswith("policy.")
