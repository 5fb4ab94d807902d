"""Lookups are recorded incidents of a two-node cluster (Kubernetes 1.36.2, CoreDNS 1.13.1, Cilium 1.20.0-dev)."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensors.access.casefolder import open_case
from sensors.dns_lookup import (
    SENSOR,
    LookupOutcome,
    Lookups,
    NameOrigin,
    bursts,
    expand,
    look,
    names_to_ask,
    read_question,
)
from sensors.kit import Blind, DnsLookup, Sight, Target, observe
from sensors.kit.resolv_conf import Resolver, parse_resolv_conf
from tests.kit.fakes import FakeCluster

FOLDER = Path(__file__).parents[2] / "lab" / "cases"
WEB = Target("web", "shop", "db", 5432)
CONF = "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
RESOLVER = parse_resolv_conf(CONF)


async def seen(case: str) -> Lookups:
    opened = open_case(FOLDER / case)
    return await look(opened.header.target, opened)


def said(*answers: tuple[str, str]) -> list[DnsLookup]:
    """`(name, rcode or error or address)` as rows."""
    return [_row(name, word) for name, word in answers]


def _row(name: str, word: str) -> DnsLookup:
    if word[0].isdigit():
        return DnsLookup(name, "A", "10.96.0.10", rcode="NOERROR", addresses=(word,), ms=1.0)
    if word.isupper():
        return DnsLookup(name, "A", "10.96.0.10", rcode=word, ms=1.0)
    return DnsLookup(name, "A", "10.96.0.10", error=word, ms=1.0)


async def test_a_search_burst_is_one_name_with_its_dead_ends():
    found = await seen("billing-to-tax")

    assert [(each.name, each.origin, each.outcome, each.dead_ends, each.ms) for each in found.bursts] == [
        ("kubernetes.default.svc.cluster.local", NameOrigin.ALWAYS_THERE, LookupOutcome.ANSWERED, 3, 2.3),
        ("tax.gov.svc.cluster.local", NameOrigin.CLUSTER, LookupOutcome.ANSWERED, 3, 2.2),
    ]
    assert found.asked.answered_by == "tax.gov.svc.cluster.local"
    assert found.asked.addresses == ("10.96.30.198",)
    assert found.cluster_dns_works is True


async def test_a_short_name_is_the_question_s_name():
    found = await seen("chat-to-presence")

    assert (found.asked.name, found.asked.answered_by) == ("presence", "presence.chat.svc.cluster.local")
    assert found.asked.dead_ends == 0


async def test_a_name_that_does_not_exist_is_nxdomain_although_another_of_the_app_s_names_exists():
    found = await seen("notify-to-mailer")

    assert found.asked_outcome is LookupOutcome.NXDOMAIN
    assert [(each.name, each.is_asked, each.outcome.value) for each in found.bursts[1:]] == [
        ("mailer.messaging.svc.cluster.local", True, "nxdomain"),
        ("mailer.mail.svc.cluster.local", False, "answered"),
    ]
    assert found.cluster_dns_works is True


@pytest.mark.parametrize("case", ["frontend-to-backend", "planner-to-roster", "edge-to-sessions"])
async def test_a_query_that_the_kernel_would_not_send_is_not_permitted_and_not_a_timeout(case):
    found = await seen(case)

    assert found.asked_outcome is LookupOutcome.NOT_PERMITTED
    assert found.cluster_dns_works is False
    assert found.no_server_answers


async def test_a_blocked_resolver_is_a_timeout_of_every_name():
    found = await seen("worker-to-queue")

    assert [each.outcome for each in found.bursts] == [LookupOutcome.TIMEOUT, LookupOutcome.TIMEOUT]
    assert found.no_server_answers
    assert found.summary() == (
        "10.96.0.10: kubernetes.default.svc.cluster.local timeout (2503.1 ms); "
        "queue.jobs.svc.cluster.local timeout (2503 ms)"
    )


async def test_names_from_outside_are_told_from_cluster_names():
    found = await seen("sync-to-partner")

    assert [each.name for each in found.bursts if each.origin is NameOrigin.EXTERNAL] == [
        "cdn.example.net",
        "api.example.com",
    ]
    assert found.external_dns_works is True


async def test_a_question_about_an_address_asks_no_name():
    found = await seen("fx-to-rates")

    assert found.asked is None
    assert found.asked_outcome is None


async def test_blind_when_no_name_can_be_asked():
    cluster = FakeCluster(pod_files={"shop/web/resolv.conf": CONF}, blind={"lookups": "exec is forbidden"})

    evidence = await observe(SENSOR, WEB, cluster)

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "exec is forbidden")


async def test_blind_when_nothing_was_asked():
    evidence = await observe(SENSOR, WEB, FakeCluster(lookups=[]))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "the pod's resolver was asked nothing")


def test_blind_on_a_row_with_neither_answer_nor_error():
    with pytest.raises(Blind, match="neither an answer nor an error"):
        read_question(DnsLookup("db", "A", "10.96.0.10"))


def test_blind_on_a_resolv_conf_without_a_nameserver():
    with pytest.raises(Blind, match="no nameserver"):
        parse_resolv_conf("<html>502 Bad Gateway</html>\n")


async def test_without_resolv_conf_full_names_stand_alone_and_the_gap_is_named():
    rows = said(("kubernetes.default.svc.cluster.local", "10.96.0.1"), ("db.shop.svc.cluster.local", "NXDOMAIN"))

    found = await look(WEB, FakeCluster(lookups=rows))

    assert found.cluster_dns_works is True
    assert found.asked is None
    assert found.unread == ("resolv.conf: shop/web/resolv.conf was not given",)


def test_resolv_conf_is_read_as_the_resolver_library_reads_it():
    text = (
        "; made by hand\ndomain old.example\nsearch a.svc.k8s.corp svc.k8s.corp\n"
        "nameserver fd00::a\nnameserver 1.1.1.1\noptions ndots:2 single-request-reopen\noptions timeout:1\n"
    )

    assert parse_resolv_conf(text) == Resolver(
        nameservers=("fd00::a", "1.1.1.1"),
        search=("a.svc.k8s.corp", "svc.k8s.corp"),
        options=("ndots:2", "single-request-reopen", "timeout:1"),
        ndots=2,
        domain="k8s.corp",
    )


def test_the_names_to_ask_follow_the_cluster_s_own_domain():
    resolver = Resolver(("10.0.0.10",), ("shop.svc.k8s.corp", "svc.k8s.corp"), domain="k8s.corp")

    assert names_to_ask(WEB, resolver) == ("kubernetes.default.svc.k8s.corp", "db")
    assert names_to_ask(Target("web", "shop", "fd00::7", 80), None) == ("kubernetes.default.svc.cluster.local",)


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("db", ("db.shop.svc.cluster.local", "db.svc.cluster.local", "db.cluster.local", "db")),
        (
            "a.b.c.d.e.f",
            (
                "a.b.c.d.e.f",
                "a.b.c.d.e.f.shop.svc.cluster.local",
                "a.b.c.d.e.f.svc.cluster.local",
                "a.b.c.d.e.f.cluster.local",
            ),
        ),
        ("Example.com.", ("example.com",)),
    ],
)
def test_the_search_list_comes_first_only_below_ndots(name, order):
    assert expand(name, RESOLVER) == order


def outcome_of(*answers):
    return bursts(said(*answers), ["db"], RESOLVER, "db")[0].outcome


def test_a_search_list_that_was_not_asked_to_its_end_says_nothing_final():
    half = [("db.shop.svc.cluster.local", "NXDOMAIN"), ("db.svc.cluster.local", "NXDOMAIN")]
    whole = [*half, ("db.cluster.local", "NXDOMAIN"), ("db", "NXDOMAIN")]

    assert (outcome_of(*half), outcome_of(*whole)) == (LookupOutcome.UNFINISHED, LookupOutcome.NXDOMAIN)


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("SERVFAIL", LookupOutcome.SERVFAIL),
        ("REFUSED", LookupOutcome.REFUSED),
        ("NOTIMP", LookupOutcome.FAILED),
        ("timed out", LookupOutcome.TIMEOUT),
        ("Operation not permitted", LookupOutcome.NOT_PERMITTED),
        ("[Errno 111] Connection refused", LookupOutcome.PORT_CLOSED),
        ("Network is unreachable", LookupOutcome.UNREACHABLE),
        ("something new", LookupOutcome.FAILED),
        ("10.96.7.7", LookupOutcome.ANSWERED),
    ],
)
def test_every_ending_has_its_own_outcome_and_none_is_calm_by_default(word, outcome):
    assert outcome_of(("db.shop.svc.cluster.local", word)) is outcome


def test_a_name_with_no_record_of_the_type_is_not_nxdomain():
    rows = [DnsLookup("db", "AAAA", "10.96.0.10", rcode="NOERROR", ms=1.0)]

    assert bursts(rows, ["db"], RESOLVER, "db")[0].outcome is LookupOutcome.NO_DATA


def test_an_answer_of_one_record_type_is_the_answer_to_the_question():
    rows = [
        DnsLookup("db.shop.svc.cluster.local", "AAAA", "10.96.0.10", rcode="NOERROR"),
        DnsLookup("db.shop.svc.cluster.local", "A", "10.96.0.10", rcode="NOERROR", addresses=("10.96.7.7",)),
    ]

    found = Lookups(bursts(rows, ["db"], RESOLVER, "db"), RESOLVER)

    assert found.asked_outcome is LookupOutcome.ANSWERED


@pytest.mark.parametrize("junk", [None, 7, [], "x" * 5000])
def test_junk_in_a_row_never_crashes_it(junk):
    found = read_question(DnsLookup(junk, junk, junk, rcode="NOERROR", addresses=junk, ms=junk))

    assert found.outcome in (LookupOutcome.NO_DATA, LookupOutcome.ANSWERED)
