"""Names of the cluster resolve and names from outside do not: the DNS server that CoreDNS forwards to fails.

Proof: cluster names resolve, outside names end in SERVFAIL or no answer, and CoreDNS's log names the upstream that did
not answer. Not to be mistaken for a name that does not exist (NXDOMAIN is an answer), for a forward line that was
changed or is missing, nor for a policy that keeps the DNS servers themselves from asking their upstream: that policy is
then named instead, as no other rule looks at what CoreDNS may do.
"""

from __future__ import annotations

from flows.belief import ATTESTED, CONSISTENT, DOUBTED, SIMULATED
from flows.denials.upstream import kept_from
from flows.model import Case, Component, Finding, Rule
from flows.policy import Judgement
from flows.symptoms.dns import (
    asks_elsewhere,
    dropped_questions,
    is_serving,
    may_ask_elsewhere,
    servers,
    shown_by,
    told,
    words_of,
)
from flows.symptoms.upstream import UPSTREAM_FAILS, advice, upstream_of
from sensors.dns_coredns_health import CoreDns, LogFinding
from sensors.dns_lookup import Burst, LookupOutcome, Lookups, NameOrigin
from sensors.k8s_network_policies import Policies
from sensors.k8s_recent_changes import RecentChanges

FAILS = frozenset({LookupOutcome.SERVFAIL, LookupOutcome.TIMEOUT, LookupOutcome.FAILED, LookupOutcome.REFUSED})


def judge(case: Case) -> Finding | None:
    """Speaks when the way outside fails beyond CoreDNS."""
    lookups, dns = case[Lookups], case[CoreDns]
    failed = _failed(lookups)
    if failed is None or is_serving(dns) is False or asks_elsewhere(case, dns):
        return None
    said = _complaint(dns)
    upstream = upstream_of(dns, said)
    refused = kept_from(case, dns, upstream)
    if refused is not None:
        return _policy_finding(case, dns, failed, refused)
    return Finding(
        cause_class="dns.upstream_failure",
        cause=(
            f"Names of the cluster resolve, {failed.name} is {words_of(failed.outcome)}: the DNS server "
            f"{upstream or 'to which CoreDNS forwards'} does not answer CoreDNS"
        ),
        component=Component("External", "", upstream or "upstream resolver"),
        belief=_belief(case, failed, said) if _is_known(case, dns) else DOUBTED,
        because=f"{told(case)}; {_logged(said)}",
        shown_by=shown_by(case, Lookups, CoreDns),
        recommendation=advice(upstream, failed.name),
    )


def _is_known(case: Case, dns: CoreDns) -> bool:
    """That the pod asks these servers, and whose policies might keep them from asking on."""
    return dns.pods_read and not may_ask_elsewhere(case, dns)


def _policy_finding(case: Case, dns: CoreDns, failed: Burst, refused: Judgement) -> Finding:
    guilty = (*refused.egress.denied_by, *refused.egress.isolated_by)
    component = Component(guilty[0].kind, guilty[0].namespace, guilty[0].name) if guilty else None
    return Finding(
        cause_class="policy.egress_denied",
        cause=f"{component or 'A policy'} keeps CoreDNS from its upstream: it blocks {refused.traffic.words()}",
        component=component,
        belief=_belief(case, failed, None) + SIMULATED,
        because=f"{told(case)}; {refused.egress.why}",
        shown_by=shown_by(case, Policies, CoreDns),
        recommendation=f"Let {servers(dns)} reach its upstream on port 53, UDP and TCP.",
    )


def _failed(lookups: Lookups) -> Burst | None:
    """The outside name that failed (the asked one first), where cluster names resolve and no outside name does."""
    if not lookups.cluster_dns_works or lookups.external_dns_works is not False:
        return None
    outside = [each for each in lookups.bursts if each.origin is NameOrigin.EXTERNAL and each.outcome in FAILS]
    return min(outside, key=lambda each: not each.is_asked, default=None)


def _complaint(dns: CoreDns) -> LogFinding | None:
    """CoreDNS's log lines about its upstream, the lines that name it first."""
    found = [each for kind in UPSTREAM_FAILS for each in dns.found(kind) if not each.previous]
    return min(found, key=lambda each: (each.upstream is None, -each.count), default=None)


def _belief(case: Case, failed: Burst, said: LogFinding | None) -> float:
    asks_this = case.target.to_host is None or failed.is_asked
    if not asks_this or dropped_questions(case):
        return DOUBTED
    if case.get(RecentChanges) is None or case.get(Policies) is None:
        return DOUBTED  # a forward line changed a minute ago and a policy of CoreDNS's own look the same
    return ATTESTED if said is not None else CONSISTENT


def _logged(said: LogFinding | None) -> str:
    return f"CoreDNS says {said.count} times: {said.example}" if said else "CoreDNS's log says nothing of it"


RULE = Rule(
    id="dns-upstream-failure",
    judge=judge,
    causes=("dns.upstream_failure", "policy.egress_denied"),
    needs=(Lookups, CoreDns),
)
