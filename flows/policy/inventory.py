"""The endpoints of a cluster, from its Pods, Namespaces and Nodes; and who has which address.

Everything here is read loosely: a pod with a broken field is still a pod.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flows.policy.model import Endpoint
from flows.policy.reading import Json, loose_items, loose_labels, loose_mapping, loose_text

Key = tuple[str, str]  # namespace, name
_HASH = re.compile(r"-[a-z0-9]{5,10}$")


@dataclass(frozen=True, slots=True)
class Inventory:
    """Inventory of a policy world. `groups`: classes of them that no policy tells apart, as they were asked for."""

    pods: dict[Key, Endpoint] = field(default_factory=dict)
    nodes: Mapping[str, Endpoint] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    by_ip: dict[str, Endpoint] = field(default_factory=dict)
    groups: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    pods_read: dict[int, Resident] = field(default_factory=dict, compare=False, repr=False)  # by the id of the object


@dataclass(frozen=True, slots=True)
class Resident:
    """A pod as it was read: object, endpoint and all of its addresses."""

    item: Json
    endpoint: Endpoint
    addresses: tuple[str, ...]


def read(
    pods: Iterable[Json],
    spaces: dict[str, dict[str, str]],
    nodes: Iterable[Json],
    api_servers: frozenset[str],
    former: Inventory | None,
) -> Inventory:
    """The inventory of a cluster; pods that are the very objects of a former one, in the same surroundings, are not
    read again."""
    by_ip: dict[str, Endpoint] = {}
    for node in nodes:
        by_ip |= endpoints_of_node(node, api_servers)
    named: dict[str, Endpoint] = {}
    for endpoint in by_ip.values():
        named.setdefault(endpoint.node, endpoint)
    found = Inventory({}, named, spaces, by_ip)
    _settle(found, pods, spaces, former if former is not None and former.nodes == named else None)
    return found


def _settle(
    found: Inventory, pods: Iterable[Json], spaces: dict[str, dict[str, str]], former: Inventory | None
) -> None:
    known = {} if former is None else former.pods_read
    for item in pods:
        old = known.get(id(item))
        space = old.endpoint.namespace if old else namespace_of(item)
        labels = spaces.get(space) or spaces.setdefault(space, namespace_labels(space, None))
        resident = old if old and old.endpoint.namespace_labels == labels else _resident(item, labels, found.nodes)
        found.pods_read[id(item)] = resident
        found.pods[space, resident.endpoint.pod] = resident.endpoint
        for ip in resident.addresses:
            endpoint = resident.endpoint
            found.by_ip[ip] = endpoint if ip == endpoint.ip else replace(endpoint, ip=ip)


def _resident(item: Json, labels: Mapping[str, str], nodes: Mapping[str, Endpoint]) -> Resident:
    endpoint = endpoint_of_pod(item, labels)
    if not endpoint.host_network:
        return Resident(item, endpoint, addresses_of_pod(item))
    host = nodes.get(endpoint.node)
    return Resident(item, endpoint if host is None else replace(endpoint, tunnel_ip=host.tunnel_ip), ())


def namespace_of(item: Json) -> str:
    return loose_text(loose_mapping(item.get("metadata")).get("namespace")) or "default"


def namespace_labels(name: str, item: Json | None) -> dict[str, str]:
    """A namespace's labels; the API server always adds its name."""
    labels = loose_labels(loose_mapping((item or {}).get("metadata")).get("labels"))
    return {"kubernetes.io/metadata.name": name, **labels}


def endpoint_of_pod(pod: Json, labels_of_namespace: Mapping[str, str]) -> Endpoint:
    metadata, spec, status = (loose_mapping(pod.get(key)) for key in ("metadata", "spec", "status"))
    return Endpoint(
        namespace=namespace_of(pod),
        pod=loose_text(metadata.get("name")),
        labels=loose_labels(metadata.get("labels")),
        namespace_labels=labels_of_namespace,
        ip=next(iter(addresses_of_pod(pod)), ""),
        named_ports=named_ports_of(spec),
        node=loose_text(spec.get("nodeName")),
        host_network=spec.get("hostNetwork") is True,
        workload=workload_of(metadata),
        service_account=loose_text(spec.get("serviceAccountName")) or ("default" if status else ""),
    )


def addresses_of_pod(pod: Json) -> tuple[str, ...]:
    """Primary address first; none once the pod is over, since another may carry them by then."""
    status = loose_mapping(pod.get("status"))
    if status.get("phase") in ("Succeeded", "Failed"):
        return ()
    listed = [loose_text(each.get("ip")) for each in loose_items(status.get("podIPs"))]
    return tuple(dict.fromkeys(ip for ip in (loose_text(status.get("podIP")), *listed) if ip))


def named_ports_of(spec: Json) -> dict[tuple[str, str], int]:
    """Sidecars declared as init containers count too (KEP-753)."""
    found: dict[tuple[str, str], int] = {}
    sidecars = [c for c in loose_items(spec.get("initContainers")) if c.get("restartPolicy") == "Always"]
    for container in (*loose_items(spec.get("containers")), *sidecars):
        for port in loose_items(container.get("ports")):
            name, number = loose_text(port.get("name")), port.get("containerPort")
            if name and isinstance(number, int) and not isinstance(number, bool):
                found.setdefault((name, loose_text(port.get("protocol")) or "TCP"), number)
    return found


def workload_of(metadata: Json) -> str:
    """``Deployment web`` rather than ``ReplicaSet web-6f5d4``; a bare pod is its own workload."""
    owners = loose_items(metadata.get("ownerReferences"))
    owner = next((each for each in owners if each.get("controller") is True), owners[0] if owners else None)
    if owner is None or loose_text(owner.get("kind")) in ("", "Node"):
        return f"Pod {loose_text(metadata.get('name'))}"
    kind, name = loose_text(owner.get("kind")), loose_text(owner.get("name"))
    if kind == "ReplicaSet" and (bare := without_hash(name, loose_labels(metadata.get("labels")))) != name:
        return f"Deployment {bare}"
    return f"{kind} {name}"


def without_hash(name: str, labels: Mapping[str, str]) -> str:
    """A ReplicaSet's name without the Deployment's template hash."""
    known = labels.get("pod-template-hash", "")
    return name.removesuffix(f"-{known}") if known else _HASH.sub("", name)


def endpoints_of_node(node: Json, api_servers: frozenset[str]) -> dict[str, Endpoint]:
    """One endpoint per address of a node, also the ones its own network gives it (Cilium's router address, an
    overlay's tunnel address)."""
    name = loose_text(loose_mapping(node.get("metadata")).get("name"))
    tunnel = tunnel_address(node)
    ends = [node_endpoint(name, ip, api_servers) for ip in dict.fromkeys((*addresses_of_node(node), tunnel)) if ip]
    return {end.ip: replace(end, tunnel_ip=tunnel if ":" not in end.ip else "") for end in ends}


CALICO_TUNNELS = ("WireguardInterfaceAddr", "VXLANTunnelAddr", "IPIPTunnelAddr")


def tunnel_address(node: Json) -> str:
    """The IPv4 address with which a node reaches pods of other nodes through an overlay; "" where it tells none.

    Sources: annotations of Calico's node (``IPv4WireguardInterfaceAddr``, ``IPv4VXLANTunnelAddr``,
    ``IPv4IPIPTunnelAddr``); flannel gives its VXLAN interface the first address of the node's pod range.
    """
    metadata, spec = loose_mapping(node.get("metadata")), loose_mapping(node.get("spec"))
    notes = loose_labels(metadata.get("annotations"))
    calico = [notes.get(f"projectcalico.org/IPv4{kind}", "").partition("/")[0] for kind in CALICO_TUNNELS]
    flannel = notes.get("flannel.alpha.coreos.com/backend-type") == "vxlan"
    first = loose_text(spec.get("podCIDR")).partition("/")[0] if flannel else ""
    return next((each for each in (*calico, first) if each), "")


def node_endpoint(name: str, ip: str, api_servers: frozenset[str]) -> Endpoint:
    entities = frozenset({"kube-apiserver"}) if ip in api_servers else frozenset[str]()
    return Endpoint(ip=ip, node=name, host_network=True, entities=entities)


def addresses_of_node(node: Json) -> tuple[str, ...]:
    """From a Node's status, or a CiliumNode's spec."""
    listed = loose_items(loose_mapping(node.get("status")).get("addresses"))
    listed += loose_items(loose_mapping(node.get("spec")).get("addresses"))
    found = [
        loose_text(e.get("address") or e.get("ip")) for e in listed if e.get("type") not in ("Hostname", "InternalDNS")
    ]
    return tuple(dict.fromkeys(ip for ip in found if ip))


def outside(ip: str, api_servers: frozenset[str]) -> Endpoint:
    """An address of nobody in the cluster; an API server that is no node is outside too, and has both words."""
    extra = {"kube-apiserver"} if ip in api_servers else set()
    return Endpoint(ip=ip, entities=frozenset({"world"} | extra))
