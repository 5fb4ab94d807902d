"""Now and then a look-up takes five seconds, because two questions sent at once collide in the node's connection table.

Proof: a look-up took five seconds (the resolver library's retry), the kernel counted failed insertions, and the table
has room. Not to be mistaken for busy DNS servers, for a full table, nor for failed insertions of long ago: the counter
runs since boot, so alone it says nothing.
"""

from __future__ import annotations

from flows.belief import CONSISTENT, DOUBTED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.dns import dropped_questions, is_serving
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble
from sensors.dns_lookup import DnsQuestion, LookupOutcome, Lookups
from sensors.net_conntrack_usage import Conntrack, NodeTables

RETRY_MS = (4500.0, 6500.0)
"""The resolver libraries' retry after 5 s, with what the answer itself takes (source: resolv.conf(5), timeout:5)."""

FULL_SHARE = 0.95


def judge(case: Case) -> Finding | None:
    """Speaks when answers came only after the retry, and the kernel's table lost insertions."""
    lookups, tables = case[Lookups], case[Conntrack]
    here, late = tables.here, _late(lookups)
    if here is None or not late or not _collides(tables, here) or _otherwise_explained(case):
        return None
    fast = sum(each.outcome is LookupOutcome.ANSWERED for burst in lookups.bursts for each in burst.questions) - len(
        late
    )
    return Finding(
        cause_class="dns.conntrack_race",
        cause=(
            f"{len(late)} look-ups of {case.target} took 5 s and {fast} did not: questions sent together are lost "
            f"in the connection table of node {here.node} ({_failed(tables, here)} failed insertions)"
        ),
        component=Component("Node", "", here.node),
        belief=CONSISTENT if fast > 0 else DOUBTED,
        because=(
            f"{late[0].name} was answered after {late[0].ms:g} ms; {here.node} counts {_failed(tables, here)} failed "
            f"insertions{_fill(here)}"
        ),
        shown_by=(Lookups, Conntrack),
        recommendation=(
            "Set the DNS option single-request-reopen for this workload (glibc only), or run NodeLocal DNSCache, which "
            "asks over TCP; both are decisions for the platform."
        ),
    )


def _fill(here: NodeTables) -> str:
    return f" into a table that is {here.fill:.0%} full" if here.fill is not None else ""


def _late(lookups: Lookups) -> list[DnsQuestion]:
    asked = (each for burst in lookups.bursts for each in burst.questions if each.outcome is LookupOutcome.ANSWERED)
    return [each for each in asked if each.ms is not None and RETRY_MS[0] <= each.ms <= RETRY_MS[1]]


def _collides(tables: Conntrack, here: NodeTables) -> bool:
    return _failed(tables, here) > 0 and (here.fill is None or here.fill < FULL_SHARE)


def _failed(tables: Conntrack, here: NodeTables) -> int:
    """Failed insertions into the table that this pod's questions go through."""
    if tables.datapath_table == "cilium" and not tables.host_network:
        return here.cilium.insert_failures if here.cilium else 0
    return here.counted("insert_failed") or 0


def _otherwise_explained(case: Case) -> bool:
    """Drops by policy, no ready server, or servers that say they are overrun."""
    dns = case.get(CoreDns)
    busy = dns is not None and (is_serving(dns) is False or bool(dns.found(CoreDnsTrouble.OVERLOADED)))
    return busy or bool(dropped_questions(case))


RULE = Rule(id="dns-conntrack-race", judge=judge, causes=("dns.conntrack_race",), needs=(Lookups, Conntrack))
