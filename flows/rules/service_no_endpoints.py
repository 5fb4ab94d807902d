"""No pod stands behind the Service, or none behind the port that is asked for.

Proof: the selector matches no pod of the namespace and the EndpointSlices are empty; or the Service has no selector and
no slice belongs to it (or none has the port). With socket load balancing the client's connect() fails at once (EPERM or
EHOSTUNREACH) and no hubble flow exists, so it is the objects that tell. Not to be mistaken for pods that match and are
not ready, nor for a workload that has no pods now: then its selector is right, and the workload is to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from flows.belief import PROBABLE, PROVED
from flows.denials.webhooks import culprit_of, is_webhook
from flows.model import Case, Component, Finding, Rule, SetSelector
from flows.symptoms.owner import owner
from flows.symptoms.peers import Peer, suspects
from sensors.k8s_recent_changes import RecentChanges
from sensors.k8s_services import IdleWorkload, LabelMiss, ServiceFacts, Services
from sensors.kit.nearest import nearest
from sensors.kit.objects import Ref

ALIKE_SHARE = 0.6
"""How alike two label values must be (difflib's ratio, 0 to 1) to take one for a slip of the other."""


def judge(case: Case) -> Iterator[Finding]:
    for peer, weight in suspects(case):
        service = peer.service
        if service is None or service.external_name or service.endpoints is None:
            continue
        if service.selector and service.matching_pods == () and not service.endpoints:
            yield _idle(case, peer, service, weight) if service.idle else _unmatched(case, peer, service, weight)
        elif not service.selector and not service.ready_endpoints:
            yield _by_hand(peer, service, weight)
        elif not service.selector and _lacks_port(peer, service):
            yield _without_port(peer, service, weight)


# -- a workload without pods -------------------------------------------------------------------------------------------


def _idle(case: Case, peer: Peer, service: ServiceFacts, weight: float) -> Finding:
    idle = service.idle[0]
    webhook = culprit_of(case, idle.refusal) if is_webhook(idle.refusal) else None
    component = webhook or Component(idle.workload.kind, idle.workload.namespace, idle.workload.name)
    return Finding(
        cause_class=_idle_class(idle),
        cause=f"{service.ref} has no pod behind it: {idle}",
        component=component,
        belief=PROVED * weight,
        because=f"{service.ref} selects {_labels(service)}, as the template of {idle.workload} has it{_tried(peer)}",
        shown_by=(Services,),
        recommendation=_wake(idle, webhook),
    )


def _idle_class(idle: IdleWorkload) -> str:
    return "control.webhook" if is_webhook(idle.refusal) else "service.no_endpoints"


def _wake(idle: IdleWorkload, webhook: Component | None) -> str:
    kind, name, space = idle.workload.kind.lower(), idle.workload.name, idle.workload.namespace
    if "quota" in idle.refusal:
        return f"Raise the quota of namespace {space}, or make room in it; {idle.workload} then makes its pods itself."
    if webhook and webhook.kind != "Service":
        return (
            f"Let {webhook} admit the API server at the target port of the webhook's pods; {idle.workload} then makes "
            "its pods itself. Do not delete the webhook's configuration for this."
        )
    if "webhook" in idle.refusal:
        return f"Bring back what answers that webhook; {idle.workload} then makes its pods itself."
    if idle.refusal:
        return f"Mend what refuses the pods of {idle.workload}: {idle.refusal}."
    if idle.wanted == 0:
        return f"Scale it up: kubectl -n {space} scale {kind}/{name} --replicas=1 (and find why it was scaled down)."
    return f"See why {idle.workload} makes no pods: kubectl -n {space} describe {kind}/{name}."


# -- a selector that matches nothing -----------------------------------------------------------------------------------


def _unmatched(case: Case, peer: Peer, service: ServiceFacts, weight: float) -> Finding:
    miss = _meant(case, service)
    near = f"; the pods of {miss.workload or 'the namespace'} have {_label(miss)}" if miss else ""
    guilty = _guilty(case, service, miss)
    return Finding(
        cause_class="service.no_endpoints",
        cause=f"{service.ref} selects {_labels(service)}, and no pod has that{near}",
        component=guilty,
        belief=PROVED * weight,
        because=f"the selector of {service.ref} matches no pod and it has no endpoints{_tried(peer)}",
        shown_by=(Services,),
        recommendation=_advice(service, miss, guilty),
        remedy=_remedy(service, miss) if guilty.kind == "Service" else None,
    )


def _meant(case: Case, service: ServiceFacts) -> LabelMiss | None:
    """The workload that was probably meant: the nearest one that is like it, and never the caller itself."""
    caller = owner(case)
    others = [each for each in service.near_misses if not _is(caller, each.workload)]
    likely = [each for each in others if each.differing == 1 and _is_likely(service, each)]
    return likely[0] if len({each.workload for each in likely}) == 1 else next(iter(likely), None)


def _is(component: Component, workload: Ref | None) -> bool:
    return workload is not None and component == Component(workload.kind, workload.namespace, workload.name)


def _is_likely(service: ServiceFacts, miss: LabelMiss) -> bool:
    """A slip of the pen; or the rest of the selector fits, or the name, or nobody else has the Service's port."""
    named = miss.workload is not None and miss.workload.name == service.name
    return miss.of > 1 or named or _alike(miss) or (miss.found is not None and miss.has_port and _is_alone(service))


def _is_alone(service: ServiceFacts) -> bool:
    return len({each.workload for each in service.near_misses if each.has_port}) == 1


def _alike(miss: LabelMiss) -> bool:
    if miss.found is None:
        return False
    one_letter = len(miss.wanted) == len(miss.found) and sum(map(str.__ne__, miss.wanted, miss.found)) == 1
    return one_letter or SequenceMatcher(None, miss.wanted, miss.found).ratio() >= ALIKE_SHARE


def _labels(service: ServiceFacts) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(service.selector.items()))


def _label(miss: LabelMiss) -> str:
    return f"{miss.key}={miss.found}" if miss.found is not None else f"no label {miss.key}"


def _guilty(case: Case, service: ServiceFacts, miss: LabelMiss | None) -> Component:
    """The Service, unless the workload's labels are what was changed last."""
    changes = case.get(RecentChanges)
    if changes and miss and miss.workload and _newest(changes, miss.workload) > _newest(changes, service.ref):
        return Component(miss.workload.kind, miss.workload.namespace, miss.workload.name)
    return Component("Service", service.namespace, service.name)


def _newest(changes: RecentChanges, ref: Ref) -> float:
    """Time of the last change by a person or a tool, in seconds since the epoch; 0 where nobody did lately.

    A first creation is no change of mind: the Service and its workload are usually made together.
    """
    changed = (
        each.at.timestamp() for each in changes.of(ref) if each.kind.value == "changed" and _changed_labels(each.fields)
    )
    return max(changed, default=0.0)


def _changed_labels(fields: tuple[str, ...]) -> bool:
    return any("selector" in each or "label" in each or "template" in each for each in fields)


def _tried(peer: Peer) -> str:
    failed = [attempt for attempt in peer.doors if not attempt.is_open]
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
    """Only where exactly one workload is one label away: a choice between two would be a guess."""
    near = [each for each in service.near_misses if each.differing == 1 and _is_likely(service, each)]
    if miss is None or miss.found is None or near != [miss]:
        return None
    component = Component("Service", service.namespace, service.name)
    return SetSelector(component, dict(service.selector), {**service.selector, miss.key: miss.found})


# -- a Service without a selector --------------------------------------------------------------------------------------


def _by_hand(peer: Peer, service: ServiceFacts, weight: float) -> Finding:
    near = nearest(service.name, service.unowned_slices) or list(service.unowned_slices)
    there = f"; EndpointSlices of {near[0]} are there, and no such Service" if near else ""
    none = "no EndpointSlice belongs to it" if not service.endpoints else "no address in its EndpointSlices is ready"
    return Finding(
        cause_class="service.no_endpoints",
        cause=f"{service.ref} has no selector, and {none}{there}",
        component=Component("Service", service.namespace, service.name),
        belief=PROVED * weight,
        because=f"without a selector its endpoints are made by hand, and {none}{_tried(peer)}",
        shown_by=(Services,),
        recommendation=_by_hand_advice(service, near[0] if near else ""),
    )


def _by_hand_advice(service: ServiceFacts, near: str) -> str:
    label = f"the label kubernetes.io/service-name={service.name}"
    if near:
        return f"Name the Endpoints {service.name} instead of {near} (their slices then have {label})."
    return f"Make an EndpointSlice with {label}, or Endpoints of the name {service.name}."


def _lacks_port(peer: Peer, service: ServiceFacts) -> bool:
    """No ready address has the port, since a slice's ports belong to the Service's by their names."""
    wanted, ends = peer.service_port, service.ready_endpoints or ()
    return wanted is not None and not any(name == wanted.name for end in ends for name, _, _ in end.ports)


def _without_port(peer: Peer, service: ServiceFacts, weight: float) -> Finding:
    wanted = (peer.service_port.name if peer.service_port else "") or "(no name)"
    has = sorted({name or "(no name)" for end in service.ready_endpoints or () for name, _, _ in end.ports})
    said = ", ".join(has) or "no port at all"
    return Finding(
        cause_class="service.no_endpoints",
        cause=(
            f"{service.ref} has no endpoint for port {peer.port}: the port is named {wanted}, "
            f"and its EndpointSlices, made by hand, have {said}"
        ),
        component=Component("Service", service.namespace, service.name),
        belief=PROBABLE * weight,
        because=f"slices and Service are joined by the port's name, and {wanted} is in none{_tried(peer)}",
        shown_by=(Services,),
        recommendation=f"Give the port the same name in {service.ref} and in its EndpointSlices.",
    )


RULE = Rule(
    id="service-no-endpoints", judge=judge, causes=("service.no_endpoints", "control.webhook"), needs=(Services,)
)
