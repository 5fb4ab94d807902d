"""Entries cannot be put into the connection table although it has room: a race, not a full table.

Proof: packets of the pod dropped with reason 155 (CT_MAP_INSERTION_FAILED) while the map is far from full. Not to be
mistaken for a full table. A rising `insert_failed` alone is since boot, so it stays a suspicion.
"""

from __future__ import annotations

from flows.belief import LIKELY
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import suspects
from sensors.hubble_capture_flows import HubbleFlows
from sensors.net_conntrack_usage import Conntrack, NodeTables

CT_INSERTION_FAILED = 155
ROOMY_SHARE = 0.9


def judge(case: Case) -> Finding | None:
    here = case[Conntrack].here
    if here is None or _full(here):
        return None
    failed, weight = 0, 0.0
    for peer, each in suspects(case):
        lost = sum(drop.packets for one in peer.connections for drop in one.drops if drop.number == CT_INSERTION_FAILED)
        failed, weight = failed + lost, max(weight, each if lost else 0.0)
    return _finding(here, failed, weight) if failed else None


def _full(here: NodeTables) -> bool:
    pressure = here.cilium.connection_pressure if here.cilium else None
    return any(each is not None and each >= ROOMY_SHARE for each in (here.fill, pressure))


def _finding(here: NodeTables, failed: int, weight: float) -> Finding:
    return Finding(
        cause_class="conntrack.insert_race",
        cause=f"{failed} packets of the pod found no place in the connection table of {here.node}, which has room",
        component=Component("Node", "", here.node),
        belief=LIKELY * weight,
        because=f"{failed} packets dropped with CT_MAP_INSERTION_FAILED (155) while the table is not under pressure",
        shown_by=(Conntrack, HubbleFlows),
        recommendation="Look at connection churn on the node and at its garbage collection interval; retries pass.",
    )


RULE = Rule(id="conntrack-insert-race", judge=judge, causes=("conntrack.insert_race",), needs=(Conntrack, HubbleFlows))
