"""There are no pod addresses left on a node, so new pods there never start.

Proof: a pod of the complaint waits for its network, and its events or the agent's own figures say that all addresses
are taken. Not to be mistaken for an agent that is down, which hands out nothing either but does not say why.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import CONFIRMED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.sandbox import Victim, victims
from sensors.cni_health import CniHealth
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services


def judge(case: Case) -> Iterator[Finding]:
    """One finding for each node on which someone of the complaint waits for an address and there is none."""
    cni = case[CniHealth]
    said: dict[str, str] = {}
    for node, message in cni.exhausted:
        said.setdefault(node, message)
    waiting = victims(case)
    for node, message in said.items():
        mine = [each for each in waiting if each.node == node]
        if mine:
            yield _finding(cni, node, message, mine)


def _finding(cni: CniHealth, node: str, message: str, waiting: list[Victim]) -> Finding:
    return Finding(
        cause_class="cni.ip_exhaustion",
        cause=f"Node {node} has no pod address left ({message}): {waiting[0]}",
        component=Component("Node", "", node),
        belief=round(CONFIRMED * max(each.weight for each in waiting), 3),
        because="; ".join([f"{node}: {message}", *(str(each) for each in waiting[:3])]),
        shown_by=(CniHealth, PodFacts, Services),
        recommendation=(
            f"Delete pods on {node} that have ended and still hold addresses; then give the node (or the pool of "
            f"{cni.cni or 'the network plug-in'}) a larger range, or move pods to other nodes."
        ),
        also_hides=frozenset[str]().union(*(each.also_hides for each in waiting)),
    )


RULE = Rule(id="cni-ip-exhaustion", judge=judge, causes=("cni.ip_exhaustion",), needs=(CniHealth,))
