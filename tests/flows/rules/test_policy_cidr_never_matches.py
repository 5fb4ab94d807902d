"""An address in a rule that the datapath never compares; its twin is no rule at all."""

from __future__ import annotations

from typing import Any

import pytest

from flows.model import Component
from flows.rules.policy_cidr_never_matches import RULE
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import with_policy
from tests.kit.cases import case_of, without


def test_speaks_of_a_block_of_pod_addresses() -> None:
    finding = only(RULE, case_of("importer-to-store"))

    assert finding.component == Component("NetworkPolicy", "ingest", "importer-egress")
    assert finding.belief > 0.9
    assert "its rule for 10.244.0.0/16 never matches here" in finding.cause


def test_speaks_of_a_block_of_service_addresses() -> None:
    """What people write after reading that the API server is 10.96.0.1."""

    def as_in_the_article(policy: dict[str, Any]) -> None:
        policy["spec"]["egress"].append({"to": [{"ipBlock": {"cidr": "10.96.0.0/12"}}]})

    finding = only(RULE, with_policy(case_of("api-server-cannot-watch"), "strict-egress", as_in_the_article))

    assert finding.component == Component("NetworkPolicy", "production", "strict-egress")
    assert "its rule for 10.96.0.0/12 never matches here" in finding.cause


@pytest.mark.parametrize(
    "name", ["api-server-cannot-watch", "agent-to-collector", "orders-to-ledger", "search-to-index"]
)
def test_stays_silent_where_no_block_covers_the_address(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_stays_silent_when_the_block_is_for_another_port() -> None:
    def other_port(policy: dict[str, Any]) -> None:
        policy["spec"]["egress"][1]["ports"][0]["port"] = 5432

    assert judged(RULE, with_policy(case_of("importer-to-store"), "importer-egress", other_port)) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("importer-to-store"), Policies)) == "Policies"
