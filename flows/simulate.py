"""Tries a person's own change on the traffic that was really seen: would it help, what else would it open, and why not?

The same proof that stands behind every fix of ours, for a patch or a manifest that somebody else wrote.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from flows.denials.connection import JudgedConnection, is_from_target
from flows.denials.findings import port_in_words, who
from flows.denials.judged import judged_connections
from flows.denials.policy_world import world_of
from flows.denials.requested import asked_peers
from flows.fixes.change import Json, component_of_object
from flows.fixes.closing import in_words
from flows.fixes.proof import Trial, denied_ones, moved, try_out, unread_kinds
from flows.model import Case, Component
from flows.policy import Direction, Endpoint, Judgement, MissKind, PolicyRef, PolicyWorld, Profile
from flows.policy.parse import dialect_of
from flows.proposed import BadChange
from sensors.k8s_network_policies import Policies
from sensors.k8s_services import Services
from sensors.kit import Cluster, Environment, Sensor, Target, observe
from sensors.kit.addresses import as_ip
from sensors.kit.model import NOT_RECORDED
from sensors.kit.nearest import did_you_mean

NEEDED_SENSORS = (
    "hubble.capture_flows",
    "k8s.network_policies",
    "k8s.services",
    "k8s.pod",
    "cni.health",
    "dns.lookup",
    "net.connect",
)
"""The sensors a simulation needs; the others tell of what no policy can change."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """Effect of a change on the traffic of a case.

    `why_not` tells, for every connection that would still not pass, what stands in the way. `other_denied` counts
    dropped connections that the complaint is not about. `notes` are what a person should look at twice: a namespace
    that is not there, a policy that selects nobody. `newly_denied` are the closed ways, with how often they were used.
    """

    trial: Trial
    refused: str | None
    why_not: tuple[str, ...] = ()
    changed: tuple[Component, ...] = ()
    other_denied: int = 0
    notes: tuple[str, ...] = ()
    newly_denied: tuple[str, ...] = ()

    @property
    def helps(self) -> bool:
        """Every replayed connection would pass, and nothing speaks against the change."""
        proof = self.trial.proof
        return self.refused is None and proof.allowed_after == proof.replayed


# -- looking ---------------------------------------------------------------------------------------------------------


async def look(target: Target, cluster: Cluster, sensors: Mapping[str, Sensor]) -> Case:
    """A case with what a simulation needs, and nothing more."""
    asked = [sensors[name] for name in NEEDED_SENSORS if name in sensors]
    seen = await asyncio.gather(*(observe(each, target, cluster) for each in asked))
    evidence = {f"E{number}": each for number, each in enumerate(seen, start=1)}
    environment: Environment = await cluster.environment()
    return Case(target, environment, await cluster.now(), evidence)


# -- trying it -------------------------------------------------------------------------------------------------------


def simulate(
    case: Case, changed: Iterable[Json], most: int, since: timedelta | None = None, removed: Iterable[Json] = ()
) -> Simulation:
    """Replay what was dropped through the policies after the change. Raises `Missing` without policies."""
    objects, gone = tuple(changed), tuple(removed)
    only = [each for each in denied_ones(case) if _is_recent(case, each, since)]
    trial = try_out(case, objects, gone, only=only)
    later = [(each, trial.after.judge(moved(each.traffic, trial.after))) for each in only]
    named = frozenset(component_of_object(each) for each in (*objects, *gone))
    dropped = [each for each in case.once(judged_connections) if each.drop is not None]
    return Simulation(
        trial,
        _would_be_refused(objects, trial.after) or trial.refused(most),
        tuple(line for _, judged in later if judged.allowed is not True for line in why_not(judged, case, named)),
        tuple(sorted(named, key=str)),
        len([each for each in dropped if each not in only]),
        (*_idle(objects, trial.after), *_unread(case)),
        in_words(case, trial.diff.closed),
    )


def _would_be_refused(objects: Iterable[Json], after: PolicyWorld) -> str | None:
    """Reason why the datapath would apply nothing of a changed object, although the API server accepts it."""
    faults = [f"{component_of_object(each)}: {why}" for each in objects for why in after.refusals(each)]
    return f"Cilium would refuse this object: {faults[0]}" if faults else None


def _unread(case: Case) -> Iterator[str]:
    if kinds := unread_kinds(case):
        yield f"{kinds}; what is said here holds for the other policies only"


def _idle(objects: Iterable[Json], after: PolicyWorld) -> Iterator[str]:
    for each in objects:
        if dialect_of(each):
            yield from _notes(component_of_object(each), after)


def _notes(policy: Component, after: PolicyWorld) -> Iterator[str]:
    """Reasons why a policy is idle although it is well written."""
    spaces = after.inventory.namespaces
    if policy.namespace and spaces and policy.namespace not in spaces:
        yield f"there is no namespace {policy.namespace}{did_you_mean(policy.namespace, spaces)}"
    elif not any(_selects(policy, pod, after) for pod in after.inventory.pods.values()):
        yield f"{policy} selects no pod that is there now, so it does nothing yet"


def _selects(policy: Component, pod: Endpoint, after: PolicyWorld) -> bool:
    found = (each for direction in Direction for each in after.selecting(pod, direction))
    return any(_component(by.ref) == policy for by, _ in found)


def _is_recent(case: Case, one: JudgedConnection, since: timedelta | None) -> bool:
    last = one.seen.last_drop if one.seen is not None else None
    return since is None or last is None or case.at - last <= since


def why_not(judged: Judgement, case: Case, changed: frozenset[Component]) -> Iterator[str]:
    """Reason why a connection would still not pass: the rules that were changed first, then those that come closest."""
    traffic = judged.traffic
    stays = "cannot be decided" if judged.allowed is None else "would still be denied"
    yield f"{who(traffic.source)} to {who(traffic.destination)} on {port_in_words(traffic)} {stays}"
    for verdict in (judged.egress, judged.ingress):
        if verdict.allowed is True:
            continue
        yield f"  {verdict.direction.value}: {verdict.why}"
        near = sorted(verdict.closest, key=lambda pair: _component(pair[0]) not in changed)
        for ref, rule in near[:2]:
            yield f"  {ref} {rule.path}: {', '.join(miss.why for miss in rule.misses)}"
            blocks = [cidr for miss in rule.misses if miss.kind is MissKind.CIDR for cidr in miss.expected]
            yield from _about_service(blocks, judged, case)
        yield from (f"  {each}" for each in verdict.undecidable_because[:3])


def _component(ref: PolicyRef) -> Component:
    return Component(ref.kind, ref.namespace, ref.name)


def _about_service(blocks: Iterable[str], judged: Judgement, case: Case) -> Iterator[str]:
    """The classic mistake, said: a CIDR of Service addresses, which are gone before policy is asked."""
    traffic, profile = judged.traffic, case.once(world_of).profile
    if not traffic.service_ip or profile.sees_service_address is not False:
        return
    for cidr in (each for each in blocks if _covers(each, traffic.service_ip)):
        service = "/".join(traffic.service) if traffic.service else "the Service"
        yield (
            f"  {cidr} covers {traffic.service_ip}, the address of Service {service}, which policies never see: "
            f"it has become {traffic.destination.ip}:{traffic.port} before they are asked"
        )
        if kind := _never_compared(traffic.destination, profile):
            yield f"  and under this datapath a CIDR never matches {kind}, whatever its address"


def _never_compared(there: Endpoint, profile: Profile) -> str:
    """Kind of this peer, if the datapath compares no CIDR with that kind."""
    if there.is_pod and not there.host_network:
        return "a pod" if profile.cidr_matches_pods is False else ""
    if profile.cidr_matches_nodes is not False or not there.host_network:
        return ""
    return "the API server" if "kube-apiserver" in there.entities else "a node"


def _covers(cidr: str, ip: str) -> bool:
    try:
        return ip_address(ip) in ip_network(cidr, strict=False)
    except ValueError:
        return False


# -- may this talk to that? ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """May the pod talk to the peer? One judgement for each endpoint behind it; `seen` what the datapath did.

    `notes` say for what the answer does not hold. `unread` are policies that may matter and were not read, with the
    reason: what they say nobody knows, so the answer is never a plain yes.
    """

    judgements: tuple[Judgement, ...]
    seen: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool | None:
        """True when every way is open, False when one is shut, None when one cannot be decided, or not all was read."""
        said = {each.allowed for each in self.judgements}
        return False if False in said else None if None in said or not said or self.unread else True


def can(case: Case) -> SimulationResult:
    """Judge every way from the case's pod to the asked peer. Raises `BadChange` when nobody knows that peer."""
    world = case.once(world_of)
    judgements = tuple(world.judge(traffic) for traffic in case.once(asked_peers).values())
    if not judgements:
        raise BadChange(_no_way_to(case))
    mine = [
        each
        for each in case.once(judged_connections)
        if each.asked and each.seen and is_from_target(case, each.traffic)
    ]
    seen = tuple(f"{each.seen}: {each.seen.outcome.value}" for each in mine if each.seen)
    return SimulationResult(judgements, seen, tuple(_unread(case)), tuple(_refused(case)))


def _refused(case: Case) -> Iterator[str]:
    """The kinds of policy that are there, or always are on this datapath, and could not be read.

    What a recording leaves out counts too, but for Calico's own kinds, which only Calico's tools print.
    """
    policies = case.get(Policies)
    for kind, why in (policies.unreadable if policies else {}).items():
        if "Polic" in kind and not (NOT_RECORDED in why and kind in CALICO_KINDS):
            yield f"{kind}: {why}"


CALICO_KINDS = ("Calico NetworkPolicy", "GlobalNetworkPolicy")


def _no_way_to(case: Case) -> str:
    """The reason why there is nothing to judge, and what to ask instead."""
    services, port = case.get(Services), case.target.to_port
    service = services.asked_service if services else None
    asked_port = services.asked.port_of_service if services and services.asked else port
    if service is not None and asked_port is not None and service.port(asked_port) is None:
        known = ", ".join(str(each.port) for each in service.ports) or "no port at all"
        return f"{service.ref} has no port {port}; it has {known}"
    protocol = case.target.to_protocol
    if service is not None and asked_port and protocol and service.port(asked_port, protocol) is None:
        spoken = " and ".join(each.protocol for each in service.ports if each.port == asked_port)
        return f"{service.ref} has port {asked_port} over {spoken} only, not over {protocol}"
    if service is not None and not service.endpoints:
        return f"no pod is behind {service.ref}: it has no endpoints, whatever policies say"
    if port is None and (as_ip(case.target.to_host or "") or (services and services.asked and services.asked.pod)):
        return f"say the port, too: {case.target.to}:PORT"
    return f"nothing in this cluster answers to {case.target.to}: no Service, pod, node or known address"


def as_json(simulation: Simulation) -> dict[str, Any]:
    """The machine's view of a simulation; keys of the proof as in the published result."""
    proof, diff = simulation.trial.proof, simulation.trial.diff
    return {
        "proof": {
            "replayed": proof.replayed,
            "denied_before": proof.denied_before,
            "allowed_after": proof.allowed_after,
            "undecidable": proof.undecidable,
        },
        "admitted_by": list(simulation.trial.admitted_by),
        "why_not": list(simulation.why_not),
        "newly_allowed": [str(each) for each in diff.opened],
        "newly_denied": list(simulation.newly_denied),
        "undecidable": [str(each) for each in diff.undecidable],
        "refused": simulation.refused,
        "helps": simulation.helps,
        "changed": [str(each) for each in simulation.changed],
        "notes": list(simulation.notes),
        "other_denied": simulation.other_denied,
    }


def objects_of(case: Case) -> tuple[Json, ...]:
    """Every object that policies speak of. Raises `Missing`."""
    return case[Policies].objects
