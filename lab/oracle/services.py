"""Services that a rule may name (`toServices`), each as the pods behind it or, without a selector, their addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.oracle.ends import CannotTell, End
from lab.oracle.selecting import inside, selects

Json = Mapping[str, Any]


@dataclass(frozen=True)
class OracleService:
    """`selector` None: somebody wrote the endpoints by hand, and `addresses` are those."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    selector: Mapping[str, str] | None
    addresses: frozenset[str]

    def holds(self, other: End, labels: Mapping[str, str]) -> bool:
        """Checks whether the other side is one of its pods, or is outside at one of its addresses."""
        if self.selector is not None:
            here = other.is_pod and other.namespace == self.namespace
            return here and selects({"matchLabels": self.selector}, labels)
        outside = not other.is_pod and "world" in other.words
        return outside and any(inside(other.ip, each) for each in self.addresses)


def services_of(objects: Iterable[Json]) -> tuple[OracleService, ...]:
    listed = list(objects)
    found: dict[tuple[str, str], set[str]] = {}
    for each in (one for one in listed if one.get("kind") == "EndpointSlice"):
        owner = (each["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
        ends = (ip for end in each.get("endpoints") or () for ip in end.get("addresses") or ())
        found.setdefault((each["metadata"].get("namespace", "default"), owner), set()).update(ends)
    return tuple(_service(each, found) for each in listed if each.get("kind") == "Service")


def _service(item: Json, addresses: Mapping[tuple[str, str], set[str]]) -> OracleService:
    meta, spec = item["metadata"], item.get("spec") or {}
    key = (meta.get("namespace", "default"), meta["name"])
    return OracleService(
        *key, meta.get("labels") or {}, spec.get("selector") or None, frozenset(addresses.get(key, ()))
    )


def meant_by(entry: Json, known: Iterable[OracleService]) -> list[OracleService]:
    """The Services that one entry of `toServices` names. Raises `CannotTell` where a named one is not there."""
    if chosen := entry.get("k8sServiceSelector"):
        bare, space = chosen.get("selector") or {}, chosen.get("namespace", "")
        return [each for each in known if space in ("", each.namespace) and selects(bare, each.labels)]
    named = entry.get("k8sService") or {}
    space, name = named.get("namespace", ""), named.get("serviceName", "")
    found = [each for each in known if each.name == name and space in ("", each.namespace)]
    if not found:
        raise CannotTell(f"Service {space}/{name}, which is not here")
    return found
