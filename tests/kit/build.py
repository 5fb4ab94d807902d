"""Small Kubernetes objects for tests: only the fields a test is about, the rest as an API server would leave it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def meta(namespace: str, name: str, **more: Any) -> Json:
    return {"name": name, **({"namespace": namespace} if namespace else {}), **more}


def pod(
    namespace: str,
    name: str,
    *,
    labels: dict[str, str] | None = None,
    node: str = "node-a",
    ip: str = "10.0.0.5",
    ready: bool | None = True,
    phase: str = "Running",
    owner: tuple[str, str] | None = None,
    created: str = "2026-11-23T20:00:00Z",
    ports: list[Json] | None = None,
    **spec: Any,
) -> Json:
    owners = [{"kind": owner[0], "name": owner[1], "controller": True}] if owner else []
    conditions = [] if ready is None else [{"type": "Ready", "status": str(ready)}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(namespace, name, labels=labels or {}, ownerReferences=owners, creationTimestamp=created),
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": "app:1", "ports": ports or []}], **spec},
        "status": {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}] if ip else [], "conditions": conditions},
    }


def service(
    namespace: str, name: str, *, ip: str = "10.96.0.20", selector: dict[str, str] | None = None, **spec: Any
) -> Json:
    ports = spec.pop("ports", [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}])
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(namespace, name),
        "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": ports, "selector": selector or {}, **spec},
    }


def endpoint_slice(namespace: str, owner: str, *endpoints: Json, ports: list[Json] | None = None) -> Json:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta(namespace, f"{owner}-x", labels={"kubernetes.io/service-name": owner}),
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}] if ports is None else ports,
    }


def endpoint(ip: str, *, ready: bool | None = True, pod: str = "", node: str = "") -> Json:
    conditions = {} if ready is None else {"ready": ready}
    target = {"targetRef": {"kind": "Pod", "name": pod}} if pod else {}
    return {"addresses": [ip], "conditions": conditions, **target, **({"nodeName": node} if node else {})}


def node(name: str, *, ready: str = "True", ip: str = "172.30.0.11", **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": meta("", name, labels={"kubernetes.io/os": "linux"}),
        "spec": spec,
        "status": {
            "addresses": [{"type": "InternalIP", "address": ip}],
            "conditions": [{"type": "Ready", "status": ready, "reason": "R", "message": "m"}],
        },
    }


def namespace(name: str, **labels: str) -> Json:
    own = {"kubernetes.io/metadata.name": name, **labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta("", name, labels=own)}


def event(kind: str, space: str, name: str, reason: str, message: str, *, type_: str = "Warning", **more: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": meta(space, f"{name}.1"),
        "involvedObject": {"kind": kind, "namespace": space, "name": name},
        "type": type_,
        "reason": reason,
        "message": message,
        "lastTimestamp": "2026-11-23T20:59:00Z",
        **more,
    }


def config_map(space: str, name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(space, name), "data": data}


def daemon_set(space: str, name: str, labels: dict[str, str], **pod_spec: Any) -> Json:
    template = {"metadata": {"labels": labels}, "spec": pod_spec}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta(space, name), "spec": {"template": template}}
