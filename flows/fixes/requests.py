"""Admits a request that Cilium's proxy refuses, by one more HTTP rule. What a proxy says cannot be replayed here.

So these fixes carry no proof and no button: a person reads the rule and applies it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flows.denials.policy_world import world_of
from flows.fixes.change import fix_of, patched
from flows.fixes.jsonpatch import CannotPatch
from flows.model import AdmitTraffic, Case, Fix
from flows.policy import Decision, Judgement, PolicyRef
from sensors.kit.objects import get, items

NOTE = "L7: whether the proxy then admits the request cannot be replayed here"


def admit_requests(remedy: AdmitTraffic, case: Case) -> tuple[Fix, ...]:
    """One fix for the first place in each policy in the way where the request could stand. Raises `Missing`."""
    world = case.once(world_of)
    found: list[Fix] = []
    for judged in remedy.denied:
        for ref in remedy.guilty:
            policy = world.policy_object(ref)
            for place in _places(judged, ref, policy):
                found += _fix(policy, ref, place, judged.traffic.l7)
    return tuple(found[:1])


def _places(judged: Judgement, ref: PolicyRef, policy: Any) -> Iterator[str]:
    """JSON pointers of the HTTP lists in rules that hand this very connection to the proxy."""
    walks = (walk for verdict in (judged.egress, judged.ingress) for walk in verdict.walk if walk.ref == ref)
    for rule in (rule for walk in walks for rule in walk.rules if rule.decision is Decision.ADMITS):
        steps = [int(each) if each.isdigit() else each for each in rule.path.strip("/").split("/")]
        for number, entry in enumerate(items(policy, *steps, "toPorts")):
            if isinstance(get(entry, "rules", "http"), list):
                yield f"{rule.path}/toPorts/{number}/rules/http"


def _fix(policy: Any, ref: PolicyRef, place: str, request: str) -> list[Fix]:
    """Paths in Cilium's HTTP rules are regular expressions: this one means itself."""
    method, _, path = request.partition(" ")
    rule = {"method": method, "path": re.escape(path)}
    try:
        change = patched(policy, [{"op": "add", "path": f"{place}/-", "value": rule}])
    except CannotPatch:
        return []
    fix = fix_of(change, f"Admit {request} in the HTTP rules of {ref}")
    return [replace(fix, notes=(NOTE,))]
