"""Facts of the DNS server that CoreDNS asks for names from outside.

No rule of its own: what the rules about that server have in common.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flows.model import Case
from flows.symptoms.dns import is_of_the_cluster, is_recent
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble, LogFinding
from sensors.dns_lookup import Lookups
from sensors.k8s_pod import LogError, LogTrouble, PodFacts

UPSTREAM_FAILS = (CoreDnsTrouble.UPSTREAM_TIMEOUT, CoreDnsTrouble.UPSTREAM_REFUSED, CoreDnsTrouble.UPSTREAM_ERROR)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A name that the complaint is about, and the line in which CoreDNS says that its upstream left it unanswered."""

    name: str
    line: LogFinding


def left_unanswered(case: Case, dns: CoreDns) -> Unanswered | None:
    """Lines of CoreDNS's own log about the very name, where no look-up could: none was made of a name from outside."""
    lookups = case.get(Lookups)
    if lookups is not None and (lookups.external_dns_works is not None or lookups.cluster_dns_works is False):
        return None
    lines = [each for kind in UPSTREAM_FAILS for each in dns.found(kind) if not each.previous]
    wanted = _names_wanted(case)
    found = ((name.rstrip(".").lower(), line) for line in lines for name in line.names)
    return next((Unanswered(name, line) for name, line in found if name in wanted), None)


SERVER_FAILED = re.compile(r"(?i)servfail|server misbehaving|eai_again|temporary failure in name resolution")
"""How dig, Go, Node.js and glibc say that a DNS server answered with a failure; a wrong name reads otherwise."""


def failed_by_the_server(case: Case) -> LogError | None:
    """The pod's own word that a DNS server failed it for a name from outside, lately, where no look-up tells more."""
    lookups, pod = case.get(Lookups), case.get(PodFacts)
    if lookups is not None and (lookups.external_dns_works is not None or lookups.cluster_dns_works is False):
        return None
    wanted = _names_wanted(case)
    for each in pod.log_errors if pod else ():
        outside = (
            each.host.rstrip(".").lower() in wanted and "." in each.host and not is_of_the_cluster(case, each.host)
        )
        if outside and SERVER_FAILED.search(each.text) and is_recent(case, each.time):
            return each
    return None


def _names_wanted(case: Case) -> set[str]:
    """The asked name; where nobody asked, those that the pod's log could not resolve lately."""
    if case.target.to_host is not None:
        return {case.target.to_host.rstrip(".").lower()}
    pod = case.get(PodFacts)
    errors = (each for each in (pod.log_errors if pod else ()) if each.trouble is LogTrouble.RESOLVE)
    return {each.host.rstrip(".").lower() for each in errors if each.host and is_recent(case, each.time)}


def upstream_of(dns: CoreDns, said: LogFinding | None) -> str:
    """The upstream's address, from the log or else from the only forward line; empty where neither tells."""
    if said is not None and said.upstream is not None:
        return said.upstream.removesuffix(":53")
    named = {to for each in dns.corefile.forwards for to in each.upstreams} if dns.corefile else set()
    return named.pop().removesuffix(":53") if len(named) == 1 else ""


def advice(upstream: str, name: str) -> str:
    """Advice for an upstream that leaves a name unanswered."""
    return (
        f"Ask it from a CoreDNS node (dig @{upstream or 'UPSTREAM'} {name}); mend it or its network, or "
        "have the forward line name another resolver."
    )
