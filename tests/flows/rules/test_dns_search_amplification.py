"""Look-ups that are slow for their search list: recorded bursts with slower answers (synthetic)."""

from __future__ import annotations

from flows.model import Component
from flows.rules.dns_search_amplification import RULE
from sensors.dns_lookup import Lookups
from tests.flows.rules.facts import ALWAYS, OUTSIDE, answered, asks, doubts, healthy, judged, only, resolving
from tests.kit.cases import case_of, without

DETOURS = [f"{OUTSIDE}.{zone}" for zone in ("search.svc.cluster.local", "svc.cluster.local", "cluster.local")]


def burst(case, detour_ms: float, last_ms: float, last: str = "NOERROR"):
    rows = [answered(name, "NXDOMAIN", detour_ms) for name in DETOURS]
    return resolving(asks(case, OUTSIDE, 443), answered(ALWAYS), *rows, answered(OUTSIDE, last, last_ms))


def test_speaks_of_seconds_that_go_into_names_that_do_not_exist():
    finding = only(RULE, burst(healthy(), 600.0, 20.0))

    assert finding.component == Component("Deployment", "search", "search")
    assert finding.cause == (
        "Looking up api.example.com takes 1820 ms, 1800 ms of it for 3 names that do not exist "
        "(ndots:5, 3 search domains)"
    )
    assert finding.belief >= 0.5
    assert "ndots to 2" in finding.recommendation


def test_stays_silent_about_the_ordinary_burst_that_every_pod_makes():
    assert judged(RULE, case_of("sync-to-partner")) == []


def test_stays_silent_about_a_name_that_is_not_found_in_the_end():
    assert judged(RULE, burst(healthy(), 600.0, 600.0, "NXDOMAIN")) == []


def test_stays_silent_when_the_answer_itself_is_what_takes_long():
    assert judged(RULE, burst(healthy(), 5.0, 2500.0)) == []


def test_cannot_tell_without_look_ups():
    assert doubts(RULE, without(healthy(), Lookups)) == "Lookups"
