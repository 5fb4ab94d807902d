"""Which finding becomes the root cause, and how sure anyone may be."""

from __future__ import annotations

from datetime import UTC, datetime

from flows.model import Case, Component, Finding
from flows.verdict import hubble_command, rank
from sensors.kit import Environment, Target
from tests.kit.cases import case_of


def finding(cause: str, belief: float = 0.9, hides: tuple[str, ...] = ()) -> Finding:
    return Finding(cause, cause, Component("Pod", "a", "b"), belief, "", (), also_hides=frozenset(hides))


def order(*findings: Finding) -> list[str]:
    return [each.cause_class for each in rank(findings)]


def test_the_earliest_blocking_stage_comes_first():
    assert order(finding("app.error"), finding("policy.egress_denied"), finding("policy.dns_blocked")) == [
        "policy.dns_blocked",
        "policy.egress_denied",
        "app.error",
    ]


def test_a_faint_suspicion_of_an_early_stage_does_not_beat_a_proof():
    assert order(finding("node.not_ready", 0.55), finding("policy.egress_denied", 0.95))[0] == "policy.egress_denied"


def test_what_explains_another_finding_goes_before_it_even_from_a_later_stage():
    dns, full = finding("dns.coredns_down"), finding("external.unreachable", hides=("dns.coredns_down",))

    assert order(dns, full) == ["external.unreachable", "dns.coredns_down"]
    assert dns.is_hidden_by(full)


def test_the_root_cause_is_not_hidden_behind_itself():
    one = finding("node.not_ready", hides=("node.not_ready",))

    assert not one.is_hidden_by(one)


def asking(target: Target) -> Case:
    return Case(target, Environment(), datetime(2026, 11, 23, tzinfo=UTC), {})


def test_the_hubble_line_shows_the_same_pod_and_port():
    assert hubble_command(asking(Target("web-1", "shop", "10.0.0.1", 443))) == (
        "hubble observe --pod shop/web-1 --last 1000 --port 443"
    )


def test_the_hubble_line_names_the_port_that_hubble_sees_not_the_service_s():
    assert hubble_command(case_of("api-server-cannot-watch")).endswith("--last 1000 --port 6443")


def test_a_hostile_pod_name_stays_one_word_of_the_command():
    assert hubble_command(asking(Target("x; rm -rf /", "shop"))) == (
        "hubble observe --pod 'shop/x; rm -rf /' --last 1000"
    )


def test_the_hubble_line_shows_the_questions_where_no_name_resolves():
    """Not one packet goes to the peer then."""
    assert hubble_command(case_of("worker-to-queue"), "policy.dns_blocked").endswith("--port 53")
    assert hubble_command(case_of("notify-to-mailer"), "dns.nxdomain").endswith("--port 53")
