"""An application that answers, with an error."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Component, Missing
from flows.rules.app_error import RULE
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts
from tests.flows.rules.edits import classes, said, with_connections
from tests.kit.cases import case_of, with_facts, without


def test_speaks_when_the_caller_s_log_ends_with_the_server_s_errors():
    (finding,) = said(RULE, case_of("cart-to-coupons"))

    assert finding.component == Component("Deployment", "promo", "coupons")
    assert "is reached and answers with HTTP 500 (15 times in the caller's log)" in finding.cause


def test_stays_silent_when_a_proxy_denied_the_request_in_the_application_s_name():
    denied = with_connections(case_of("cart-to-coupons"), lambda each: replace(each, denied=each.attempts))

    assert classes(RULE, denied) == []


def test_stays_silent_when_the_errors_are_over():
    """Synthetic: a newer complaint of another kind."""
    seen = case_of("cart-to-coupons")
    http, other = seen[PodFacts].log_errors
    assert http.time is not None
    assert other.time is not None
    swapped = (replace(http, time=other.time), replace(other, time=http.time))

    assert classes(RULE, with_facts(seen, replace(seen[PodFacts], log_errors=swapped))) == []


@pytest.mark.parametrize("name", ["chat-to-presence", "search-to-index", "basket-to-pricing", "gallery-to-media"])
def test_stays_silent_when_nothing_answers_or_nothing_is_wrong(name):
    assert classes(RULE, case_of(name)) == []


def test_cannot_tell_without_the_pod_s_log():
    with pytest.raises(Missing, match="PodFacts"):
        said(RULE, without(case_of("cart-to-coupons"), PodFacts))


def test_a_403_is_the_application_s_own_where_the_network_has_no_proxy():
    seen = case_of("cart-to-coupons")
    errors = tuple(replace(each, code=403) for each in seen[PodFacts].log_errors)
    refused = without(with_facts(seen, replace(seen[PodFacts], log_errors=errors)), HubbleFlows)
    flannel = replace(refused, environment=replace(seen.environment, cni="flannel", flow_source=None))

    beliefs = [found[0].belief for found in (said(RULE, refused), said(RULE, flannel))]

    assert beliefs[0] < 0.5 < beliefs[1]
