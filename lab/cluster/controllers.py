"""The controllers of the lab: EndpointSlices follow Services and pods, and a changed Deployment replaces its pods.

They act on what changes, never on what was recorded. A new pod becomes ready after a start-up time, if the lab can
tell that it would: enough memory after an OOM kill, a readiness probe on a port that is served and a path that is
known to answer. Where it cannot tell, the pod stays unready and `doubts` says why.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from lab.cluster.agenda import Agenda
from lab.cluster.bodies import deployment_conditions, empty_slice, is_ready, owner_reference, running, starting
from lab.cluster.dataplane import Dataplane, Delays
from lab.cluster.recording import ServedRecording
from lab.cluster.resources import Resource, ResourceCatalog
from lab.cluster.shift import stamp_of
from lab.cluster.store import ObjectStore, StoreEvent, Thing
from lab.cluster.writing import FieldManager, Pen
from sensors.kit.quantities import bytes_of

MANAGER = "kube-controller-manager"
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
ENOUGH_MEMORY_FACTOR = 2
"""How many times the limit that killed a container is taken to be enough. The recording does not say what it needs."""


@dataclass
class Controllers:
    store: ObjectStore
    catalog: ResourceCatalog
    pen: Pen
    agenda: Agenda
    dataplane: Dataplane
    recording: ServedRecording
    random: random.Random
    delays: Delays
    doubts: list[str] = field(default_factory=list)

    def hear(self, change: StoreEvent) -> None:
        kind, thing = change.resource.kind, change.thing
        space = str(thing["metadata"].get("namespace") or "")
        if kind == "Service" and change.type != "DELETED":
            self.agenda.after(self.delays.controller, lambda: self._slice(space, thing["metadata"]["name"]))
        elif kind == "Pod":
            for each in self._services_of(thing, change.before):
                self.agenda.after(self.delays.controller, lambda name=each: self._slice(space, name))  # type: ignore[misc]
        elif kind == "Deployment" and change.before is not None and _template(thing) != _template(change.before):
            self.agenda.after(self.delays.controller, lambda: self._roll(space, thing["metadata"]["name"]))

    def _resource(self, plural: str, group: str = "") -> Resource:
        return self.catalog.named(plural, group)

    # -- EndpointSlices ------------------------------------------------------------------------------------------------

    def _services_of(self, *pods: Thing | None) -> list[str]:
        found = []
        for pod in filter(None, pods):
            labels = (pod["metadata"].get("labels") or {}).items()
            for each in self.store.all(self._resource("services"), pod["metadata"]["namespace"]):
                selector = each["spec"].get("selector")
                if selector and selector.items() <= labels:
                    found.append(each["metadata"]["name"])
        return list(dict.fromkeys(found))

    def _slice(self, namespace: str, name: str) -> None:
        service = self.store.get(self._resource("services"), namespace, name)
        slices = self._resource("endpointslices", "discovery.k8s.io")
        if service is None or not service["spec"].get("selector"):
            return
        mine = [each for each in self.store.all(slices, namespace) if _of_service(each) == name]
        if not mine:
            self.pen.create(slices, namespace, empty_slice(service, self._suffix(5)), FieldManager(MANAGER))
            mine = [each for each in self.store.all(slices, namespace) if _of_service(each) == name]
        wanted = {"endpoints": list(self._endpoints(service)) or None, "ports": self._ports(service)}
        self.pen.change(slices, mine[0], {**mine[0], **wanted}, FieldManager(MANAGER))

    def _selected(self, service: Thing) -> Iterator[Thing]:
        selector = service["spec"]["selector"].items()
        for pod in self.store.all(self._resource("pods"), service["metadata"]["namespace"]):
            has_address = pod.get("status", {}).get("podIP") and pod["status"].get("phase") == "Running"
            if has_address and selector <= (pod["metadata"].get("labels") or {}).items():
                yield pod

    def _endpoints(self, service: Thing) -> Iterator[dict[str, Any]]:
        for pod in self._selected(service):
            meta, ready = pod["metadata"], is_ready(pod)
            target = {"kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
            yield {
                "addresses": [pod["status"]["podIP"]],
                "conditions": {"ready": ready, "serving": ready, "terminating": False},
                "nodeName": pod["spec"].get("nodeName"),
                "targetRef": target,
            }

    def _ports(self, service: Thing) -> list[dict[str, Any]] | None:
        pods = list(self._selected(service))
        found = []
        for port in service["spec"].get("ports") or ():
            number = _number(port.get("targetPort", port["port"]), pods)
            if number is not None:
                said = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
                found.append(said)
        return found if pods else None

    # -- Deployments ---------------------------------------------------------------------------------------------------

    def _roll(self, namespace: str, name: str) -> None:
        """New pods of the changed template; the old ones go when the new ones are ready (or never)."""
        deployments, sets = self._resource("deployments", "apps"), self._resource("replicasets", "apps")
        deployment = self.store.get(deployments, namespace, name)
        if deployment is None:
            return
        old = [each for each in self.store.all(sets, namespace) if _is_owned(each, deployment)]
        digest = _hash(deployment)
        if any(each["metadata"]["name"].endswith(f"-{digest}") and each["spec"]["replicas"] for each in old):
            return
        pods = [each for each in self._pods(namespace) if any(_is_owned(each, one) for one in old)]
        fresh = self._replica_set(sets, deployment, digest)
        self._status(deployment, 0, len(pods))
        copies = max(1, int(deployment["spec"].get("replicas") or 1))
        news = [self._pod(fresh, deployment, pods) for _ in range(copies)]
        recreate = (deployment["spec"].get("strategy") or {}).get("type") == "Recreate"
        if recreate:
            self._retire(pods, old)
        self.agenda.after(self.delays.start, lambda: self._started(deployment, fresh, news, pods, old))

    def _started(self, deployment: Thing, fresh: Thing, news: list[Thing], pods: list[Thing], old: list[Thing]) -> None:
        ready = 0
        for each in news:
            now = self.store.get(self._resource("pods"), *_name(each))
            if now is None:
                return  # replaced meanwhile
            fault = self._fault(now, pods)
            ready += not fault
            self.pen.set_status(self._resource("pods"), now, running(now, fault, stamp_of(self.agenda.now)), "kubelet")
            if fault:
                self.doubts.append(f"{'/'.join(_name(each))}: {fault}")
        if ready == len(news):
            self._retire(pods, old)
        now_set = self.store.get(self._resource("replicasets", "apps"), *_name(fresh))
        if now_set is not None:
            counts = {"replicas": len(news), "fullyLabeledReplicas": len(news), "readyReplicas": ready}
            status = {**counts, "availableReplicas": ready, "observedGeneration": 1}
            self.pen.set_status(self._resource("replicasets", "apps"), now_set, status, MANAGER)
        self._status(deployment, ready, 0 if ready == len(news) else len(pods))

    def _retire(self, pods: list[Thing], sets: list[Thing]) -> None:
        for each in pods:
            if (now := self.store.get(self._resource("pods"), *_name(each))) is not None:
                self.store.remove(self._resource("pods"), now)
        for each in sets:
            resource = self._resource("replicasets", "apps")
            now = self.store.get(resource, *_name(each))
            if now is not None and now["spec"].get("replicas"):
                changed = self.pen.change(
                    resource, now, {**now, "spec": {**now["spec"], "replicas": 0}}, FieldManager(MANAGER)
                )
                self.pen.set_status(resource, changed, {"replicas": 0, "observedGeneration": 2}, MANAGER)

    def _status(self, deployment: Thing, ready: int, others: int) -> None:
        resource = self._resource("deployments", "apps")
        now = self.store.get(resource, *_name(deployment))
        if now is None:
            return
        copies = int(now["spec"].get("replicas") or 1)
        keep = others if not ready else 0
        available = ready or sum(is_ready(each) for each in self._pods_of(now))
        status = {
            **now.get("status", {}),
            "replicas": copies + keep,
            "updatedReplicas": copies,
            "readyReplicas": available,
            "availableReplicas": available,
            "unavailableReplicas": max(0, copies + keep - available),
            "observedGeneration": now["metadata"].get("generation", 1),
            "conditions": deployment_conditions(now, available, stamp_of(self.agenda.now)),
        }
        status = {key: value for key, value in status.items() if value != 0}
        self.pen.set_status(resource, now, status, MANAGER)

    # -- making pods ---------------------------------------------------------------------------------------------------

    def _pods(self, namespace: str) -> list[Thing]:
        return self.store.all(self._resource("pods"), namespace)

    def _pods_of(self, deployment: Thing) -> list[Thing]:
        space = deployment["metadata"]["namespace"]
        sets = [
            each for each in self.store.all(self._resource("replicasets", "apps"), space) if _is_owned(each, deployment)
        ]
        return [each for each in self._pods(space) if any(_is_owned(each, one) for one in sets)]

    def _replica_set(self, resource: Resource, deployment: Thing, digest: str) -> Thing:
        meta, spec = deployment["metadata"], deployment["spec"]
        labels = {**(spec["template"]["metadata"].get("labels") or {}), "pod-template-hash": digest}
        template = copy.deepcopy(spec["template"])
        template["metadata"] = {**template["metadata"], "labels": labels}
        selector = {"matchLabels": {**(spec["selector"].get("matchLabels") or {}), "pod-template-hash": digest}}
        body = {
            "metadata": {
                "name": f"{meta['name']}-{digest}",
                "labels": labels,
                "ownerReferences": [owner_reference(deployment, resource.api, "Deployment")],
            },
            "spec": {"replicas": spec.get("replicas", 1), "selector": selector, "template": template},
        }
        known = self.store.get(resource, meta["namespace"], body["metadata"]["name"])
        if known is not None:
            return self.pen.change(
                resource,
                known,
                {**known, "spec": {**known["spec"], "replicas": spec.get("replicas", 1)}},
                FieldManager(MANAGER),
            )
        return self.pen.create(resource, meta["namespace"], body, FieldManager(MANAGER))

    def _pod(self, owner: Thing, deployment: Thing, old: list[Thing]) -> Thing:
        """A pod beside the old one: same node, a free address, a name of its own."""
        meta, template = owner["metadata"], owner["spec"]["template"]
        like = old[0] if old else None
        name = f"{meta['name']}-{self._suffix(5)}"
        node = like["spec"].get("nodeName") if like else self._some_node()
        kept = {
            key: like["spec"][key] for key in ("serviceAccountName", "serviceAccount") if like and key in like["spec"]
        }
        spec = {**copy.deepcopy(template["spec"]), **kept, "nodeName": node}
        body = {
            "metadata": {
                "name": name,
                "labels": dict(template["metadata"]["labels"]),
                "ownerReferences": [owner_reference(owner, "apps/v1", "ReplicaSet")],
            },
            "spec": spec,
        }
        pod = self.pen.create(self._resource("pods"), meta["namespace"], body, FieldManager(MANAGER))
        if like is not None:
            self.dataplane.ancestors[(meta["namespace"], name)] = _name(like)
        status = starting(pod, self._free_address(node), stamp_of(self.agenda.now), like)
        return self.pen.set_status(self._resource("pods"), pod, status, "kubelet")

    def _free_address(self, node: str) -> str:
        taken = {each.get("status", {}).get("podIP") for each in self.store.all(self._resource("pods"))}
        here = [each for each in self.store.all(self._resource("nodes")) if each["metadata"]["name"] == node]
        block = (here[0]["spec"].get("podCIDR") if here else None) or "10.244.0.0/24"
        network = ip_network(block)
        start = int(network.network_address) + 20
        return next(str(ip_address(each)) for each in range(start, start + 200) if str(ip_address(each)) not in taken)

    def _some_node(self) -> str:
        nodes = self.store.all(self._resource("nodes"))
        return str(nodes[0]["metadata"]["name"]) if nodes else ""

    def _suffix(self, length: int) -> str:
        return "".join(self.random.choice(LETTERS) for _ in range(length))

    # -- whether a pod would be ready ----------------------------------------------------------------------------------

    def _fault(self, pod: Thing, old: list[Thing]) -> str:
        """The reason why a new pod would not become ready; empty where it would."""
        for container in pod["spec"]["containers"]:
            fault = _memory_fault(container, old) or self._probe_fault(container, pod)
            if fault:
                return fault
        return ""

    def _probe_fault(self, container: Mapping[str, Any], pod: Thing) -> str:
        probe = container.get("readinessProbe")
        if not probe:
            return ""
        if probe.get("exec"):
            return "whether the command of its readiness probe succeeds is not known here"
        asked = probe.get("httpGet") or probe.get("tcpSocket") or {}
        port = _number(asked.get("port"), [pod])
        listening = self.recording.listening(self.dataplane.ancestor(_name(pod)))
        declared = {each["containerPort"] for each in container.get("ports") or ()}
        served = listening.get(port or 0) if listening is not None else port in declared or _is_health(container, port)
        if not served:
            return f"Readiness probe failed: dial tcp {pod['status'].get('podIP')}:{port}: connect: connection refused"
        path = str(asked.get("path") or "/")
        if "httpGet" in probe and listening is not None and path not in self._known_paths(pod):
            return f"Readiness probe failed: whether GET {path} succeeds is not known here"
        return ""

    def _known_paths(self, pod: Thing) -> set[str]:
        """Paths that clients of the recording ask for: they are what the program serves."""
        wanted = {"/"}
        for each in self.dataplane.of_kind("Pod"):
            for container in each["spec"]["containers"]:
                probe = (container.get("readinessProbe") or {}).get("httpGet") or {}
                if is_ready(each) and _is_alike(each, pod) and probe.get("path"):
                    wanted.add(probe["path"])
        return wanted


def _memory_fault(container: Mapping[str, Any], old: list[Thing]) -> str:
    limit = bytes_of(((container.get("resources") or {}).get("limits") or {}).get("memory"))
    for pod in old:
        for status in pod.get("status", {}).get("containerStatuses") or ():
            ends = [(status.get(key) or {}).get("terminated") or {} for key in ("lastState", "state")]
            if status["name"] != container["name"] or not any(each.get("reason") == "OOMKilled" for each in ends):
                continue
            had = next(each for each in pod["spec"]["containers"] if each["name"] == container["name"])
            killed = bytes_of(((had.get("resources") or {}).get("limits") or {}).get("memory")) or 0
            if limit is not None and limit < ENOUGH_MEMORY_FACTOR * killed:
                return f"OOMKilled: less than {ENOUGH_MEMORY_FACTOR} times the limit it died with"
    return ""


def _is_health(container: Mapping[str, Any], port: int | None) -> bool:
    """CoreDNS serves its own health ports without declaring them."""
    return "coredns" in str(container.get("image", "")) + container["name"] and port in (8080, 8181, 9153)


def _is_alike(one: Thing, other: Thing) -> bool:
    here, there = (each["metadata"].get("labels") or {} for each in (one, other))
    return one["metadata"]["namespace"] == other["metadata"]["namespace"] and here.get("app") == there.get("app")


def _template(deployment: Thing) -> Any:
    return deployment["spec"].get("template")


def _hash(deployment: Thing) -> str:
    said = json.dumps(_template(deployment), sort_keys=True).encode()
    number = int(hashlib.sha256(said).hexdigest()[:12], 16)
    digits = ""
    for _ in range(9):
        number, rest = divmod(number, len(LETTERS))
        digits += LETTERS[rest]
    return digits


def _name(thing: Thing) -> tuple[str, str]:
    return str(thing["metadata"]["namespace"]), str(thing["metadata"]["name"])


def _is_owned(thing: Thing, owner: Thing) -> bool:
    uid = owner["metadata"].get("uid")
    return any(each.get("uid") == uid for each in thing["metadata"].get("ownerReferences") or ())


def _of_service(thing: Thing) -> str:
    return str((thing["metadata"].get("labels") or {}).get("kubernetes.io/service-name", ""))


def _number(port: Any, pods: list[Thing]) -> int | None:
    """A port by number, or by the name one of the pods gives it."""
    if isinstance(port, int):
        return port
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for each in container.get("ports") or ():
                if each.get("name") == port:
                    return int(each["containerPort"])
    return None
