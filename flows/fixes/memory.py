"""Gives a container that was killed for its memory more of it."""

from __future__ import annotations

from flows.fixes.change import patch_line
from flows.fixes.jsonpatch import Operation
from flows.model import Fix, JsonPatchFix, RaiseMemory
from flows.symptoms.memory import MOST, sensible_limit
from sensors.kit.quantities import bytes_of


def raise_memory(remedy: RaiseMemory) -> tuple[Fix, ...]:
    """The limit rises to the wanted one, or to a sensible one if that is more; a request that equalled it rises, too.

    Pods are replaced, so it is marked disruptive. Nothing where no limit is set: then the limit was not it; nothing
    where it is so high that more memory is no cure.
    """
    current, sensible = bytes_of(remedy.current_limit), sensible_limit(remedy.current_limit)
    if current is None or sensible is None:
        return ()
    wanted = min(MOST, max(remedy.wanted_limit, sensible, key=_size), key=_size)
    place = f"/spec/template/spec/containers/{remedy.index}"
    pairs = [(f"{place}/resources/limits/memory", remedy.current_limit)]
    if bytes_of(remedy.current_request) == current:
        pairs.append((f"{place}/resources/requests/memory", remedy.current_request))
    name = {"op": "test", "path": f"{place}/name", "value": remedy.container}
    forth = (name, *(each for path, old in pairs for each in _swap(path, old, wanted)))
    back = (name, *(each for path, old in reversed(pairs) for each in _swap(path, wanted, old)))
    return (
        JsonPatchFix(
            target=remedy.workload,
            title=f"Raise the memory limit of {remedy.container} from {remedy.current_limit} to {wanted}",
            patch=forth,
            inverse=back,
            kubectl=patch_line(remedy.workload, forth),
            undo=patch_line(remedy.workload, back),
            automatic=True,
            disruptive=True,
            notes=("the pods are replaced one after the other",),
        ),
    )


def _size(quantity: str) -> int:
    return bytes_of(quantity) or 0


def _swap(path: str, old: str | None, new: str | None) -> tuple[Operation, ...]:
    return {"op": "test", "path": path, "value": old}, {"op": "replace", "path": path, "value": new}
