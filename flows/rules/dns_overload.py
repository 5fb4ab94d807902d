"""CoreDNS is healthy but has more questions than it can take, so some are refused or answered late.

Proof: its log says that its limit of questions at once was exceeded, and this pod's look-ups fail or are slow. Not to
be mistaken for CoreDNS being killed or down, for a policy, nor for questions lost in the connection table.
"""

from __future__ import annotations

from flows.belief import DOUBTED, INFERRED, LIKELY
from flows.model import Case, Finding, Rule
from flows.symptoms.dns import (
    asks_elsewhere,
    dropped_questions,
    is_about_a_name,
    is_serving,
    log_complains,
    servers,
    shown_by,
    told,
)
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble
from sensors.dns_lookup import LookupOutcome, Lookups

SLOW_MS = 1000.0
FAILS = frozenset({LookupOutcome.TIMEOUT, LookupOutcome.SERVFAIL, LookupOutcome.REFUSED})


def judge(case: Case) -> Finding | None:
    """Speaks when CoreDNS itself says that it was overrun."""
    dns = case[CoreDns]
    said = dns.found(CoreDnsTrouble.OVERLOADED)
    if not said or is_serving(dns) is False or asks_elsewhere(case, dns):
        return None
    times = sum(each.count for each in said)
    return Finding(
        cause_class="dns.overload",
        cause=f"CoreDNS is overrun: it turned questions away {times} times, with {dns.ready_pods} servers ready",
        component=servers(dns),
        belief=_belief(case),
        because=f"{said[0].pod} says: {said[0].example}; {told(case)}",
        shown_by=shown_by(case, CoreDns),
        recommendation=(
            f"Find the workload that asks so much, and scale {servers(dns)} (unless an autoscaler owns its replicas) "
            "or raise max_concurrent in the forward line."
        ),
    )


def _belief(case: Case) -> float:
    if dropped_questions(case) or not is_about_a_name(case):
        return DOUBTED
    if _is_felt(case):
        return LIKELY
    return INFERRED if log_complains(case) else DOUBTED


def _is_felt(case: Case) -> bool:
    lookups = case.get(Lookups)
    asked = (each for burst in (lookups.bursts if lookups else ()) for each in burst.questions)
    return any(each.outcome in FAILS or (each.ms or 0.0) >= SLOW_MS for each in asked)


RULE = Rule(id="dns-overload", judge=judge, causes=("dns.overload",), needs=(CoreDns,))
