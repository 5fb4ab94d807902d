"""The network plug-in may not talk to the Kubernetes API any more (its token has expired), so new pods get no network.

Proof: a pod of the complaint waits for its network, and its events say that the plug-in was refused as unauthorized.
Not to be mistaken for an agent that does not run: this one runs and is not let in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flows.belief import CONFIRMED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.sandbox import Victim, victims
from sensors.cni_health import CniHealth
from sensors.k8s_pod import PodFacts

REFUSED = re.compile(r"\bunauthorized\b|x509: certificate has expired|token (?:has|is) expired", re.IGNORECASE)


def judge(case: Case) -> Iterator[Finding]:
    """Speaks when a sandbox was refused because the plug-in itself was refused."""
    cni = case[CniHealth]
    refused = [each for each in victims(case) if REFUSED.search(each.pod.message)]
    for node in dict.fromkeys(each.node for each in refused):
        yield _finding(cni, node, [each for each in refused if each.node == node])


def _finding(cni: CniHealth, node: str, waiting: list[Victim]) -> Finding:
    owner = cni.daemon_set
    return Finding(
        cause_class="cni.auth",
        cause=f"The {cni.cni or 'network'} plug-in on node {node} gets 401 from the API server: {waiting[0]}",
        component=Component(owner.kind, owner.namespace, owner.name) if owner else Component("Node", "", node),
        belief=round(CONFIRMED * max(each.weight for each in waiting), 3),
        because="; ".join([waiting[0].pod.message, *(str(each) for each in waiting[:3])]),
        shown_by=(CniHealth, PodFacts),
        recommendation=(
            f"Restart the plug-in's pod on {node}, which writes a new kubeconfig; look at the node's clock if that "
            "does not help."
        ),
        also_hides=frozenset[str]().union(*(each.also_hides for each in waiting)),
    )


RULE = Rule(id="cni-auth", judge=judge, causes=("cni.auth",), needs=(CniHealth,))
