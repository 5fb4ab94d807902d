"""The destination's policies refuse; the sender is innocent."""

from __future__ import annotations

import pytest

from flows.model import Component
from flows.rules.policy_ingress_denied import RULE
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.kit.cases import case_of, without


def test_speaks_of_the_policy_at_the_destination() -> None:
    finding = only(RULE, case_of("orders-to-ledger"))

    assert finding.component == Component("NetworkPolicy", "finance", "baseline")
    assert finding.belief > 0.9
    assert finding.cause == (
        "NetworkPolicy finance/baseline blocks orders/orders-api → finance/ledger on TCP 8080 "
        "(asked for as 10.96.145.53:80): no ingress rule allows it"
    )


@pytest.mark.parametrize(
    "name", ["api-server-cannot-watch", "checkout-to-bank", "reports-to-warehouse", "search-to-index"]
)
def test_stays_silent_where_the_sender_is_refused_first_or_a_label_is_missing(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("orders-to-ledger"), Policies)) == "Policies"
