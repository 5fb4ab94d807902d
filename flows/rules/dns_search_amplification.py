"""Look-ups succeed but take long, because each name is first tried with every entry of the search list (ndots:5).

Proof: the name is answered in the end, and most of the time went into names that do not exist. Not to be mistaken for
a name that does not exist at all, nor for DNS servers that are slow with every question. The burst alone is normal.
"""

from __future__ import annotations

from flows.belief import DOUBTED, LIKELY
from flows.model import Case, Finding, Rule
from flows.symptoms.owner import owner
from sensors.dns_lookup import Burst, LookupOutcome, Lookups
from sensors.k8s_pod import PodFacts
from sensors.kit.resolv_conf import Resolver

SLOW_MS = 1000.0
"""A look-up that takes longer than this is felt; less is what every pod with ndots:5 pays."""

MOST_SHARE = 0.7


def judge(case: Case) -> Finding | None:
    """Speaks when the detour over the search list is what makes a look-up slow."""
    lookups = case[Lookups]
    slow = [each for each in lookups.bursts if _is_slow_by_detour(each)]
    if lookups.resolver is None or not slow:
        return None
    worst = max(slow, key=lambda each: (each.is_asked, each.ms))
    return _finding(case, worst, lookups.resolver)


def _finding(case: Case, burst: Burst, resolver: Resolver) -> Finding:
    is_it = burst.is_asked or case.target.to_host is None
    return Finding(
        cause_class="dns.search_amplification",
        cause=(
            f"Looking up {burst.name} takes {burst.ms:g} ms, {_lost(burst):g} ms of it for {burst.dead_ends} names "
            f"that do not exist (ndots:{resolver.ndots}, {len(resolver.search)} search domains)"
        ),
        component=owner(case),
        belief=LIKELY if is_it else DOUBTED,
        because=f"{burst.answered_by}: answer after {burst.dead_ends} search-domain misses: {', '.join(_tried(burst))}",
        shown_by=(Lookups, PodFacts),
        recommendation=(
            f"Set ndots to 2 in the dnsConfig of {owner(case)} (or write {burst.name} with a dot at its end), after "
            "making sure that nothing there relies on short names with several dots."
        ),
    )


def _is_slow_by_detour(burst: Burst) -> bool:
    if burst.outcome is not LookupOutcome.ANSWERED or burst.ms < SLOW_MS or burst.dead_ends < 2:
        return False
    return _lost(burst) >= MOST_SHARE * burst.ms


def _lost(burst: Burst) -> float:
    dead = (LookupOutcome.NXDOMAIN, LookupOutcome.NO_DATA)
    return round(sum(each.ms or 0.0 for each in burst.questions if each.outcome in dead), 1)


def _tried(burst: Burst) -> list[str]:
    dead = [each for each in burst.questions if each.outcome is not LookupOutcome.ANSWERED]
    return [f"{each.name} {each.ms or 0.0:g} ms" for each in dead[:4]]


RULE = Rule(id="dns-search-amplification", judge=judge, causes=("dns.search_amplification",), needs=(Lookups,))
