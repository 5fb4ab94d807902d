"""Ends of a connection: pods with their labels, nodes, and whoever has an address outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]


class CannotTell(Exception):
    """The answer hangs on something that this evaluator does not know."""


@dataclass(frozen=True)
class End:
    """One side of a packet after translation. `words`: Cilium's reserved names for whoever is no pod (`host`, `world`).

    `ports` are the named ports of a pod, by (name, protocol). `names` are those whose DNS answers led to the address.
    """

    namespace: str = ""
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    space: Mapping[str, str] = field(default_factory=dict)
    ip: str = ""
    node: str = ""
    words: frozenset[str] = frozenset()
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    account: str = ""
    workload: str = ""
    declared: frozenset[int] = frozenset()
    names: tuple[str, ...] | None = None

    @property
    def is_pod(self) -> bool:
        return bool(self.namespace) and not self.words

    @property
    def is_node(self) -> bool:
        return bool(self.words & {"host", "remote-node"})

    def is_same(self, other: End) -> bool:
        return self.is_pod and (self.namespace, self.name) == (other.namespace, other.name)


def pods_of(objects: Iterable[Json]) -> dict[tuple[str, str], End]:
    """Every pod, by namespace and name; one on the host network is its node."""
    listed = list(objects)
    spaces = {each["metadata"]["name"]: space_labels(each) for each in listed if each.get("kind") == "Namespace"}
    pods = (_pod(each, spaces) for each in listed if each.get("kind") == "Pod")
    return {(each.namespace, each.name): each for each in pods}


def space_labels(item: Json) -> dict[str, str]:
    """A namespace's labels, with the one the API server gives to each."""
    name = item["metadata"]["name"]
    return {**(item["metadata"].get("labels") or {}), "kubernetes.io/metadata.name": name}


def _pod(item: Json, spaces: Mapping[str, Mapping[str, str]]) -> End:
    meta, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    namespace = meta.get("namespace") or "default"
    ports = [port for box in spec.get("containers") or () for port in box.get("ports") or ()]
    return End(
        namespace,
        meta["name"],
        meta.get("labels") or {},
        spaces.get(namespace, {"kubernetes.io/metadata.name": namespace}),
        status.get("podIP", ""),
        spec.get("nodeName", ""),
        frozenset({"remote-node"}) if spec.get("hostNetwork") else frozenset(),
        {(port["name"], port.get("protocol", "TCP")): port["containerPort"] for port in ports if port.get("name")},
        spec.get("serviceAccountName", "default"),
        _workload(meta),
        frozenset(port["containerPort"] for port in ports),
    )


def _workload(meta: Json) -> str:
    owners = [each for each in meta.get("ownerReferences") or () if each.get("controller")]
    if not owners:
        return f"Pod {meta['name']}"
    hashed = (meta.get("labels") or {}).get("pod-template-hash", "")
    if owners[0]["kind"] == "ReplicaSet" and hashed:
        return f"Deployment {owners[0]['name'].removesuffix('-' + hashed)}"
    return f"{owners[0]['kind']} {owners[0]['name']}"
