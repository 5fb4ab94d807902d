"""A change of a policy, and the way back from it, as a person would type it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flows.fixes.change import apply_line, component_of_object, delete_line, fix_of, patched
from flows.model import Component, JsonPatchFix, Operation
from sensors.access.kube.watching import ObjectChange
from sensors.kit.cluster import Object
from sensors.kit.kinds import CILIUM_CLUSTERWIDE_NETWORK_POLICY, CILIUM_NETWORK_POLICY, NETWORK_POLICY, Kind
from sensors.kit.objects import items, text

WATCHED_KINDS: tuple[Kind, ...] = (NETWORK_POLICY, CILIUM_NETWORK_POLICY, CILIUM_CLUSTERWIDE_NETWORK_POLICY)
"""The policies that are watched."""

RULES = ("spec", "specs")
"""Where a policy's rules stand; Cilium knows both. Everything else changes nothing about who may talk."""

_KEPT = ("name", "namespace", "labels", "annotations")
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """`by`: the program that wrote it last (a field manager), empty where the object does not say.

    `also`: other changes of the same minutes, where only all of them together explain what is dropped.
    """

    policy: Component
    what: str
    at: datetime
    by: str
    before: Object | None
    after: Object | None
    also: tuple[PolicyChange, ...] = ()

    @property
    def all(self) -> tuple[PolicyChange, ...]:
        return (self, *self.also)

    @property
    def back(self) -> tuple[tuple[Object, ...], tuple[Object, ...]]:
        """Objects that taking it back would change, and those it would remove."""
        restored = tuple(each.before for each in self.all if each.before is not None)
        return restored, tuple(each.after for each in self.all if each.before is None and each.after is not None)

    def kubectl(self) -> str:
        """The lines that take it back, the newest change first."""
        return "\n".join(each._line() for each in sorted(self.all, key=lambda each: each.at, reverse=True))

    def _line(self) -> str:
        if self.before is None:
            return delete_line(self.policy)
        if self.after is None:
            return apply_line(_bare(self.before))
        fix = fix_of(patched(self.after, _restored(self.before, self.after)), "")
        return fix.kubectl if isinstance(fix, JsonPatchFix) else ""


def policy_change(change: ObjectChange, at: datetime) -> PolicyChange | None:
    """None for what changes no rule: labels, annotations, status."""
    before, after = change.before, change.after
    thing = after if after is not None else before
    if thing is None or _same_rules(before, after):
        return None
    by = "" if after is None else _by(after)
    return PolicyChange(component_of_object(thing), _verb(before, after), at, by, before, after)


def written_at(thing: Object | None) -> datetime | None:
    """Time at which its rules or labels were last written; None where that is not known, as of what is gone."""
    written = _writes(thing) if thing is not None else []
    try:
        return datetime.fromisoformat(text(written[-1], "time")) if written else None
    except ValueError:
        return None


def folded(changes: Iterable[PolicyChange]) -> tuple[PolicyChange, ...]:
    """One change for each policy, from how it was first to how it is now; a policy that is as it was is left out.

    Only such a change can be taken back in one step: the line of a step that another has followed fits no longer.
    """
    whole = dict[Component, PolicyChange]()
    for each in sorted(changes, key=lambda each: each.at):
        first = whole.get(each.policy)
        if first is not None:
            what = _verb(first.before, each.after)
            each = replace(first, what=what, by=each.by, after=each.after)
        whole[each.policy] = each
    return tuple(each for each in whole.values() if not _same_rules(each.before, each.after))


def _verb(before: Object | None, after: Object | None) -> str:
    return "created" if before is None else "deleted" if after is None else "changed"


def _same_rules(before: Object | None, after: Object | None) -> bool:
    if before is None or after is None:
        return before is after
    return _rules(before) == _rules(after)


def _rules(thing: Object) -> dict[str, Any]:
    return {name: thing[name] for name in RULES if name in thing}


def _by(thing: Object) -> str:
    """Whoever wrote last, by the times that managedFields keep."""
    written = _writes(thing)
    return text(written[-1], "manager") if written else ""


def _writes(thing: Object) -> list[Object]:
    """Oldest first, without those of the status: Cilium's agents and operator write that one, not the rules."""
    fields = [each for each in items(thing, "metadata", "managedFields") if not text(each, "subresource")]
    return sorted(fields, key=lambda each: text(each, "time"))


def _restored(before: Object, after: Object) -> list[Operation]:
    """The operations that bring the rules back."""
    old, now = _rules(before), _rules(after)
    gone: list[Operation] = [{"op": "remove", "path": f"/{name}"} for name in now if name not in old]
    changed = [name for name in old if old[name] != now.get(name)]
    verbs = {name: "replace" if name in now else "add" for name in changed}
    return [*gone, *({"op": verb, "path": f"/{name}", "value": old[name]} for name, verb in verbs.items())]


def _bare(thing: Object) -> Mapping[str, Any]:
    """An object as one would write it: without what the API server adds."""
    meta = {name: thing["metadata"][name] for name in _KEPT if thing["metadata"].get(name)}
    if notes := {name: value for name, value in meta.pop("annotations", {}).items() if name != _APPLIED}:
        meta["annotations"] = notes
    return {"apiVersion": thing["apiVersion"], "kind": thing["kind"], "metadata": meta, **_rules(thing)}
