"""The DaemonSet of kai-probe as the chart installs it: one sleeping pod on each node."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from lab.cluster.controllers import LETTERS
from lab.cluster.shift import stamp_of
from lab.cluster.store import Thing
from lab.cluster.users import PROBE_NAMESPACE

LABELS = {
    "app.kubernetes.io/name": "kai-probe",
    "app.kubernetes.io/instance": "kai",
    "app.kubernetes.io/component": "probe",
    "app.kubernetes.io/part-of": "kai",
}
CONTAINER = {"name": "probe", "image": "kai-netdebug", "command": ["kai-probe", "serve"], "resources": {}}
AGE = timedelta(days=3)


def probe_objects(nodes: list[Thing], now: datetime, address_of: Callable[[int], str] | None = None) -> list[Thing]:
    """The namespace, the DaemonSet and its pods. Installed long ago, so that no change is seen in them.

    `address_of` the n-th node's probe, where one listens; else the pods have addresses like all others.
    """
    stamp = stamp_of(now - AGE)
    space = _meta(PROBE_NAMESPACE, stamp) | {"labels": {"kubernetes.io/metadata.name": PROBE_NAMESPACE}}
    count = len(nodes)
    numbers = {"currentNumberScheduled": count, "desiredNumberScheduled": count, "numberReady": count}
    selector = {"matchLabels": {key: LABELS[key] for key in list(LABELS)[:2]}}
    daemon_set = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {**_meta("kai-probe", stamp), "namespace": PROBE_NAMESPACE, "labels": LABELS, "generation": 1},
        "spec": {
            "selector": selector,
            "template": {"metadata": {"labels": LABELS}, "spec": {"hostPID": True, "containers": [CONTAINER]}},
        },
        "status": {**numbers, "numberAvailable": count, "numberMisscheduled": 0, "observedGeneration": 1},
    }
    named = {"apiVersion": "v1", "kind": "Namespace", "metadata": space, "spec": {}, "status": {"phase": "Active"}}
    return [named, daemon_set, *_pods(nodes, daemon_set, stamp, address_of)]


def _pods(nodes: list[Thing], owner: Thing, stamp: str, address_of: Callable[[int], str] | None) -> Iterator[Thing]:
    uid = owner["metadata"]["uid"]
    owners = [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "kai-probe", "uid": uid, "controller": True}]
    for number, node in enumerate(nodes):
        name = node["metadata"]["name"]
        block = ip_network(node["spec"].get("podCIDR") or f"10.244.{number}.0/24")
        usual = str(ip_address(int(block.network_address) + 253))
        address = usual if address_of is None else address_of(number)
        conditions = [
            {"type": each, "status": "True", "lastTransitionTime": stamp}
            for each in ("PodScheduled", "Initialized", "Ready", "ContainersReady")
        ]
        state = {"running": {"startedAt": stamp}}
        running = {"name": "probe", "image": "kai-netdebug", "ready": True, "started": True, "restartCount": 0}
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **_meta(f"kai-probe-{LETTERS[number % 20] * 5}", stamp),
                "namespace": PROBE_NAMESPACE,
                "labels": LABELS,
                "ownerReferences": owners,
                "generation": 1,
            },
            "spec": {"hostPID": True, "nodeName": name, "restartPolicy": "Always", "containers": [CONTAINER]},
            "status": {
                "phase": "Running",
                "podIP": address,
                "podIPs": [{"ip": address}],
                "startTime": stamp,
                "conditions": conditions,
                "containerStatuses": [{**running, "lastState": {}, "state": state}],
            },
        }


def _meta(name: str, stamp: str) -> Thing:
    return {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": stamp, "resourceVersion": "1"}
