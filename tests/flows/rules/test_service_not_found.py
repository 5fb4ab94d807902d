"""A name or an address that belongs to no Service."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Component, Missing
from flows.rules.service_not_found import RULE
from sensors.k8s_services import Services
from sensors.kit.objects import Ref
from sensors.topology.peer import AskedKind, ResolvedPeer
from tests.flows.rules.edits import classes, said
from tests.kit.cases import case_of, with_facts, without


def test_speaks_and_names_the_service_of_that_name_elsewhere():
    (finding,) = said(RULE, case_of("notify-to-mailer"))

    assert finding.component == Component("Deployment", "notify", "notify")
    assert finding.recommendation == "Let the caller use mailer.mail, or make the Service it expects."


def test_speaks_of_a_service_address_that_no_service_has():
    """Synthetic: an address of the service range that is nobody's."""
    seen = case_of("fx-to-rates")
    services = seen[Services]
    assert services.asked is not None
    asked = replace(services.asked, kind=AskedKind.EXTERNAL, host="10.96.99.99")

    (finding,) = said(RULE, with_facts(seen, replace(services, asked=asked)))

    assert finding.because == "10.96.99.99 belongs to no Service"
    assert "external.unreachable" in finding.hides


@pytest.mark.parametrize("name", ["web-to-catalog", "fx-to-rates", "search-to-index", "sync-to-partner"])
def test_stays_silent_when_the_service_exists_or_the_address_is_outside(name):
    assert classes(RULE, case_of(name)) == []


def test_cannot_tell_without_services():
    with pytest.raises(Missing, match="Services"):
        said(RULE, without(case_of("notify-to-mailer"), Services))


def test_blames_nobody_for_a_name_that_only_the_question_asks_for():
    seen = case_of("search-to-index")
    services = seen[Services]
    assert services.asked is not None
    asked = ResolvedPeer(AskedKind.UNKNOWN_SERVICE, "nonsense", 80, Ref("Service", "search", "nonsense"))
    moved = with_facts(seen, replace(services, asked=asked))

    (finding,) = said(RULE, replace(moved, target=replace(moved.target, to_host="nonsense"), derived={}))

    assert finding.component is None
    assert finding.cause.startswith("you asked for nonsense: there is no Service search/nonsense")
    assert finding.belief < 0.8
