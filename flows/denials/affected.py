"""Finds others that the policy cuts off: other pods' dropped connections, replayed through the same policies."""

from __future__ import annotations

from collections.abc import Iterable

from flows.denials.attribution import Denial, component_of, denial_of, is_refused
from flows.denials.judged import judged
from flows.denials.policy_world import world_of
from flows.model import AlsoAffected, Case, Component, Missing
from flows.policy import Endpoint
from sensors.hubble.outcomes import Connection
from sensors.hubble_capture_flows import HubbleFlows


def also_affected(case: Case, component: Component | None) -> AlsoAffected | None:
    """The other pods that this policy cuts off; None where their drops, or the policies, were not measured."""
    flows = case.get(HubbleFlows)
    if component is None or flows is None or flows.others is None:
        return None
    try:
        found = denials_among(case, flows.others)
    except Missing:
        return None
    mine = [each for each in found if component in blamed(each) and each.connection.traffic.source.is_pod]
    senders = [each.connection.traffic.source for each in mine]
    pods = sorted({f"{each.namespace}/{each.pod}" for each in senders if each.pod})
    workloads = sorted({workload_name(each) for each in senders})
    return AlsoAffected(tuple(pods), tuple(workloads), sum(each.connection.packets for each in mine))


def denials_among(case: Case, connections: Iterable[Connection]) -> tuple[Denial, ...]:
    """The connections of any pods that policies drop, each with its cause; what only KAI's probe tried is left out.

    Raises `Missing` without policies.
    """
    world = case.once(world_of)
    replayed = (judged(each, world, case, {}, {}) for each in connections if not (each.icmp or each.only_probed))
    return tuple(denial_of(case, each) for each in replayed if each.drop is not None and is_refused(case, each))


def blamed(denial: Denial) -> frozenset[Component]:
    """The policies that drop it, and what a person must change."""
    found = (denial.component, *map(component_of, denial.guilty))
    return frozenset(each for each in found if each is not None)


def workload_name(end: Endpoint) -> str:
    """`namespace/workload`; a pod without one stands for itself."""
    return f"{end.namespace}/{end.workload.partition(' ')[2] or end.pod}"
