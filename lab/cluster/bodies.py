"""Objects that the lab's controllers write: owner references, empty slices, and the status of pods and Deployments."""

from __future__ import annotations

import uuid
from typing import Any

from lab.cluster.store import Thing


def is_ready(pod: Thing) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any((each.get("type"), each.get("status")) == ("Ready", "True") for each in conditions)


def owner_reference(thing: Thing, api: str, kind: str) -> dict[str, Any]:
    meta = thing["metadata"]
    uid = meta.get("uid") or str(uuid.uuid4())
    said = {"apiVersion": api, "kind": kind, "name": meta["name"], "uid": uid}
    return {**said, "controller": True, "blockOwnerDeletion": True}


def empty_slice(service: Thing, suffix: str) -> dict[str, Any]:
    meta = service["metadata"]
    labels = {
        **(meta.get("labels") or {}),
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": meta["name"],
    }
    name = f"{meta['name']}-{suffix}"
    owners = [owner_reference(service, "v1", "Service")]
    return {"metadata": {"name": name, "labels": labels, "ownerReferences": owners}, "addressType": "IPv4"}


def deployment_conditions(deployment: Thing, available: int, stamp: str) -> list[dict[str, Any]]:
    name, is_up = deployment["metadata"]["name"], bool(available)
    reason = "MinimumReplicasAvailable" if is_up else "MinimumReplicasUnavailable"
    said = f"Deployment {'has' if is_up else 'does not have'} minimum availability."
    stamps = {"lastTransitionTime": stamp, "lastUpdateTime": stamp}
    rolled = f'ReplicaSet of "{name}" is progressing.'
    return [
        {**stamps, "type": "Available", "status": str(is_up), "reason": reason, "message": said},
        {**stamps, "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": rolled},
    ]


def starting(pod: Thing, address: str, stamp: str, like: Thing | None) -> dict[str, Any]:
    """A pod that has its address, and whose containers are being made."""
    statuses = [
        {
            "name": each["name"],
            "image": each.get("image", ""),
            "imageID": "",
            "ready": False,
            "started": False,
            "restartCount": 0,
            "lastState": {},
            "state": {"waiting": {"reason": "ContainerCreating"}},
        }
        for each in pod["spec"]["containers"]
    ]
    host = like["status"].get("hostIP") if like else None
    head = {"phase": "Pending", "hostIP": host, "podIP": address, "podIPs": [{"ip": address}], "startTime": stamp}
    kept = {key: value for key, value in head.items() if value is not None}
    return {**kept, "conditions": _pod_conditions(False, stamp, ""), "containerStatuses": statuses}


def running(pod: Thing, fault: str, stamp: str) -> dict[str, Any]:
    killed = fault.startswith("OOMKilled")
    ended = {"exitCode": 137, "reason": "OOMKilled", "startedAt": stamp, "finishedAt": stamp}
    state = {"waiting": {"reason": "CrashLoopBackOff"}} if killed else {"running": {"startedAt": stamp}}
    statuses = [
        {
            **each,
            "ready": not fault,
            "started": not killed,
            "restartCount": 2 if killed else 0,
            "state": state,
            "lastState": {"terminated": ended} if killed else {},
        }
        for each in pod["status"]["containerStatuses"]
    ]
    unready = "" if not fault else f"containers with unready status: [{statuses[0]['name']}]"
    conditions = _pod_conditions(not fault, stamp, unready)
    return {**pod["status"], "phase": "Running", "conditions": conditions, "containerStatuses": statuses}


def _pod_conditions(ready: bool, stamp: str, why: str) -> list[dict[str, Any]]:
    told = {"reason": "ContainersNotReady", "message": why} if why else {}
    word = str(ready)
    return [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp},
        {"type": "Initialized", "status": "True", "lastTransitionTime": stamp},
        {"type": "Ready", "status": word, "lastTransitionTime": stamp, **told},
        {"type": "ContainersReady", "status": word, "lastTransitionTime": stamp, **told},
    ]
