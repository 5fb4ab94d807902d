"""The sender's own policies refuse; each twin is refused by somebody else, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from flows.model import AdmitTraffic, Component
from flows.rules.policy_egress_denied import RULE
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_pod import PodFacts
from tests.flows.rules.edits import with_doors
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import passed_since, with_traffic, without_policies
from tests.kit.cases import case_of, with_facts, without


def test_speaks_of_the_policy_that_isolates_the_sender() -> None:
    finding = only(RULE, case_of("api-server-cannot-watch"))

    assert finding.component == Component("NetworkPolicy", "production", "strict-egress")
    assert finding.belief > 0.9
    assert finding.cause == (
        "NetworkPolicy production/strict-egress blocks production/api-server → the API server (172.30.0.11) on "
        "TCP 6443 (asked for as 10.96.0.1:443): no egress rule allows it"
    )
    assert finding.because.startswith(
        "847 packets dropped in 820 connection attempts, POLICY_DENIED (133), EGRESS; "
        "first drop 21:09:53 UTC, 2 s after strict-egress was created with kubectl apply; "
    )
    assert isinstance(finding.remedy, AdmitTraffic)


def test_speaks_without_hubble_when_the_asked_door_is_shut() -> None:
    seen = only(RULE, case_of("api-server-cannot-watch"))

    computed = only(RULE, without(case_of("api-server-cannot-watch"), HubbleFlows))

    assert computed.component == seen.component
    assert 0.5 < computed.belief < seen.belief
    assert computed.because.startswith("computed from the policies; no hubble flow shows it")


@pytest.mark.parametrize(
    "name",
    [
        "orders-to-ledger",
        "worker-to-queue",
        "basket-to-pricing",
        "billing-to-tax",
        "checkout-to-bank",
        "sync-to-partner",
    ],
)
def test_stays_silent_where_another_class_is_nearer(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


@pytest.mark.parametrize("name", ["search-to-index", "fx-to-rates", "chat-to-presence", "gallery-to-media"])
def test_stays_silent_where_no_policy_refuses(name: str) -> None:
    assert judged(RULE, case_of(name)) == []


def test_stays_silent_when_the_drops_ended_by_themselves() -> None:
    ended = with_traffic(case_of("api-server-cannot-watch"), passed_since)

    assert judged(RULE, with_doors(ended, "open")) == []


def test_speaks_when_the_flows_are_older_than_the_policy_and_the_door_is_shut_now() -> None:
    older = with_traffic(case_of("api-server-cannot-watch"), passed_since)

    assert only(RULE, older).because.startswith("computed from the policies; no hubble flow shows it")


def test_a_drop_that_the_policies_do_not_explain_is_believed_less() -> None:
    """The datapath wins, and the difference is said."""
    finding = only(RULE, without_policies(case_of("api-server-cannot-watch")))

    assert finding.belief == 0.55
    assert "the datapath drops it, the policies as read would let it through" in finding.because
    assert finding.component is None


def test_only_what_the_question_names_is_loud() -> None:
    """A probe of the API server from a pod with an egress policy fails, and is nobody's fault."""
    case = case_of("api-server-cannot-watch")
    about_postgres = replace(case, target=replace(case.target, to_host="postgres", to_port=5432), derived={})

    assert [each.belief <= 0.4 for each in judged(RULE, about_postgres)] == [True]


def test_a_pod_in_its_first_seconds_gets_no_patch() -> None:
    """Its identity may still be on its way."""
    case = case_of("api-server-cannot-watch")
    flows, pod = case[HubbleFlows], case[PodFacts]
    first = min(each.first_drop for each in flows.connections if each.first_drop)
    young = with_facts(case, replace(pod, age_s=12.0, created=first - timedelta(seconds=1)))

    finding = only(RULE, young)

    assert finding.remedy is None
    assert finding.recommendation.startswith("Look again in half a minute")


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("api-server-cannot-watch"), Policies)) == "Policies"


def test_says_that_the_policy_was_not_read_where_none_that_was_read_refuses() -> None:
    """Cilium's own policies are easily forgotten in a capture; the datapath's word stands all the same."""
    finding = only(RULE, without_policies(case_of("api-server-cannot-watch")))

    assert finding.component is None
    assert finding.cause.startswith("A policy of the sender that was not read blocks production/api-s")
    assert finding.recommendation.startswith("Find the policy that refuses it")
    assert finding.belief < 0.6
