"""Gives a container that was killed for its memory more of it."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from flows.fixes.change import patch_line
from flows.fixes.jsonpatch import Operation
from flows.model import Fix, JsonPatchFix, RaiseMemory

LEAST = "170Mi"
"""CoreDNS' own limit in the manifest Kubernetes ships (`cluster/addons/dns/coredns/coredns.yaml.base`)."""

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(k|M|G|T|Ki|Mi|Gi|Ti)?")


def bytes_of(quantity: str | None) -> int | None:
    """A memory quantity in bytes; None where it is none. Source: Kubernetes `resource.Quantity`."""
    found = QUANTITY.fullmatch(quantity.strip()) if quantity else None
    if found is None:
        return None
    try:
        return int(Decimal(found[1]) * UNITS[found[2] or ""])
    except (InvalidOperation, OverflowError):
        return None


def sensible_limit(current: str | None) -> str:
    """The larger of what CoreDNS ships with and twice what was not enough."""
    now = bytes_of(current) or 0
    return LEAST if 2 * now <= (bytes_of(LEAST) or 0) else _written(2 * now)


def raise_memory(remedy: RaiseMemory) -> tuple[Fix, ...]:
    """The limit rises to the wanted one, or to a sensible one if that is more; a request that equalled it rises, too.

    Pods are replaced, so it is marked disruptive. Nothing where no limit is set: then the limit was not it.
    """
    current = bytes_of(remedy.current_limit)
    if current is None:
        return ()
    wanted = max(remedy.wanted_limit, sensible_limit(remedy.current_limit), key=lambda each: bytes_of(each) or 0)
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


def _swap(path: str, old: str | None, new: str | None) -> tuple[Operation, ...]:
    return {"op": "test", "path": path, "value": old}, {"op": "replace", "path": path, "value": new}


def _written(size: int) -> str:
    return f"{size // 2**20}Mi" if size % 2**20 == 0 else str(size)
