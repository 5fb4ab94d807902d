"""Recorded policy incidents with one thing changed, for the twin that no recording shows. What changes is synthetic."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flows.model import Case
from sensors.hubble.outcomes import Connection, Party
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from tests.kit.cases import with_facts

Json = dict[str, Any]


def with_policy(case: Case, name: str, change: Callable[[Json], None]) -> Case:
    """The policy of that name, edited in place by `change`."""
    return with_objects(case, lambda thing: change(thing) if thing["metadata"]["name"] == name else None)


def with_objects(case: Case, change: Callable[[Json], None], *added: Json) -> Case:
    """Every raw object, edited in place by `change`; and some more."""
    objects = copy.deepcopy([dict(each) for each in case[Policies].objects])
    for each in objects:
        change(each)
    return with_facts(case, replace(case[Policies], objects=(*objects, *added)))


def without_policies(case: Case) -> Case:
    """The same cluster without any policy: then the simulator admits everything."""
    kept = tuple(each for each in case[Policies].objects if "Policy" not in each["kind"])
    return with_facts(case, replace(case[Policies], objects=kept))


def with_traffic(case: Case, change: Callable[[Connection], Connection]) -> Case:
    """Every connection that was dropped, changed."""
    flows = case[HubbleFlows]
    changed = tuple(change(each) if each.drops else each for each in flows.connections)
    return with_facts(case, replace(flows, connections=changed))


def of_reason(number: int, name: str) -> Callable[[Connection], Connection]:
    """The same drops for another reason."""
    return lambda each: replace(each, drops=tuple(replace(one, number=number, reason=name) for one in each.drops))


def towards(party: Party) -> Callable[[Connection], Connection]:
    return lambda each: replace(each, destination=party)


def passed_since(each: Connection) -> Connection:
    """Dropped in the first seconds only, and let through afterwards."""
    assert each.last_drop is not None
    return replace(each, only_at_start=True, opened=max(each.opened, 1), passes_again=True, last=each.last)
