"""Alerts as tests want them, and a small cluster for them."""

from __future__ import annotations

from typing import Any

from bot.alerts.plan import Received
from bot.alerts.target import ClusterReadings
from bot.clusters.target import Listing
from bot.triggers.alert import Alert, AlertState, AlertSubject, SubjectKind
from sensors.kit.addresses import HostPort


def alert(name: str = "PodCannotReachPeer", pod: str = "web-1", namespace: str = "shop", **more: Any) -> Alert:
    """An alert about a pod; `key` is made of its names."""
    peer = more.pop("peer", None)
    made: dict[str, Any] = {
        "source": "alertmanager",
        "name": name,
        "state": AlertState.FIRING,
        "key": f"{name} {namespace} {pod}",
        "since": "2026-11-28T22:00:00Z",
        "title": f"[FIRING:1] {name} {namespace} ({pod})",
        "meant": (AlertSubject(SubjectKind.POD, pod, namespace),),
        "peer": HostPort(*peer) if peer else None,
    }
    return Alert(**{**made, **more})


def received(*alerts: Alert, channel: str = "C0ALERTS", thread: str = "1.0") -> list[Received]:
    return [Received(each, channel, thread) for each in alerts]


def pod(
    name: str,
    namespace: str = "shop",
    ready: bool = True,
    node: str = "w1",
    owner: str = "",
    host: str = "",
    **labels: str,
) -> Any:
    kind, _, workload = owner.partition("/")
    refs = [{"kind": kind, "name": workload, "controller": True, "apiVersion": "apps/v1"}] if owner else []
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": refs},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": labels.get("image", "web:1")}]},
        "status": {
            "phase": "Running",
            "hostIP": host,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def service(name: str, namespace: str = "shop", **selector: str) -> Any:
    return {"kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": {"selector": selector}}


def ingress(name: str, *services: str, namespace: str = "shop", host: str = "") -> Any:
    paths = [{"backend": {"service": {"name": each, "port": {"number": 80}}}} for each in services]
    spec = {"rules": [{"host": host, "http": {"paths": paths}}]}
    return {"kind": "Ingress", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def scene(*pods: Any, services: tuple[Any, ...] = (), ingresses: tuple[Any, ...] = ()) -> ClusterReadings:
    spaces = frozenset(each["metadata"]["namespace"] for each in pods)
    return ClusterReadings(Listing(pods, (), spaces), services, ingresses)
