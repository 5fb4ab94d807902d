"""Gives a container that was killed for its memory more of it."""

from __future__ import annotations

from flows.fixes.change import patch_line
from flows.fixes.jsonpatch import Operation
from flows.model import Fix, JsonPatchFix, RaiseMemory
from flows.symptoms.memory import MAX_MEMORY, sensible_limit
from sensors.kit.quantities import bytes_of

REPLACED = {
    "RollingUpdate": "the pods are replaced one after the other",
    "Recreate": "all pods are stopped before new ones start: none of them answers meanwhile",
    "OnDelete": "the pods keep the old limit until someone deletes them, one after the other",
}
"""What a changed template does to the running pods, by the workload's strategy (apps/v1)."""

UNKNOWN_ORDER = "the pods are replaced; in which order was not read"


def raise_memory(remedy: RaiseMemory) -> tuple[Fix, ...]:
    """The limit rises to the wanted one, or to a sensible one if that is more; a request that equalled it rises, too.

    Pods are replaced, so it is marked disruptive. Nothing where no limit is set: then the limit was not it; nothing
    where it is so high that more memory is no cure.
    """
    current, sensible = bytes_of(remedy.current_limit), sensible_limit(remedy.current_limit)
    if current is None or sensible is None:
        return ()
    wanted = min(MAX_MEMORY, max(remedy.wanted_limit, sensible, key=_size), key=_size)
    place = f"/spec/template/spec/containers/{remedy.index}"
    pairs = [(f"{place}/resources/limits/memory", remedy.current_limit)]
    raises_request = bytes_of(remedy.current_request) == current
    if raises_request:
        pairs.append((f"{place}/resources/requests/memory", remedy.current_request))
    what = "limit and request" if raises_request else "limit"
    name = {"op": "test", "path": f"{place}/name", "value": remedy.container}
    forth = (name, *(each for path, old in pairs for each in _swap(path, old, wanted)))
    back = (name, *(each for path, old in reversed(pairs) for each in _swap(path, wanted, old)))
    return (
        JsonPatchFix(
            target=remedy.workload,
            title=f"Raise the memory {what} of {remedy.container} from {remedy.current_limit} to {wanted}",
            patch=forth,
            inverse=back,
            kubectl=patch_line(remedy.workload, forth),
            undo=patch_line(remedy.workload, back),
            automatic=True,
            disruptive=True,
            notes=(REPLACED.get(remedy.strategy, UNKNOWN_ORDER),),
        ),
    )


def _size(quantity: str) -> int:
    return bytes_of(quantity) or 0


def _swap(path: str, old: str | None, new: str | None) -> tuple[Operation, ...]:
    return {"op": "test", "path": path, "value": old}, {"op": "replace", "path": path, "value": new}
