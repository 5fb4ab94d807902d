"""A cluster as policies see it: an indexed, immutable view of its pods, Services, nodes and policies.

Ask it who has an address and whether a connection is allowed; `flows.policy.difference` tells what a change opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from flows.policy import inventory
from flows.policy.bulk import collector_paused
from flows.policy.catalog import CatalogPort, CatalogService, ServiceCatalog, parse_service, slice_addresses
from flows.policy.cilium import group_cidrs, group_labels
from flows.policy.direction import DirectionContext
from flows.policy.inventory import Inventory
from flows.policy.judging import judge
from flows.policy.model import Direction, Endpoint, Judgement, PolicyRef, Traffic
from flows.policy.named_ports import Clashes, clashes, with_clashes
from flows.policy.parse import dialect_of, parse_policy
from flows.policy.policy_index import PolicyIndex
from flows.policy.profile import Profile
from flows.policy.reach import PortOutcome, Selected, dns_shown, selecting, side
from flows.policy.reading import Json, loose_mapping, loose_text
from flows.policy.rules import Policy

ObjectIdentity = tuple[str, str, str, str]  # API group, kind, namespace, name
_KINDS = frozenset(
    ["Pod", "Namespace", "Node", "CiliumNode", "Service", "EndpointSlice", "Endpoints", "CiliumCIDRGroup"]
)
_CLUSTER_WIDE = frozenset({"Namespace", "Node", "CiliumNode", "CiliumCIDRGroup"})


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A policy object with what it was translated from, to be reused while neither changes."""

    item: Json
    policies: tuple[Policy, ...]


class PolicyWorld:
    """Built once from objects of any kinds, then asked; every change makes a new one."""

    def __init__(
        self, objects: Mapping[ObjectIdentity, Json], profile: Profile, before: PolicyWorld | None = None
    ) -> None:
        self._objects = objects
        self._former: Inventory | None = None  # of the world before the change, until this one's is read
        self.read_from: tuple[object, ...] = ()  # all of it, so that what it was made of stays as long as it does
        self.profile = profile
        self.catalog = _catalog(objects)
        reusable = self._reusable(before)
        self._compiled: dict[ObjectIdentity, _Compiled] = {
            key: _compile(key, item, self, reusable) for key, item in objects.items() if dialect_of(item)
        }
        self._index = PolicyIndex(self.policies)

    @classmethod
    def of(cls, objects: Iterable[Json], profile: Profile) -> PolicyWorld:
        """Index objects as the API server returns them: Lists are flattened, unknown kinds ignored, malformed
        policies kept as undecidable."""
        whole = tuple(objects)
        with collector_paused():
            world = cls({identity(item): item for item in flatten(whole) if _matters(item)}, profile)
        world.read_from = whole
        return world

    def with_objects(self, changed: Iterable[Json], removed: Iterable[Json] = ()) -> PolicyWorld:
        """The same world with objects added, replaced or removed (identified by kind, namespace and name)."""
        gone = {identity(item) for item in flatten(removed)}
        kept = {key: item for key, item in self._objects.items() if key not in gone}
        kept |= {identity(item): item for item in flatten(changed) if _matters(item)}
        after = PolicyWorld(kept, self.profile, self)
        if _inhabitants(kept) == _inhabitants(self._objects) and after.api_servers == self.api_servers:
            after.__dict__["inventory"] = self.inventory  # nobody moved in or out: keep the endpoints as they are
        else:
            after._former = self.__dict__.get("inventory")
        return after

    def _reusable(self, before: PolicyWorld | None) -> Mapping[ObjectIdentity, _Compiled]:
        """Translations made before, as long as all that they were made by is the same."""
        if before is None or before.catalog != self.catalog:
            return {}
        asked = "port_clashes" in before.__dict__
        return before._compiled if not asked or before.port_clashes == self.port_clashes else {}

    @cached_property
    def port_clashes(self) -> Clashes:
        """Port names that mean several numbers; only asked for where a policy of this datapath has such a name."""
        return clashes(self._of_kind("Pod"))

    @cached_property
    def policies(self) -> tuple[Policy, ...]:
        return tuple(policy for compiled in self._compiled.values() for policy in compiled.policies)

    @cached_property
    def dns_shown_somewhere(self) -> bool:
        return any(policy.shows_dns and not policy.inert for policy in self.policies)

    @cached_property
    def api_servers(self) -> frozenset[str]:
        """Addresses behind the Service default/kubernetes."""
        return frozenset(self.catalog.endpoint_addresses.get(("default", "kubernetes"), ()))

    @cached_property
    def inventory(self) -> Inventory:
        items = self._of_kind("Namespace")
        named = {loose_text(loose_mapping(item.get("metadata")).get("name")): item for item in items}
        spaces = {name: inventory.namespace_labels(name, item) for name, item in named.items()}
        nodes = (*self._of_kind("CiliumNode"), *self._of_kind("Node"))
        former, self._former = self._former, None
        with collector_paused():
            return inventory.read(self._of_kind("Pod"), spaces, nodes, self.api_servers, former)

    def endpoint_of_pod(self, namespace: str, name: str) -> Endpoint | None:
        return self.inventory.pods.get((namespace, name))

    def endpoint_at(self, ip: str) -> Endpoint:
        """Endpoint at this address: a pod, a node, the API server, else the world outside.

        A Service's own address is nobody's: ``backends`` turns it into the endpoints that answer.
        """
        return self.inventory.by_ip.get(ip) or inventory.outside(ip, self.api_servers)

    def service_at(self, ip: str) -> CatalogService | None:
        return next((s for s in self.catalog.services.values() if ip in s.addresses), None)

    def service(self, namespace: str, name: str) -> CatalogService | None:
        return self.catalog.services.get((namespace, name))

    def backends(self, service: CatalogService, port: int, protocol: str = "TCP") -> Iterator[tuple[Endpoint, int]]:
        """The pods a Service's port leads to, each with the number of its targetPort; also pods not ready."""
        wanted = next((p for p in service.ports if (p.port, p.protocol) == (port, protocol)), None)
        if wanted is None or service.selector is None:
            return
        for endpoint in self.inventory.pods.values():
            if endpoint.namespace == service.namespace and service.selector.items() <= endpoint.labels.items():
                number = _target(wanted, endpoint)
                if number is not None:
                    yield endpoint, number

    def towards(self, source: Endpoint, service: CatalogService, port: int, protocol: str = "TCP") -> list[Traffic]:
        """The connections a client makes by addressing a Service, one for each backend."""
        address = service.addresses[0] if service.addresses else ""
        name = (service.namespace, service.name)
        return [
            Traffic(source, endpoint, protocol, number, service=name, service_ip=address, service_port=port)
            for endpoint, number in self.backends(service, port, protocol)
        ]

    def judge(self, traffic: Traffic) -> Judgement:
        """Both directions of one connection, with the walk through every policy that selects either side."""
        traffic = self._with_service_port(traffic)
        egress = self.selecting(traffic.source, Direction.EGRESS)
        ingress = self.selecting(traffic.destination, Direction.INGRESS)
        return judge(traffic, egress, ingress, self.profile, self.dns_shown_somewhere)

    def reach(self, source: Endpoint, destination: Endpoint) -> PortOutcome:
        """Every port at once: what may be allowed and what may be denied between two endpoints, both sides judged."""
        egress, ingress = self.selecting(source, Direction.EGRESS), self.selecting(destination, Direction.INGRESS)
        shown = dns_shown(egress, self.dns_shown_somewhere)
        out = side(egress, DirectionContext(Direction.EGRESS, source, destination, self.profile, shown))
        return out & side(ingress, DirectionContext(Direction.INGRESS, destination, source, self.profile, shown))

    def selecting(self, endpoint: Endpoint, direction: Direction) -> list[Selected]:
        return selecting(self._index.candidates(endpoint), endpoint, direction, self.profile)

    def refusals(self, policy: Json) -> tuple[str, ...]:
        """Complaints of the datapath's own validation about this policy object; empty where it would be applied."""
        compiled = self._compiled.get(identity(policy))
        return tuple(dict.fromkeys(each.refused for each in compiled.policies if each.refused)) if compiled else ()

    def policy_object(self, ref: PolicyRef) -> Json | None:
        """The object behind a reference, as it came."""
        return self._by_ref.get(ref)

    @cached_property
    def _by_ref(self) -> Mapping[PolicyRef, Json]:
        """The first object of each reference: two can only share one where the API server would know one of them."""
        first_last = reversed(self._compiled.values())
        return {policy.ref: each.item for each in first_last for policy in each.policies}

    def _with_service_port(self, traffic: Traffic) -> Traffic:
        """Fill in the Service's port where only one leads to this targetPort: it makes the walk say more."""
        if traffic.service_port is not None or traffic.port is None:
            return traffic
        named = self.catalog.services.get(traffic.service) if traffic.service else None
        services = [named] if named else self._services_of(traffic.destination)
        ports = {p.port for s in services for p in s.ports if _target(p, traffic.destination) == traffic.port}
        return replace(traffic, service_port=ports.pop()) if len(ports) == 1 else traffic

    def _services_of(self, endpoint: Endpoint) -> list[CatalogService]:
        if not endpoint.is_pod:
            return []
        here = self._services_by_namespace.get(endpoint.namespace, ())
        return [s for s in here if s.selector and s.selector.items() <= endpoint.labels.items()]

    @cached_property
    def _services_by_namespace(self) -> Mapping[str, list[CatalogService]]:
        found: dict[str, list[CatalogService]] = {}
        for service in self.catalog.services.values():
            found.setdefault(service.namespace, []).append(service)
        return found

    def _of_kind(self, kind: str) -> list[Json]:
        return [item for key, item in self._objects.items() if key[1] == kind]


def _compile(
    key: ObjectIdentity, item: Json, world: PolicyWorld, known: Mapping[ObjectIdentity, _Compiled]
) -> _Compiled:
    old = known.get(key)
    if old is not None and (old.item is item or old.item == item):
        return old
    read = parse_policy(item, world.profile, world.catalog)
    return _Compiled(item, tuple(with_clashes(each, world.profile, lambda: world.port_clashes) for each in read))


def _target(port: CatalogPort, endpoint: Endpoint) -> int | None:
    if isinstance(port.target, int):
        return port.target
    return endpoint.named_ports.get((port.target, port.protocol))


def flatten(objects: Iterable[object]) -> Iterator[Json]:
    """Single objects from single objects and Lists of them; ``kubectl`` omits nothing, the API omits items' kinds."""
    for item in objects:
        if not isinstance(item, Mapping):
            continue
        kind = loose_text(item.get("kind"))
        if not kind.endswith("List") or not isinstance(item.get("items"), list | tuple):
            yield item
            continue
        default = {"kind": kind.removesuffix("List"), "apiVersion": item.get("apiVersion")} if kind != "List" else {}
        yield from flatten({**default, **each} for each in item["items"] if isinstance(each, Mapping))


def identity(item: Json) -> ObjectIdentity:
    metadata = loose_mapping(item.get("metadata"))
    kind = loose_text(item.get("kind"))
    group = loose_text(item.get("apiVersion")).rpartition("/")[0]
    namespace = "" if kind in _CLUSTER_WIDE else loose_text(metadata.get("namespace")) or _namespace_of(kind)
    return group, kind, namespace, loose_text(metadata.get("name"))


def _namespace_of(kind: str) -> str:
    wide = ("Clusterwide", "Global", "ClusterNetworkPolicy", "AdminNetworkPolicy")
    return "" if any(word in kind for word in wide) else "default"


def _inhabitants(objects: Mapping[ObjectIdentity, Json]) -> dict[ObjectIdentity, int]:
    """Pods, namespaces and nodes, by the identity of the very object."""
    return {key: id(item) for key, item in objects.items() if key[1] in ("Pod", "Namespace", "Node", "CiliumNode")}


def _matters(item: Json) -> bool:
    return loose_text(item.get("kind")) in _KINDS or dialect_of(item) is not None


def _catalog(objects: Mapping[ObjectIdentity, Json]) -> ServiceCatalog:
    services = {(s.namespace, s.name): s for s in map(parse_service, _kind(objects, "Service"))}
    groups = {
        loose_text(loose_mapping(item.get("metadata")).get("name")): item for item in _kind(objects, "CiliumCIDRGroup")
    }
    addresses: dict[tuple[str, str], tuple[str, ...]] = {}
    for item in (*_kind(objects, "EndpointSlice"), *_kind(objects, "Endpoints")):
        key, found = slice_addresses(item)
        addresses[key] = tuple(dict.fromkeys(addresses.get(key, ()) + found))
    return ServiceCatalog(
        services,
        addresses,
        {name: group_cidrs(item) for name, item in groups.items()},
        {name: group_labels(item) for name, item in groups.items()},
    )


def _kind(objects: Mapping[ObjectIdentity, Json], kind: str) -> Iterator[Json]:
    return (item for key, item in objects.items() if key[1] == kind)
