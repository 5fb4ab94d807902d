"""The Service only sends to backends on the caller's own node, and there is none there.

Proof: internalTrafficPolicy is Local, endpoints are ready, and none of them is on the pod's node. Not to be mistaken
for a Service without ready endpoints anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import SHOWN
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import suspects
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services


def judge(case: Case) -> Iterator[Finding]:
    node = case[PodFacts].node
    for peer, weight in suspects(case):
        service = peer.service
        if service is None or service.internal_traffic_policy != "Local" or not service.ready_endpoints:
            continue
        nodes = {each.node for each in service.ready_endpoints}
        there = ", ".join(sorted(nodes))
        if node and node not in nodes:
            yield Finding(
                cause_class="service.external_traffic_local",
                cause=(
                    f"{service.ref} has internalTrafficPolicy Local, and none of its ready endpoints is on {node}, "
                    f"the caller's node (they are on {there})"
                ),
                component=Component("Service", service.namespace, service.name),
                belief=SHOWN * weight,
                because=f"internalTrafficPolicy: Local; ready endpoints on {there}, the caller on {node}",
                shown_by=(Services, PodFacts),
                recommendation=f"Set internalTrafficPolicy of {service.ref} to Cluster, or run it on every node.",
            )


RULE = Rule(
    id="service-local-policy", judge=judge, causes=("service.external_traffic_local",), needs=(Services, PodFacts)
)
