"""Effect of taking a deny rule away: replayed and told, never with a button. It is another person's intent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flows.denials.connection import JudgedConnection
from flows.denials.policy_world import world_of
from flows.fixes.change import Json, apply_line, component_of_object, delete_line, fix_of, owner_of, patched
from flows.fixes.closing import in_words
from flows.fixes.jsonpatch import CannotPatch, Operation, value_at
from flows.fixes.proof import try_out
from flows.model import Case, Fix, LiftDeny, NoFix
from flows.policy import Decision, PolicyRef
from sensors.kit.objects import mapping

SECTIONS = ("ingress", "egress", "ingressDeny", "egressDeny")
SERVER_S = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink")
"""Metadata that the API server writes, and takes from nobody who makes an object again."""

NOTE = "this rule was written to deny exactly this: ask its owner first"


def lift_deny(remedy: LiftDeny, replays: Sequence[JudgedConnection], case: Case, most: int) -> tuple[Fix, ...]:
    """The deny rules of one policy gone, or the policy where it has no other rule. Raises `Missing`."""
    world = case.once(world_of)
    for ref in remedy.deniers:
        policy, paths = world.policy_object(ref), sorted(set(_matched(remedy, ref)), reverse=True)
        if policy is not None and paths:
            fix, changed, removed = _without(policy, paths, ref)
            trial = try_out(case, changed, removed, only=replays)
            against = trial.refused(most)
            return (
                replace(
                    fix,
                    proof=trial.proof,
                    newly_allowed=tuple(str(each) for each in trial.diff.opened),
                    newly_denied=in_words(case, trial.diff.closed),
                    refused=f"without {_rules(paths)} of {ref}, {against}" if against else None,
                    notes=(NOTE,),
                ),
            )
    return ()


def _matched(remedy: LiftDeny, ref: PolicyRef) -> Iterator[str]:
    """JSON pointers of the rules of a policy that deny one of the connections."""
    for judged in remedy.denied:
        walks = (walk for walk in (*judged.egress.walk, *judged.ingress.walk) if walk.ref == ref)
        yield from (rule.path for walk in walks for rule in walk.rules if rule.decision is Decision.DENIES)


def _without(policy: Json, paths: Sequence[str], ref: PolicyRef) -> tuple[Fix, tuple[Json, ...], tuple[Json, ...]]:
    """The change with the objects that it changes and removes."""
    if _rules_left(policy, paths):
        operations = [each for path in paths for each in _removal(policy, path)]
        try:
            change = patched(policy, operations)
            return fix_of(change, f"Remove {_rules(paths)} of {ref}"), (change.after,), ()
        except CannotPatch:
            pass
    return _deletion(policy, ref), (), (policy,)


def _rules_left(policy: Json, paths: Sequence[str]) -> bool:
    """Checks whether the spec keeps a rule. Cilium refuses one without any, and then goes on with the old one."""
    spec = paths[0].rpartition("/")[0].rpartition("/")[0]
    kept = mapping(value_at(policy, spec))
    return sum(len(kept.get(each) or ()) for each in SECTIONS) > len(paths)


def _removal(policy: Json, path: str) -> tuple[Operation, Operation]:
    return {"op": "test", "path": path, "value": value_at(policy, path)}, {"op": "remove", "path": path}


def _deletion(policy: Json, ref: PolicyRef) -> NoFix:
    """A deletion is for a person to type: KAI itself deletes only what it made."""
    target = component_of_object(policy)
    return NoFix(
        title=f"Delete {ref}, which has no other rule",
        kubectl=delete_line(target),
        undo=apply_line(_as_made(policy)),
        owner=owner_of(policy),
    )


def _as_made(policy: Json) -> dict[str, Any]:
    """The object as somebody would write it to make it again."""
    meta: Mapping[str, Any] = mapping(policy, "metadata")
    kept = {key: value for key, value in policy.items() if key != "status"}
    return {**kept, "metadata": {key: value for key, value in meta.items() if key not in SERVER_S}}


def _rules(paths: Sequence[str]) -> str:
    return ", ".join(sorted(paths))
