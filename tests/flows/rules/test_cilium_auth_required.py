"""Mutual authentication that does not come about; its twin is a missing rule."""

from __future__ import annotations

from dataclasses import replace

from flows.rules.cilium_auth_required import RULE
from sensors.hubble.outcomes import Connection
from sensors.k8s_network_policies import Policies
from tests.flows.rules.facts import doubts, judged, only
from tests.flows.rules.policies import of_reason, with_traffic
from tests.kit.cases import case_of, without


def test_speaks_of_a_handshake_that_keeps_failing() -> None:
    finding = only(RULE, with_traffic(case_of("orders-to-ledger"), of_reason(189, "AUTH_REQUIRED")))

    assert finding.cause_class == "cilium.auth_required"
    assert finding.remedy is None


def test_stays_silent_about_the_first_packets_of_a_new_pair() -> None:
    """They are always dropped while the handshake runs."""

    def once(each: Connection) -> Connection:
        return replace(of_reason(189, "AUTH_REQUIRED")(each), dropped=1)

    assert judged(RULE, with_traffic(case_of("orders-to-ledger"), once)) == []


def test_stays_silent_about_a_missing_rule() -> None:
    assert judged(RULE, case_of("orders-to-ledger")) == []


def test_cannot_tell_without_the_policies() -> None:
    assert doubts(RULE, without(case_of("orders-to-ledger"), Policies)) == "Policies"
