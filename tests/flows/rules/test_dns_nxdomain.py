"""A name that does not exist: recorded; other typos are a healthy recording asked for another name (synthetic)."""

from __future__ import annotations

from dataclasses import replace

from flows.model import Case, Component
from flows.rules.dns_nxdomain import RULE
from sensors.dns_lookup import Lookups
from sensors.k8s_services import Services
from sensors.kit.objects import Ref
from sensors.topology.peer import AskedKind, ResolvedPeer
from tests.flows.rules.edits import with_service
from tests.flows.rules.facts import (
    ALWAYS,
    OUTSIDE,
    altered,
    answered,
    asks,
    complaining,
    dns_down,
    doubts,
    failed,
    healthy,
    judged,
    only,
    resolving,
)
from tests.kit.cases import case_of, without


def nxdomain(case: Case, host: str, asked: ResolvedPeer | None) -> Case:
    case = asks(case, host)
    return altered(resolving(case, answered(ALWAYS), answered(host, "NXDOMAIN")), Services, asked=asked)


def unasked(case: Case) -> Case:
    return replace(case, target=replace(case.target, to_host=None, to_port=None), derived={})


def test_speaks_of_a_namespace_that_does_not_exist_and_of_the_service_that_was_meant():
    finding = only(RULE, case_of("notify-to-mailer"))

    assert finding.component == Component("Deployment", "notify", "notify")
    assert finding.belief >= 0.95
    assert finding.cause.endswith(
        "asks for mailer.messaging.svc.cluster.local, and there is no such name (there is no namespace messaging), but "
        "there is Service mail/mailer"
    )
    assert "mailer.mail.svc.cluster.local instead" in finding.recommendation


def test_speaks_of_a_typo_in_the_service_and_of_the_nearest_one():
    asked = ResolvedPeer(AskedKind.UNKNOWN_SERVICE, "indx", 80, Ref("Service", "search", "indx"), nearest=("index",))

    finding = only(RULE, nxdomain(complaining(healthy(), host="indx"), "indx", asked))

    assert finding.belief >= 0.95
    assert "there is no such name; the nearest Service is index" in finding.cause
    assert finding.recommendation == "Let Deployment search/search ask for index.search instead of indx."


def test_speaks_of_a_service_that_exists_nowhere():
    asked = ResolvedPeer(AskedKind.UNKNOWN_SERVICE, "zebra", 80, Ref("Service", "search", "zebra"))

    assert "create Service search/zebra" in only(RULE, nxdomain(healthy(), "zebra", asked)).recommendation


def test_speaks_of_a_name_outside_the_cluster_that_nobody_registered():
    asked = ResolvedPeer(AskedKind.EXTERNAL, "api.exmaple.com", 443)

    assert 0.5 <= only(RULE, nxdomain(healthy(), "api.exmaple.com", asked)).belief < 0.95


def test_speaks_of_the_name_in_the_log_where_no_peer_is_asked_for():
    case = resolving(unasked(complaining(healthy(), host="indx")), answered(ALWAYS), answered("indx", "NXDOMAIN"))

    assert only(RULE, case).belief >= 0.5


def aliased(outside: str) -> Case:
    """search/index as an ExternalName."""
    case = with_service(healthy(), external_name=outside)
    return resolving(asks(case, "index"), answered(ALWAYS), answered("index", "NXDOMAIN"))


def test_speaks_of_a_service_that_only_stands_for_a_name_nobody_registered():
    finding = only(RULE, aliased("gone.example.org"))

    assert finding.component == Component("Service", "search", "index")
    assert "stands for gone.example.org (ExternalName)" in finding.cause


def test_stays_silent_about_an_alias_that_resolves():
    case = with_service(healthy(), external_name="here.example.org")

    assert judged(RULE, resolving(asks(case, "index"), answered(ALWAYS), answered("index"))) == []


def test_stays_silent_about_the_dead_ends_of_a_search_list_that_ends_well():
    assert judged(RULE, case_of("orders-to-ledger")) == []


def test_stays_silent_about_names_that_nobody_complains_of():
    case = resolving(unasked(healthy()), answered(ALWAYS), answered("wpad.search.svc.cluster.local", "NXDOMAIN"))

    assert judged(RULE, case) == []


def test_stays_silent_when_the_service_of_that_name_is_there():
    asked = ResolvedPeer(AskedKind.SERVICE, "index", 80, Ref("Service", "search", "index"))

    assert judged(RULE, nxdomain(healthy(), "index", asked)) == []


def test_stays_silent_when_no_server_answers_at_all():
    assert judged(RULE, dns_down(case_of("notify-to-mailer"))) == []


def test_stays_silent_while_the_search_list_was_not_asked_to_its_end():
    case = asks(healthy(), "indx")
    unfinished = answered("indx.search.svc.cluster.local", "NXDOMAIN")

    assert judged(RULE, resolving(case, answered(ALWAYS), unfinished, failed("x.y"))) == []


def test_cannot_tell_without_look_ups_from_inside_the_pod():
    assert doubts(RULE, without(case_of("notify-to-mailer"), Lookups)) == "Lookups"


def test_stays_silent_about_a_record_type_that_a_name_does_not_have():
    """A answers and AAAA is NXDOMAIN, as many servers say of names without IPv6."""
    case = altered(asks(healthy(), OUTSIDE, 443), Services, asked=ResolvedPeer(AskedKind.EXTERNAL, OUTSIDE))
    seen = resolving(case, answered(OUTSIDE), replace(answered(OUTSIDE, "NXDOMAIN"), qtype="AAAA"))

    assert judged(RULE, seen) == []
    gone = judged(RULE, resolving(case, answered(OUTSIDE, "NXDOMAIN")))
    assert [each.cause_class for each in gone] == ["dns.nxdomain"]


def test_blames_nobody_for_a_name_that_only_the_question_asks_for():
    asked = ResolvedPeer(AskedKind.UNKNOWN_SERVICE, "nonsense", 80, Ref("Service", "search", "nonsense"))

    finding = only(RULE, nxdomain(healthy(), "nonsense", asked))

    assert finding.component is None
    assert finding.cause.startswith("you asked for nonsense, and there is no such name")
    assert finding.belief < 0.8
