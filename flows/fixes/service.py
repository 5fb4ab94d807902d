"""Mends a Service: the port its pods really listen on, or the labels they really have."""

from __future__ import annotations

from flows.fixes.change import patch_line
from flows.fixes.jsonpatch import Operation
from flows.model import Component, JsonPatchFix, SetSelector, SetTargetPort


def set_target_port(remedy: SetTargetPort) -> JsonPatchFix:
    """The Service's port points at another port of its pods. It tests the old value first, and so does the way back."""
    path = f"/spec/ports/{remedy.index}/targetPort"
    words = f"Point {remedy.service} at port {remedy.wanted} of its pods"
    if remedy.current is None:
        forth: tuple[Operation, ...] = ({"op": "add", "path": path, "value": remedy.wanted},)
        back: tuple[Operation, ...] = (
            {"op": "test", "path": path, "value": remedy.wanted},
            {"op": "remove", "path": path},
        )
        return _fix(remedy.service, words, forth, back)
    return _fix(remedy.service, words, *_swap(path, remedy.current, remedy.wanted))


def set_selector(remedy: SetSelector) -> JsonPatchFix:
    """The Service selects the pods that are meant."""
    labels = ",".join(f"{key}={value}" for key, value in sorted(remedy.wanted.items()))
    forth, back = _swap("/spec/selector", dict(remedy.current), dict(remedy.wanted))
    return _fix(remedy.service, f"Let {remedy.service} select {labels}", forth, back)


def _swap(path: str, old: object, new: object) -> tuple[tuple[Operation, ...], tuple[Operation, ...]]:
    def change(one: object, other: object) -> tuple[Operation, ...]:
        return {"op": "test", "path": path, "value": one}, {"op": "replace", "path": path, "value": other}

    return change(old, new), change(new, old)


def _fix(target: Component, title: str, forth: tuple[Operation, ...], back: tuple[Operation, ...]) -> JsonPatchFix:
    return JsonPatchFix(
        target=target,
        title=title,
        patch=forth,
        inverse=back,
        kubectl=patch_line(target, forth),
        undo=patch_line(target, back),
        automatic=True,
    )
