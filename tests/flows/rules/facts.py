"""Cases for the rules' tests: a recorded one, with single facts changed where no recording shows the fault.

What is changed is synthetic; what is not was recorded on a real cluster.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flows.model import Case, Finding, Missing, Rule
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble, LogFinding
from sensors.dns_lookup import Lookups, bursts
from sensors.k8s_pod import ContainerFacts, LogError, LogTrouble, PodFacts
from sensors.kit import DnsLookup
from sensors.kit.resolv_conf import Resolver
from tests.kit.cases import case_of, with_facts

HEALTHY = "search-to-index"
RESOLVER = "10.96.0.10"
ALWAYS = "kubernetes.default.svc.cluster.local"
OUTSIDE = "api.example.com"


def healthy() -> Case:
    """search → index, both well; CoreDNS has one ready pod; nothing in the log but old complaints about connecting."""
    return altered(case_of(HEALTHY), PodFacts, log_errors=())


def judged(rule: Rule, case: Case) -> list[Finding]:
    """What the rule says, as a list."""
    return rule.of(case)


def only(rule: Rule, case: Case) -> Finding:
    """The one thing the rule says."""
    (finding,) = judged(rule, case)
    return finding


def doubts(rule: Rule, case: Case) -> str:
    """Which facts the rule misses; empty where it misses none."""
    try:
        judged(rule, case)
    except Missing as missing:
        return missing.wanted.__name__
    return ""


def altered(case: Case, kind: type, **fields: Any) -> Case:
    """The case with some fields of one kind of facts changed."""
    return with_facts(case, replace(case[kind], **fields))


def dns_pod(case: Case, **fields: Any) -> Case:
    """CoreDNS's only pod changed."""
    return altered(case, CoreDns, pods=(replace(case[CoreDns].pods[0], **fields),))


def dns_service(case: Case, **fields: Any) -> Case:
    """CoreDNS's Service changed."""
    service = case[CoreDns].service
    assert service is not None
    return altered(case, CoreDns, service=replace(service, **fields))


def dns_down(case: Case, **pod: Any) -> Case:
    """CoreDNS's only pod is not ready (and changed as asked), its Service is empty, and look-ups fail at once."""
    return resolving(dns_service(dns_pod(case, ready=False, **pod), ready_endpoints=0), failed(ALWAYS))


def dns_says(case: Case, trouble: CoreDnsTrouble, example: str, **fields: Any) -> Case:
    """One kind of line in CoreDNS's log."""
    said = LogFinding(trouble, case[CoreDns].pods[0].name, False, fields.pop("count", 1), example, **fields)
    return altered(case, CoreDns, log=(said,))


def resolving(case: Case, *rows: DnsLookup, resolver: Resolver | None = None) -> Case:
    """The pod's look-ups, put together from what was asked on the wire as the sensor does it."""
    used = resolver or case[Lookups].resolver
    asked = case.target.to_host
    return with_facts(case, Lookups(bursts(rows, (ALWAYS, *([asked] if asked else [])), used, asked), used))


def asks(case: Case, host: str, port: int = 80) -> Case:
    """The same case with another peer in the question."""
    return replace(case, target=replace(case.target, to_host=host, to_port=port), derived={})


def failed(name: str, error: str = "Operation not permitted", ms: float = 0.4, server: str = RESOLVER) -> DnsLookup:
    """A question that no server answered."""
    return DnsLookup(name, "A", server, None, error, (), ms)


def answered(name: str, rcode: str = "NOERROR", ms: float = 1.0, server: str = RESOLVER) -> DnsLookup:
    """A question that a server answered, with an address where all is well."""
    return DnsLookup(name, "A", server, rcode, None, ("10.96.0.1",) if rcode == "NOERROR" else (), ms)


def complaining(case: Case, trouble: LogTrouble = LogTrouble.RESOLVE, host: str = "") -> Case:
    """The pod's log complains, now."""
    error = LogError("app", trouble, "curl: (6) Could not resolve host", 12, 6, host, None, case.at)
    return altered(case, PodFacts, log_errors=(error,))


def container(case: Case, **fields: Any) -> ContainerFacts:
    """The pod's first container, changed."""
    return replace(case[PodFacts].containers[0], **fields)
