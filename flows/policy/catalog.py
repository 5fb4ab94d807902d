"""Objects that policies refer to by name: Services, their endpoints, groups of addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flows.policy.reading import Json, loose_items, loose_labels, loose_mapping, loose_text

Key = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class CatalogPort:
    port: int
    target: int | str  # the pods' port, or its name
    protocol: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class CatalogService:
    namespace: str
    name: str
    labels: Mapping[str, str]
    selector: Mapping[str, str] | None  # None = endpoints are made by hand
    addresses: tuple[str, ...]  # cluster and external addresses, node ports apart
    ports: tuple[CatalogPort, ...]


@dataclass(frozen=True, slots=True)
class ServiceCatalog:
    services: Mapping[Key, CatalogService] = field(default_factory=dict)
    endpoint_addresses: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)  # of Services, from EndpointSlices
    cidr_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cidr_group_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def parse_service(item: Json) -> CatalogService:
    metadata, spec = loose_mapping(item.get("metadata")), loose_mapping(item.get("spec"))
    selector = loose_labels(spec.get("selector"))
    return CatalogService(
        loose_text(metadata.get("namespace")) or "default",
        loose_text(metadata.get("name")),
        loose_labels(metadata.get("labels")),
        selector or None,
        tuple(dict.fromkeys(_addresses(item, spec))),
        tuple(port for entry in loose_items(spec.get("ports")) if (port := _port(entry))),
    )


def _addresses(item: Json, spec: Json) -> Iterable[str]:
    one = [spec.get("clusterIP"), spec.get("loadBalancerIP")]
    many = [*_texts(spec.get("clusterIPs")), *_texts(spec.get("externalIPs"))]
    balancer = loose_mapping(loose_mapping(item.get("status")).get("loadBalancer"))
    given = [entry.get("ip") for entry in loose_items(balancer.get("ingress"))]
    return (each for each in (*one, *many, *given) if isinstance(each, str) and each not in ("", "None"))


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list | tuple) else []


def _port(entry: Json) -> CatalogPort | None:
    port, target = entry.get("port"), entry.get("targetPort")
    if isinstance(port, bool) or not isinstance(port, int):
        return None
    to = target if isinstance(target, int | str) and target not in ("", 0) else port
    return CatalogPort(port, to, loose_text(entry.get("protocol")) or "TCP", loose_text(entry.get("name")))


def slice_addresses(item: Json) -> tuple[Key, tuple[str, ...]]:
    """The Service an EndpointSlice (or an old Endpoints object) belongs to, and its addresses."""
    metadata = loose_mapping(item.get("metadata"))
    namespace = loose_text(metadata.get("namespace")) or "default"
    name = loose_labels(metadata.get("labels")).get("kubernetes.io/service-name", "")
    if item.get("kind") == "Endpoints":
        name = loose_text(metadata.get("name"))
    found = [a for each in loose_items(item.get("endpoints")) for a in _texts(each.get("addresses"))]
    for subset in loose_items(item.get("subsets")):
        found += [loose_text(each.get("ip")) for each in loose_items(subset.get("addresses"))]
    return (namespace, name), tuple(found)
