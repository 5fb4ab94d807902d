"""Reads Kubernetes objects without trusting them: what is missing or of the wrong type reads as nothing, never a crash.

Everything here is pure. Shapes: the Kubernetes API reference (ObjectMeta, LabelSelector, conditions).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sensors.kit.cluster import Object
from sensors.kit.secrets import redact

NO_KEYS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Names one object; `namespace` is empty for cluster-wide ones."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of `status.conditions`; `status` is True, False or Unknown as text; `since` the last transition."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Tool that writes an object from outside the cluster (Argo CD, Flux, Helm, …): it will undo what we change."""

    tool: str
    name: str = ""


# -- walking ---------------------------------------------------------------------------------------------------------


MAPPINGS = (dict, Mapping)
"""In this order: to ask first whether a dict is a `Mapping` makes every walk over many pods half as slow again."""


def get(thing: Any, *path: str | int) -> Any:
    """The value at a path of keys and list positions, or None as soon as anything on the way is missing."""
    for step in path:
        if isinstance(step, str):
            thing = thing.get(step) if isinstance(thing, MAPPINGS) else None
        else:
            thing = thing[step] if isinstance(thing, list | tuple) and -len(thing) <= step < len(thing) else None
    return thing


def text(thing: Any, *path: str | int) -> str:
    """A string at a path; numbers and booleans as YAML writes them; anything else is empty."""
    return _scalar(get(thing, *path)) or ""


def texts(thing: Any, *path: str | int) -> tuple[str, ...]:
    """The non-empty strings of a list at a path."""
    found = get(thing, *path)
    return tuple(each for each in map(_scalar, found) if each) if isinstance(found, list | tuple) else ()


def number(thing: Any, *path: str | int) -> int | None:
    """A whole number at a path, also when written as digits; booleans are not numbers."""
    found = get(thing, *path)
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 18:
        return int(found)
    return None


def flag(thing: Any, *path: str | int) -> bool | None:
    """A boolean at a path, or None where nobody said."""
    found = get(thing, *path)
    return found if isinstance(found, bool) else None


def items(thing: Any, *path: str | int) -> tuple[Mapping[str, Any], ...]:
    """The mappings in a list at a path; other members are not ours to understand."""
    found = get(thing, *path)
    return tuple(each for each in found if isinstance(each, MAPPINGS)) if isinstance(found, list | tuple) else ()


def mapping(thing: Any, *path: str | int) -> Mapping[str, Any]:
    """The mapping at a path, or an empty one."""
    found = get(thing, *path)
    return found if isinstance(found, MAPPINGS) else NO_KEYS


def string_map(thing: Any, *path: str | int) -> dict[str, str]:
    """A map of strings (labels, annotations, ConfigMap data) at a path, without what is not text."""
    pairs = ((key, _scalar(value)) for key, value in mapping(thing, *path).items() if isinstance(key, str))
    return {key: value for key, value in pairs if value is not None}


def _scalar(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


# -- metadata --------------------------------------------------------------------------------------------------------


def kind_of(thing: Object) -> str:
    return text(thing, "kind")


def name_of(thing: Object) -> str:
    return text(thing, "metadata", "name")


def namespace_of(thing: Object) -> str:
    return text(thing, "metadata", "namespace")


def labels_of(thing: Object) -> dict[str, str]:
    return string_map(thing, "metadata", "labels")


def label_of(thing: Object, name: str) -> str:
    """One label, without reading the others: for walks over all pods."""
    return text(thing, "metadata", "labels", name)


def annotations_of(thing: Object) -> dict[str, str]:
    return string_map(thing, "metadata", "annotations")


def ref_of(thing: Object) -> Ref:
    return Ref(kind_of(thing), namespace_of(thing), name_of(thing))


def created_at(thing: Object) -> datetime | None:
    return parse_time(get(thing, "metadata", "creationTimestamp"))


def named(things: Iterable[Object], name: str, namespace: str | None = None) -> Object | None:
    """The first object of that name (and namespace), or None."""
    for each in things:
        if _is_called(each, name) and (namespace is None or namespace_of(each) == namespace):
            return each
    return None


def _is_called(thing: Object, name: str) -> bool:
    """`name_of(thing) == name` in a third of the time: this is asked of every pod of a cluster, many times over."""
    metadata = thing.get("metadata") if isinstance(thing, MAPPINGS) else None
    found = metadata.get("name") if isinstance(metadata, MAPPINGS) else None
    return found == name if isinstance(found, str) else (_scalar(found) or "") == name


def parse_time(value: Any) -> datetime | None:
    """An RFC 3339 time in UTC; a time without a zone is UTC (YAML may have turned it into a datetime already)."""
    if isinstance(value, str) and value[:1].isdigit():
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


# -- conditions ------------------------------------------------------------------------------------------------------


def conditions_of(thing: Object) -> tuple[Condition, ...]:
    return tuple(_condition(each) for each in items(thing, "status", "conditions") if text(each, "type"))


def condition_of(thing: Object, type_: str) -> Condition | None:
    rows = items(thing, "status", "conditions")
    return next((_condition(each) for each in rows if get(each, "type") == type_), None)


def _condition(row: Mapping[str, Any]) -> Condition:
    when = parse_time(get(row, "lastTransitionTime"))
    return Condition(text(row, "type"), text(row, "status"), text(row, "reason"), text(row, "message"), when)


def pod_is_ready(pod: Object) -> bool | None:
    """The Ready condition as a boolean; None where the pod has none yet."""
    ready = condition_of(pod, "Ready")
    return None if ready is None else ready.status == "True"


def pod_is_over(pod: Object) -> bool:
    """Ran to its end (Succeeded, Failed): it has given its address back."""
    return text(pod, "status", "phase") in ("Succeeded", "Failed")


# -- selectors -------------------------------------------------------------------------------------------------------


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """A map selector (Service). An empty one selects nothing: such a Service has hand-made endpoints."""
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def label_selector_matches(selector: Any, labels: Mapping[str, str]) -> bool | None:
    """A LabelSelector; empty matches everything, None where it cannot be told (unknown operator, wrong type)."""
    if not isinstance(selector, Mapping):
        return None
    wanted = string_map(selector, "matchLabels")
    verdicts = [_expression_matches(each, labels) for each in items(selector, "matchExpressions")]
    if any(labels.get(key) != value for key, value in wanted.items()) or False in verdicts:
        return False
    understood = len(wanted) == len(mapping(selector, "matchLabels")) and None not in verdicts
    return True if understood else None


def _expression_matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool | None:
    key, values = text(expression, "key"), texts(expression, "values")
    match text(expression, "operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":  # a pod without the key matches, too
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return None


# -- ownership -------------------------------------------------------------------------------------------------------


def controller_of(thing: Object) -> Ref | None:
    """The owner that controls an object, in the object's own namespace."""
    owners = items(thing, "metadata", "ownerReferences")
    for each in sorted(owners, key=lambda owner: flag(owner, "controller") is not True):
        if text(each, "kind") and text(each, "name"):
            return Ref(text(each, "kind"), namespace_of(thing), text(each, "name"))
    return None


def workload_of(pod: Object, replica_sets: Iterable[Object] = ()) -> Ref | None:
    """Object to edit for a change of this pod: the Deployment behind its ReplicaSet, a StatefulSet, a Job, …

    Without the ReplicaSets the Deployment's name is read from the hash which only its controller writes into
    ReplicaSet names and `pod-template-hash` labels.
    """
    owner = controller_of(pod)
    if owner is None or owner.kind != "ReplicaSet":
        return owner
    replica_set = named(replica_sets, owner.name, owner.namespace)
    if replica_set is not None:
        return controller_of(replica_set) or owner
    stem, dash, end = owner.name.rpartition("-")
    hashed = dash and stem and end == labels_of(pod).get("pod-template-hash")
    return Ref("Deployment", owner.namespace, stem) if hashed else owner


def managed_by(thing: Object) -> Owner | None:
    """Tool that keeps this object in sync from outside: Argo CD, Flux, Helm, the add-on manager."""
    labels, notes = labels_of(thing), annotations_of(thing)
    if tracking := notes.get("argocd.argoproj.io/tracking-id"):
        return Owner("Argo CD", tracking.partition(":")[0])
    for toolkit in ("kustomize", "helm"):
        if name := labels.get(f"{toolkit}.toolkit.fluxcd.io/name"):
            return Owner("Flux", name)
    if release := notes.get("meta.helm.sh/release-name"):
        return Owner("Helm", release)
    if labels.get("app.kubernetes.io/managed-by") == "Helm":
        return Owner("Helm", labels.get("app.kubernetes.io/instance", ""))
    if labels.get("addonmanager.kubernetes.io/mode") == "Reconcile":
        return Owner("add-on manager")
    return None


# -- text from the cluster -------------------------------------------------------------------------------------------


def one_line(message: str, limit: int = 300) -> str:
    """Untrusted text as one redacted line: no control characters, at most `limit` characters."""
    flat = redact(" ".join("".join(each if each.isprintable() else " " for each in message[: 4 * limit]).split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
