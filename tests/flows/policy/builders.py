"""Small words for building clusters in tests."""

from __future__ import annotations

from typing import Any

from flows.policy import Endpoint, PolicyWorld, Profile, Traffic

Json = dict[str, Any]


def space(name: str, **labels: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(where: str, ip: str = "", ports: dict[str, int] | None = None, *, host: bool = False, **labels: str) -> Json:
    """``where`` is "namespace/name"; ``ports`` are named TCP ports."""
    namespace, name = where.split("/")
    spec: Json = {"containers": [{"ports": [{"name": n, "containerPort": p} for n, p in (ports or {}).items()]}]}
    if host:
        spec |= {"hostNetwork": True, "nodeName": "node1"}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"podIP": ip}}


def netpol(where: str, pods: Json | None = None, types: list[str] | None = None, **rules: Any) -> Json:
    """``pods`` are matchLabels; ``types`` as in policyTypes."""
    namespace, name = where.split("/")
    spec: Json = {"podSelector": {"matchLabels": pods} if pods else {}, **rules}
    if types is not None:
        spec["policyTypes"] = types
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    return {**kind, "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def cnp(where: str, pods: Json | None = None, **spec: Any) -> Json:
    """A CiliumNetworkPolicy, cluster-wide when ``where`` has no namespace."""
    namespace, _, name = where.rpartition("/")
    kind = "CiliumNetworkPolicy" if namespace else "CiliumClusterwideNetworkPolicy"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    selector = {"matchLabels": pods} if pods else {}
    return {
        "apiVersion": "cilium.io/v2",
        "kind": kind,
        "metadata": metadata,
        "spec": {"endpointSelector": selector, **spec},
    }


def admin(name: str, tier: str, priority: int, subject: Json, **rules: Any) -> Json:
    """A ClusterNetworkPolicy of v1alpha2."""
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    return {
        **kind,
        "metadata": {"name": name},
        "spec": {"tier": tier, "priority": priority, "subject": subject, **rules},
    }


def named(name: str) -> Json:
    """A namespaceSelector for one namespace."""
    return {"matchLabels": {"kubernetes.io/metadata.name": name}}


def who(world: PolicyWorld, text: str) -> Endpoint:
    """``namespace/pod``, an address, ``entity:host`` or ``name:api.example.com``."""
    if text.startswith("entity:"):
        return Endpoint(entities=frozenset(text.removeprefix("entity:").split("+")))
    if text.startswith("name:"):
        return Endpoint(ip="203.0.113.77", entities=frozenset({"world"}), fqdns=(text.removeprefix("name:"),))
    if "/" in text:
        found = world.endpoint_of_pod(*text.split("/"))
        assert found is not None, text
        return found
    return world.endpoint_at(text)


def ask(world: PolicyWorld, source: str, destination: str, port: str) -> Traffic:
    """``port`` like "TCP 80", "ICMP 8" or "TCP" (not known)."""
    protocol, _, number = port.partition(" ")
    value = int(number) if number else None
    icmp = protocol.startswith("ICMP")
    ends = who(world, source), who(world, destination)
    return Traffic(*ends, protocol, None if icmp else value, icmp_type=value if icmp else None)


def allowed(objects: list[Json], profile: Profile, source: str, destination: str, port: str) -> bool | None:
    world = PolicyWorld.of(objects, profile)
    return world.judge(ask(world, source, destination, port)).allowed
