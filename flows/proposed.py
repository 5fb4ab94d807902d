"""A person's own change as the objects that would be after it: manifests, a JSON patch, a merge patch, a deletion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from flows.fixes.change import Json, component_of_object
from flows.fixes.jsonpatch import CannotPatch, apply, merge
from flows.policy.parse import dialect_of
from sensors.kit.nearest import did_you_mean

REFERENCED_KINDS = frozenset(
    {"Namespace", "Pod", "Service", "Node", "EndpointSlice", "Endpoints", "CiliumNode", "CiliumCIDRGroup"}
)
"""What policies refer to, besides the policies themselves."""

SHORT_NAMES = {
    "netpol": "NetworkPolicy",
    "networkpolicies": "NetworkPolicy",
    "cnp": "CiliumNetworkPolicy",
    "ccnp": "CiliumClusterwideNetworkPolicy",
    "ns": "Namespace",
    "namespaces": "Namespace",
    "svc": "Service",
    "services": "Service",
    "po": "Pod",
    "pods": "Pod",
}
"""kubectl's short names."""


class BadChange(ValueError):
    """The change cannot be understood or does not fit. The message is one line that says what to do instead."""


@dataclass(frozen=True, slots=True)
class ChangeHints:
    """Hints besides the change itself: `-n`, `--target kind/name`, `--type`."""

    namespace: str | None = None
    target: str | None = None
    type: str | None = None


def read_change(text: str, meant: ChangeHints, objects: Sequence[Json]) -> tuple[Json, ...]:
    """The objects after the change, from manifests, a JSON patch or a merge patch. Raises `BadChange`."""
    documents = _documents(text)
    if not documents:
        raise BadChange("the change is empty: give a manifest, or a patch with --target KIND/NAME")
    kind = meant.type or _type_of(documents)
    if kind == "manifest":
        return tuple(each for document in documents for each in _manifests(document, meant))
    if len(documents) > 1:
        raise BadChange("a patch is one document; several documents are manifests, each with its kind")
    before = _target(meant, objects)
    if kind == "merge":
        if not isinstance(documents[0], Mapping):
            raise BadChange('a merge patch is a mapping, such as {"spec": {…}}')
        return (_same_object(merge(before, documents[0]), before),)
    return (_patched(before, documents[0]),)


def read_deletion(meant: ChangeHints, objects: Sequence[Json]) -> Json:
    """The object that is to go, as it is. Raises `BadChange`."""
    found = _target(meant, objects)
    if dialect_of(found) is None:
        raise BadChange(f"only policies can be simulated as deleted, and {component_of_object(found)} is none")
    return found


def _documents(text: str) -> list[Any]:
    try:
        return [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.MarkedYAMLError as why:
        line = f", line {why.problem_mark.line + 1}" if why.problem_mark else ""
        raise BadChange(f"neither YAML nor JSON{line}: {why.problem or why.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as why:
        raise BadChange(f"neither YAML nor JSON: {str(why).splitlines()[0] if str(why) else 'too deep'}") from None


def _type_of(documents: Sequence[Any]) -> str:
    if all(isinstance(each, list) for each in documents):
        return "json"
    has_kind = all(isinstance(each, Mapping) and "kind" in each for each in documents)
    return "manifest" if has_kind else "merge"


def _manifests(document: Any, meant: ChangeHints) -> Iterator[Json]:
    if not isinstance(document, Mapping):
        raise BadChange(f"expected an object with kind and metadata, found a {type(document).__name__}")
    kind, items = document.get("kind"), document.get("items")
    if isinstance(items, list) and str(kind).endswith("List"):
        for each in items:
            yield from _manifests(each, meant)
        return
    meta = document.get("metadata")
    if not isinstance(meta, Mapping) or not isinstance(meta.get("name"), str) or not meta["name"]:
        raise BadChange(f"{kind or 'the object'} has no metadata.name")
    if dialect_of(document) is None and kind not in REFERENCED_KINDS:
        raise BadChange(f"{kind} {meta['name']} ({document.get('apiVersion')}) is nothing that decides about traffic")
    yield _placed(document, meta, meant)


def _placed(document: Json, meta: Json, meant: ChangeHints) -> Json:
    """With the namespace that kubectl would send: that of -n where the manifest names none."""
    kind = str(document.get("kind"))
    wide = kind in ("Namespace", "Node", "CiliumNode", "CiliumCIDRGroup") or "Cluster" in kind or "Global" in kind
    if wide or kind in ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy"):
        return document
    said = meta.get("namespace")
    if said and meant.namespace and said != meant.namespace:
        raise BadChange(f"two namespaces: {said} in the manifest and {meant.namespace} after -n; leave one out")
    return {**document, "metadata": {**meta, "namespace": said or meant.namespace or "default"}}


def _target(meant: ChangeHints, objects: Sequence[Json]) -> Json:
    """The object that a patch is for."""
    if not meant.target:
        raise BadChange("a patch needs its object: --target KIND/NAME, such as --target networkpolicy/strict-egress")
    word, _, name = meant.target.partition("/")
    if not name:
        raise BadChange(f"--target wants KIND/NAME, such as networkpolicy/strict-egress, not {meant.target!r}")
    kind = SHORT_NAMES.get(word.lower(), word).lower().partition(".")[0]
    same = [each for each in objects if str(each.get("kind", "")).lower() in (kind, kind.removesuffix("s"))]
    fitting = [each for each in same if component_of_object(each).name == name]
    here = [each for each in fitting if component_of_object(each).namespace in ("", meant.namespace)]
    found = here if meant.namespace is not None else fitting
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        spaces = ", ".join(sorted(component_of_object(each).namespace for each in found))
        raise BadChange(f"there is a {word} {name} in several namespaces ({spaces}): say which with -n")
    where = f" in namespace {meant.namespace}" if meant.namespace else ""
    if fitting:
        spaces = ", ".join(sorted(component_of_object(each).namespace for each in fitting))
        raise BadChange(f"there is no {word}/{name}{where}; there is one in {spaces}")
    known = {f"{word}/{component_of_object(each).name}" for each in same}
    raise BadChange(f"there is no {word}/{name}{where}{did_you_mean(f'{word}/{name}', known)}")


def _patched(before: Json, operations: Any) -> Json:
    if not isinstance(operations, list) or not all(isinstance(each, Mapping) for each in operations):
        raise BadChange('a JSON patch is a list of operations, such as [{"op": "add", "path": …, "value": …}]')
    try:
        return _same_object(apply(before, operations), before)
    except CannotPatch as why:
        raise BadChange(f"the patch does not fit {component_of_object(before)}: {why}") from None


def _same_object(after: Any, before: Json) -> Json:
    if not isinstance(after, Mapping) or component_of_object(after) != component_of_object(before):
        raise BadChange(f"the patch would rename {component_of_object(before)}, which the API server refuses")
    return after
