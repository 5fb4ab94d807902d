"""Which finding becomes the root cause, and how sure anyone may be."""

from __future__ import annotations

from flows.model import Component, Finding
from flows.verdict import rank


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
