"""The node has no source port left to translate the pod's connections to this destination.

Proof: packets of the pod dropped with 167 (NO_MAPPING_FOR_NAT_MASQUERADE) or 191 (SNAT_NO_MAP_FOUND). Not to be
mistaken for a full connection table.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import ATTESTED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import suspects
from sensors.hubble_capture_flows import HubbleFlows
from sensors.text import counted

SNAT = {167: "NO_MAPPING_FOR_NAT_MASQUERADE", 191: "SNAT_NO_MAP_FOUND"}


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        drops = [drop for each in peer.connections for drop in each.drops if drop.number in SNAT]
        if drops:
            packets = sum(drop.packets for drop in drops)
            node = next((name for each in peer.connections for name in each.nodes), "")
            names = " and ".join(sorted({f"{SNAT[drop.number]} ({drop.number})" for drop in drops}))
            yield Finding(
                cause_class="nat.port_exhaustion",
                cause=f"node {node} has no source port left to translate connections to {peer.host}",
                component=Component("Node", "", node),
                belief=ATTESTED * weight,
                because=f"{counted(packets, 'packet')} dropped with {names}",
                shown_by=(HubbleFlows,),
                recommendation=(
                    f"Reuse connections to {peer.host}, spread the callers over nodes or egress addresses, "
                    "or raise Cilium's NAT map size."
                ),
            )


RULE = Rule(id="nat-port-exhaustion", judge=judge, causes=("nat.port_exhaustion",), needs=(HubbleFlows,))
