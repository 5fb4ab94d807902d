"""Tells drops that are history: a policy that is gone, or a pod that is gone, explains nothing that fails now."""

from __future__ import annotations

from flows.denials.connection import JudgedConnection, is_from_target, policy_drops
from flows.denials.probes import is_direct
from flows.model import Case
from flows.policy import Endpoint, PolicyWorld
from sensors.net_connect import Connects


def is_over(case: Case, world: PolicyWorld, one: JudgedConnection) -> bool:
    """Refused once, and not by any policy as read; now the same connection opens, or one of its two pods is gone.

    Against a policy that still refuses it neither counts: the next pod of that workload meets it again.
    """
    if one.drop is None or one.judgement.allowed is False:
        return False
    return opens_now(case, one) or any(_is_gone(world, end) for end in (one.traffic.source, one.traffic.destination))


def was_refused(one: JudgedConnection) -> bool:
    """Nothing but policies dropped it, and the policies as read do not."""
    drops = one.seen.drops if one.seen is not None else ()
    return bool(drops) and drops == policy_drops(one.seen) and one.judgement.allowed is not False


def opens_now(case: Case, one: JudgedConnection) -> bool:
    """The probe, which is the same pod to every policy, opened this address and port."""
    connects = case.get(Connects)
    if connects is None or one.traffic.protocol != "TCP" or not is_from_target(case, one.traffic):
        return False
    attempts = [each for each in connects.doors if is_direct(each, one.traffic)]
    return bool(attempts) and all(each.is_open for each in attempts)


def _is_gone(world: PolicyWorld, end: Endpoint) -> bool:
    """Seen as a pod of this cluster, and none of that name is there now. Without pods read, nobody can tell."""
    pods, here = world.inventory.pods, end.cluster in ("", world.profile.cluster_name)
    return here and bool(pods) and bool(end.pod) and (end.namespace, end.pod) not in pods
