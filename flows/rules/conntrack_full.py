"""The node's connection table is full, so new connections die at random.

Proof: entries at 95 % of the limit or more with "table full" in the kernel log or drops counted, or Cilium's own map
under such pressure with failed insertions (drop reason 155). Counters since boot alone are history. Which table counts
depends on the traffic: under Cilium pods use the BPF map, host-network pods the kernel's table.
"""

from __future__ import annotations

from flows.belief import ASIDE, CONFIRMED, CONSISTENT, PROBABLE, SHOWN
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import asked_peer
from sensors.hubble_capture_flows import HubbleFlows
from sensors.net_conntrack_usage import Conntrack, NodeTables

NEARLY_FULL_SHARE = 0.95
CT_INSERTION_FAILED = 155


def judge(case: Case) -> Finding | None:
    tables = case[Conntrack]
    here = tables.here
    if here is None:
        return None
    return _kernel(case, tables, here) or _cilium(case, here)


def _kernel(case: Case, tables: Conntrack, here: NodeTables) -> Finding | None:
    if here.fill is None or here.fill < NEARLY_FULL_SHARE:
        return None
    lines = here.full.lines if here.full else 0
    drops = (here.counted("drop") or 0) + (here.counted("insert_failed") or 0)
    on_path = tables.datapath_table != "cilium" or tables.host_network is True
    proof = f"the kernel logged 'table full' {lines} times" if lines else f"{drops} entries refused since boot"
    belief = (CONFIRMED if lines else PROBABLE if drops else CONSISTENT) if on_path else ASIDE
    why = f"nf_conntrack of {here.node} holds {here.count} of {here.maximum} entries; {proof}"
    return _finding(
        here, f"the connection table of node {here.node} is full ({here.count} of {here.maximum})", why, belief
    )


def _cilium(case: Case, here: NodeTables) -> Finding | None:
    pressure = here.cilium.connection_pressure if here.cilium else None
    if pressure is None or pressure < NEARLY_FULL_SHARE or here.cilium is None:
        return None
    flows, peer = case.get(HubbleFlows), asked_peer(case)
    mine = peer.connections if peer else flows.connections if flows else ()
    failed = sum(drop.packets for each in mine for drop in each.drops if drop.number == CT_INSERTION_FAILED)
    belief = SHOWN if failed else CONSISTENT if here.cilium.insert_failures else ASIDE
    why = f"Cilium's connection map of {here.node} is {pressure:.0%} full; {failed} packets of the pod dropped with 155"
    return _finding(here, f"Cilium's connection map on node {here.node} is full ({pressure:.0%})", why, belief)


def _finding(here: NodeTables, cause: str, because: str, belief: float) -> Finding:
    return Finding(
        cause_class="conntrack.full",
        cause=f"{cause}: new connections are dropped at random",
        component=Component("Node", "", here.node),
        belief=belief,
        because=because,
        shown_by=(Conntrack,),
        recommendation=(
            f"Find the pods that fill the table of {here.node} and slow it down; raise the limit there "
            "(net.netfilter.nf_conntrack_max, or Cilium's bpf.ctTcpMax) only as a stopgap. KAI changes no node."
        ),
    )


RULE = Rule(id="conntrack-full", judge=judge, causes=("conntrack.full",), needs=(Conntrack,))
