"""The Service selects no pod at all, so nothing stands behind its address.

Proof: the selector matches no pod of the namespace and the EndpointSlices are empty. With socket load balancing the
client's connect() fails at once (EPERM or EHOSTUNREACH) and no hubble flow exists, so it is the objects that tell.
Not to be mistaken for pods that match and are not ready, nor for a Service without a selector (its endpoints are
somebody's own business).
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from flows.belief import PROVED
from flows.model import Case, Component, Finding, Rule, SetSelector
from flows.symptoms.peers import Peer, suspects
from sensors.k8s_recent_changes import RecentChanges
from sensors.k8s_services import LabelMiss, ServiceFacts, Services
from sensors.kit.objects import Ref

ALIKE_SHARE = 0.6
"""How alike two label values must be (difflib's ratio, 0 to 1) to take one for a slip of the other."""


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        service = peer.service
        if service and service.selector and service.matching_pods == () and not service.endpoints:
            yield _finding(case, peer, service, weight)


def _finding(case: Case, peer: Peer, service: ServiceFacts, weight: float) -> Finding:
    miss = service.near_misses[0] if service.near_misses else None
    selector = ", ".join(f"{key}={value}" for key, value in sorted(service.selector.items()))
    near = f"; the pods of {miss.workload or 'the namespace'} have {_label(miss)}" if miss else ""
    guilty = _guilty(case, service, miss)
    return Finding(
        cause_class="service.no_endpoints",
        cause=f"{service.ref} selects {selector}, and no pod has that{near}",
        component=guilty,
        belief=PROVED * weight,
        because=f"the selector of {service.ref} matches no pod and it has no endpoints{_tried(peer)}",
        shown_by=(Services,),
        recommendation=_advice(service, miss, guilty),
        remedy=_remedy(service, miss) if guilty.kind == "Service" else None,
    )


def _label(miss: LabelMiss) -> str:
    return f"{miss.key}={miss.found}" if miss.found is not None else f"no label {miss.key}"


def _guilty(case: Case, service: ServiceFacts, miss: LabelMiss | None) -> Component:
    """The Service, unless the workload's labels are what was changed last."""
    changes = case.get(RecentChanges)
    if changes and miss and miss.workload and _newest(changes, miss.workload) > _newest(changes, service.ref):
        return Component(miss.workload.kind, miss.workload.namespace, miss.workload.name)
    return Component("Service", service.namespace, service.name)


def _newest(changes: RecentChanges, ref: Ref) -> float:
    """When an object was last changed by a person or a tool, in seconds since the epoch; 0 where nobody did lately.

    A first creation is no change of mind: the Service and its workload are usually made together.
    """
    changed = (
        each.at.timestamp() for each in changes.of(ref) if each.kind.value == "changed" and _by_hand(each.fields)
    )
    return max(changed, default=0.0)


def _by_hand(fields: tuple[str, ...]) -> bool:
    return any("selector" in each or "label" in each or "template" in each for each in fields)


def _tried(peer: Peer) -> str:
    failed = [door for door in peer.doors if not door.is_open]
    return f"; {failed[0].where} is {failed[0].result} ({failed[0].errno})" if failed else ""


def _advice(service: ServiceFacts, miss: LabelMiss | None, guilty: Component) -> str:
    if miss is None:
        return f"Give {service.ref} a selector that its pods have, or start the pods that it selects."
    if miss.found is None:
        pods = f"the pods of {miss.workload}" if miss.workload else "its pods"
        return (
            f"Take {miss.key} out of the selector of {service.ref}, or give {pods} the label {miss.key}={miss.wanted}."
        )
    if guilty.kind == "Service":
        return f"Set the selector of {service.ref} to {miss.key}={miss.found}."
    return f"Give the pods of {guilty} the label {miss.key}={miss.wanted} again."


def _remedy(service: ServiceFacts, miss: LabelMiss | None) -> SetSelector | None:
    """Only where exactly one workload is one alike label away: a choice between two would be a guess."""
    alike = [each for each in service.near_misses if each.differing == 1 and _alike(each)]
    if miss is None or miss.found is None or alike != [miss]:
        return None
    component = Component("Service", service.namespace, service.name)
    return SetSelector(component, dict(service.selector), {**service.selector, miss.key: miss.found})


def _alike(miss: LabelMiss) -> bool:
    return miss.found is not None and SequenceMatcher(None, miss.wanted, miss.found).ratio() >= ALIKE_SHARE


RULE = Rule(id="service-no-endpoints", judge=judge, causes=("service.no_endpoints",), needs=(Services,))
