"""A change of one object, as it will be shown, proved, applied and undone: patch or manifest, with the way back.

A new object is a manifest, and the way back is its deletion (`REMOVE_OBJECT`). Everything else is a JSON patch that
first tests what was read, so that it fails instead of overwriting what somebody changed in between.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from flows.fixes.jsonpatch import apply, inverse, value_at
from flows.model import REMOVE_OBJECT, Component, Fix, JsonPatchFix, ManifestFix, NoFix, Operation
from sensors.kit.objects import managed_by

Json: TypeAlias = Mapping[str, Any]

_MORE_THAN_WORDS = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?0([oO][0-7]+|[xX][0-9a-fA-F]+|[bB][01]+)|[yYnN]"
)
"""What Go's YAML (goyaml, resolve.go) takes for a number or a truth value, PyYAML for a word: `12e5`, `0_8`, `y`."""


@dataclass(frozen=True, slots=True)
class FixChange:
    """One object before (None: there is none) and after. `patch` leads from one to the other, tests first."""

    target: Component
    before: Json | None
    after: Json
    patch: tuple[Operation, ...] = ()

    @property
    def owner(self) -> str | None:
        """Tool that would undo the change; none would undo a new object of ours."""
        return owner_of(self.before) if self.before is not None else None


def owner_of(thing: Json) -> str | None:
    """Tool that keeps an object in sync from outside: Argo CD, Flux, Helm, …, with the name it has there."""
    found = managed_by(thing)
    return f"{found.tool} {found.name}".strip() if found is not None else None


def patched(before: Json, operations: Sequence[Operation]) -> FixChange:
    """A change by JSON patch. Raises `CannotPatch` when it does not fit what was read."""
    operations = (*guard(before, operations), *operations)
    return FixChange(component_of_object(before), before, apply(before, operations), tuple(operations))


def created(manifest: Json) -> FixChange:
    return FixChange(component_of_object(manifest), None, manifest)


def component_of_object(thing: Json) -> Component:
    meta = thing.get("metadata")
    named = meta if isinstance(meta, Mapping) else {}
    return Component(str(thing.get("kind", "")), str(named.get("namespace") or ""), str(named.get("name", "")))


def guard(before: Json, operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """A test that the object is the one that was read, unless the patch brings its own.

    `metadata.generation` counts changes of the spec only (Kubernetes API conventions); what has none is known by its
    resourceVersion.
    """
    if any(each["op"] == "test" for each in operations):
        return ()
    for path in ("/metadata/generation", "/metadata/resourceVersion"):
        if (value := value_at(before, path)) is not None:
            return ({"op": "test", "path": path, "value": value},)
    return ()


def fix_of(change: FixChange, title: str) -> JsonPatchFix | ManifestFix:
    """The change as a fix without proof."""
    if change.before is None:
        return ManifestFix(
            target=change.target,
            title=title,
            manifest=change.after,
            kubectl=apply_line(change.after),
            undo=delete_line(change.target),
        )
    back = inverse(change.before, change.patch)
    return JsonPatchFix(
        target=change.target,
        title=title,
        patch=change.patch,
        inverse=back,
        kubectl=patch_line(change.target, change.patch),
        undo=patch_line(change.target, back),
        owner=change.owner,
        uid=said_of(change.before, "uid"),
        resource_version=said_of(change.before, "resourceVersion"),
    )


def said_of(thing: Json, name: str) -> str:
    """One word of an object's metadata; empty where it has none."""
    meta = thing.get("metadata")
    return str(meta.get(name) or "") if isinstance(meta, Mapping) else ""


def applied(objects: Iterable[Json], fix: Fix) -> tuple[Json, ...]:
    """The objects after a fix and all that belongs to it. Raises `CannotPatch`."""
    return _run(objects, [(each, each.patch) for each in (fix, *fix.also)])


def undone(objects: Iterable[Json], fix: Fix) -> tuple[Json, ...]:
    """The objects after the fix was taken back, last part first. Raises `CannotPatch`."""
    return _run(objects, [(each, each.inverse) for each in reversed((fix, *fix.also))])


def _run(objects: Iterable[Json], steps: Iterable[tuple[Fix, Sequence[Operation]]]) -> tuple[Json, ...]:
    result = list(objects)
    for fix, operations in steps:
        result = _step(result, fix, operations)
    return tuple(result)


def _step(objects: list[Json], fix: Fix, operations: Sequence[Operation]) -> list[Json]:
    match fix:
        case NoFix():
            return objects
        case ManifestFix() if tuple(operations) == REMOVE_OBJECT:
            return [each for each in objects if component_of_object(each) != fix.target]
        case ManifestFix():
            return [*objects, fix.manifest]
        case JsonPatchFix():
            return [apply(each, operations) if component_of_object(each) == fix.target else each for each in objects]


# -- lines to copy ---------------------------------------------------------------------------------------------------


def patch_line(target: Component, operations: Sequence[Operation]) -> str:
    """`kubectl patch …` in one line. Every word is quoted: names and values come from the cluster."""
    body = json.dumps([dict(each) for each in operations], separators=(",", ":"), ensure_ascii=False)
    return f"{kubectl_for(target)} patch {kind_and_name(target)} --type=json -p={shlex.quote(body)}"


def apply_line(manifest: Json) -> str:
    """`kubectl apply` with the manifest behind it."""
    return f"kubectl apply -f - <<'EOF'\n{manifest_text(manifest)}EOF"


def manifest_text(manifest: Json, width: int = 110) -> str:
    """YAML that `kubectl` and the API server read as it was meant."""
    text = yaml.dump(_plain(manifest), Dumper=_ManifestDumper, sort_keys=False, width=width, allow_unicode=True)
    return str(text)


def delete_line(target: Component) -> str:
    return f"{kubectl_for(target)} delete {kind_and_name(target)}"


def kubectl_for(target: Component) -> str:
    """`kubectl -n NAMESPACE`, quoted for a shell; without -n for what has no namespace."""
    return f"kubectl -n {shlex.quote(target.namespace)}" if target.namespace else "kubectl"


def kind_and_name(target: Component) -> str:
    """The object as kubectl takes it, quoted for a shell: `networkpolicy strict-egress`."""
    return f"{shlex.quote(target.kind.lower())} {shlex.quote(target.name)}"


def _plain(value: Any) -> Any:
    """Plain dicts and lists: YAML has no words for other mappings."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


class _ManifestDumper(yaml.SafeDumper):
    """YAML for readers written in Go."""


def _quoted(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if _MORE_THAN_WORDS.fullmatch(value.replace("_", "")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_ManifestDumper.add_representer(str, _quoted)
