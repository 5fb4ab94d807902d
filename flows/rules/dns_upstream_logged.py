"""CoreDNS itself says that its upstream does not answer for the very name that the complaint is about.

Proof: no look-up of a name from outside was made from the pod, and CoreDNS's log names that name (the asked one, or
one that the pod's own log could not resolve lately) and the upstream. Where somebody changed the Corefile just before,
it is that change; then the pod's own word for a server failure is enough. Not to be mistaken for complaints about names
of others, for a look-up that did succeed, for a pod that asks another server, nor for a policy that keeps CoreDNS from
its upstream.
"""

from __future__ import annotations

from flows.belief import CONSISTENT, DOUBTED, LIKELY, PARTIAL
from flows.denials.upstream import kept_from
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.dns import (
    asks_elsewhere,
    changed,
    config_map,
    dropped_questions,
    is_serving,
    may_ask_elsewhere,
    shown_by,
    told,
)
from flows.symptoms.upstream import Unanswered, advice, failed_by_the_server, left_unanswered, upstream_of
from sensors.dns_coredns_health import CoreDns
from sensors.k8s_network_policies import Policies
from sensors.k8s_recent_changes import RecentChanges


def judge(case: Case) -> Finding | None:
    """Speaks by CoreDNS's own word, where no look-up tells."""
    dns = case[CoreDns]
    if is_serving(dns) is False or asks_elsewhere(case, dns):
        return None
    logged, touched = left_unanswered(case, dns), changed(case, config_map(dns))
    if logged is not None:
        return _changed(case, dns, logged.name, _said(logged), LIKELY) if touched else _silent(case, dns, logged)
    told = failed_by_the_server(case) if touched else None
    if told is None or not (dns.corefile and dns.corefile.forwards):
        return None
    return _changed(case, dns, told.host, f'the pod logs "{told.text}"', PARTIAL)


def _changed(case: Case, dns: CoreDns, name: str, said: str, sure: float) -> Finding:
    where = config_map(dns)
    upstreams = ", ".join(to for each in dns.corefile.forwards for to in each.upstreams) if dns.corefile else ""
    nowhere = f"leads nowhere ({upstreams})" if upstreams else "leads nowhere"
    return Finding(
        cause_class="dns.coredns_config",
        cause=f"CoreDNS gets no answer for {name}: the forward line of {where} {nowhere} since it was changed",
        component=where,
        belief=_belief(case, dns, upstream_of(dns, None), sure),
        because=f"{told(case)}; {said}{changed(case, where)}",
        shown_by=shown_by(case, CoreDns, RecentChanges),
        recommendation=f"Put the last good forward line of {where} back.",
    )


def _silent(case: Case, dns: CoreDns, logged: Unanswered) -> Finding:
    upstream = upstream_of(dns, logged.line)
    return Finding(
        cause_class="dns.upstream_failure",
        cause=f"CoreDNS cannot resolve {logged.name}: the DNS server {upstream or 'it forwards to'} does not answer it",
        component=Component("External", "", upstream or "upstream resolver"),
        belief=_belief(case, dns, upstream, CONSISTENT),
        because=f"{told(case)}; {_said(logged)}",
        shown_by=shown_by(case, CoreDns),
        recommendation=advice(upstream, logged.name),
    )


def _belief(case: Case, dns: CoreDns, upstream: str, sure: float) -> float:
    """Doubted where the pod may ask another server, its questions are dropped, or a policy may be in the way."""
    unknown = not dns.pods_read or may_ask_elsewhere(case, dns) or bool(dropped_questions(case))
    unread = case.get(RecentChanges) is None or case.get(Policies) is None
    kept = kept_from(case, dns, upstream) is not None
    return DOUBTED if unknown or unread or kept else sure


def _said(logged: Unanswered) -> str:
    times = "once" if logged.line.count == 1 else f"{logged.line.count} times"
    return f"CoreDNS says {times}: {logged.line.example}"


RULE = Rule(
    id="dns-upstream-logged",
    judge=judge,
    causes=("dns.upstream_failure", "dns.coredns_config"),
    needs=(CoreDns,),
)
