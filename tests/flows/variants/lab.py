"""Writes incidents that nobody recorded, as case folders: a real recording, edited the way the real lab would have.

Everything here is synthetic and says so (`synthetic: true`). The shapes are not: objects come from the recording
`search-to-index` (Kubernetes 1.36, Cilium 1.20, two nodes), flows have the fields and the order that the same lab's
relay gave for the same fate of a packet. `search` (lab1) calls `index` (lab2, Service index:80 → 8080).
"""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from tests.kit.cases import CASES

Json = dict[str, Any]

BASE = "search-to-index"
NS, CLIENT, SERVER = "search", "search-77d6b7cd7-29rqp", "index-8479d57547-hc9jp"
CLIENT_IP, SERVER_IP, VIP = "10.244.0.246", "10.244.1.245", "10.96.51.29"
COREDNS, COREDNS_IP, RESOLVER = "coredns-6f5d4d5d8c-hkfmk", "10.244.0.240", "10.96.0.10"
LAB1, LAB2 = "172.30.0.11", "172.30.0.12"
API = "10.96.0.1"
NOW = datetime.fromisoformat("2026-11-23T21:17:32+00:00")
BEGAN = NOW - timedelta(seconds=15)
HOME = f"pods/{NS}/{CLIENT}"
THERE = f"pods/{NS}/{SERVER}"


@cache
def _recorded() -> bytes:
    folder, parts = CASES / BASE, {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        parts[str(path.relative_to(folder))] = path.read_text()
    objects = {
        Path(name).stem: yaml.load(text, yaml.CSafeLoader)["items"]
        for name, text in parts.items()
        if name.startswith("objects/")
    }
    flows = [json.loads(line) for line in parts.pop("flows.jsonl").splitlines()]
    files = {name: text for name, text in parts.items() if not name.startswith(("objects/", "case.yaml"))}
    return pickle.dumps(
        {"objects": objects, "flows": flows, "files": files, "header": yaml.safe_load(parts["case.yaml"])}
    )


@dataclass(frozen=True)
class Side:
    """One end of a packet as hubble prints it."""

    ip: str
    node: str = ""
    namespace: str = ""
    pod: str = ""
    labels: tuple[str, ...] = ()
    identity: int = 2
    names: tuple[str, ...] = ()

    def seen_from(self, node: str) -> Json:
        said: Json = {"identity": self.identity, "labels": list(self.labels)}
        if not self.pod:
            return said
        said |= {"cluster_name": "default", "namespace": self.namespace, "pod_name": self.pod}
        if node == self.node:
            name = self.pod.rsplit("-", 2)[0]
            said |= {"ID": 1000 + self.identity % 1000, "workloads": [{"name": name, "kind": "Deployment"}]}
        return said


def pod_side(namespace: str, pod: str, ip: str, node: str, identity: int, **labels: str) -> Side:
    told = labels or {"app": pod.rsplit("-", 2)[0]}
    return Side(
        ip,
        node,
        namespace,
        pod,
        (
            *(f"k8s:{key}={value}" for key, value in told.items()),
            f"k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name={namespace}",
            "k8s:io.cilium.k8s.policy.cluster=default",
            "k8s:io.cilium.k8s.policy.serviceaccount=default",
            f"k8s:io.kubernetes.pod.namespace={namespace}",
        ),
        identity,
    )


ME = pod_side(NS, CLIENT, CLIENT_IP, "lab1", 33110, app="search")
INDEX = pod_side(NS, SERVER, SERVER_IP, "lab2", 41877, app="index")
DNS = pod_side("kube-system", COREDNS, COREDNS_IP, "lab1", 24444, **{"k8s-app": "kube-dns"})
API_SERVER = Side(LAB1, "lab1", labels=("reserved:host", "reserved:kube-apiserver"), identity=1)
OTHER_NODE = Side(LAB2, "lab2", labels=("reserved:remote-node",), identity=6)


def world(ip: str, *names: str, cidr: str = "") -> Side:
    labels = (f"cidr:{cidr}", "reserved:world") if cidr else ("reserved:world",)
    return Side(ip, labels=labels, identity=16777222 if cidr else 2, names=names)


@dataclass
class Incident:
    """A recording in memory, to be edited and written as a case folder."""

    objects: dict[str, list[Json]]
    flows: list[Json]
    files: dict[str, str]
    header: Json
    ports: Iterable[int] = field(default_factory=lambda: count(40001))
    ids: Iterable[int] = field(default_factory=lambda: count(1))

    # -- objects ----------------------------------------------------------------------------------------------------

    def find(self, kind: str, name: str, namespace: str | None = None) -> Json:
        for each in self.objects[kind]:
            meta = each["metadata"]
            if meta["name"].startswith(name) and namespace in (None, meta.get("namespace")):
                return each
        raise LookupError(f"{kind} {name}")

    def add(self, kind: str, *things: Json) -> None:
        self.objects.setdefault(kind, []).extend(things)

    def drop(self, kind: str, name: str, namespace: str | None = None) -> None:
        self.objects[kind].remove(self.find(kind, name, namespace))

    def policy(
        self, name: str, spec: Json, namespace: str = NS, *, kind: str = "NetworkPolicy", age: float = 16
    ) -> None:
        plural, group = {
            "NetworkPolicy": ("networkpolicies", "networking.k8s.io/v1"),
            "CiliumNetworkPolicy": ("ciliumnetworkpolicies", "cilium.io/v2"),
            "CiliumClusterwideNetworkPolicy": ("ciliumclusterwidenetworkpolicies", "cilium.io/v2"),
        }[kind]
        when = stamp(NOW - timedelta(seconds=age))
        fields = [{"manager": "kubectl-client-side-apply", "operation": "Update", "time": when,
                   "apiVersion": group, "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}]  # fmt: skip
        meta = {"name": name, "creationTimestamp": when, "generation": 1, "uid": f"p-{name}", "resourceVersion": "3900",
                "managedFields": fields}  # fmt: skip
        if kind != "CiliumClusterwideNetworkPolicy":
            meta["namespace"] = namespace
        self.add(plural, {"apiVersion": group, "kind": kind, "metadata": meta, "spec": spec})

    def namespace(self, name: str, **labels: str) -> None:
        new = copy.deepcopy(self.find("namespaces", NS))
        new["metadata"] |= {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}, "uid": f"n-{name}"}
        self.add("namespaces", new)

    def workload(
        self, name: str, namespace: str, side: Side, *, port: int = 8080, service_port: int | None = 80, vip: str = ""
    ) -> None:
        """Another Deployment like index: its pod, and its Service unless `service_port` is None."""
        app = {"app": name}
        for kind, of in (("pods", SERVER), ("replicasets", "index"), ("deployments", "index")):
            new = copy.deepcopy(self.find(kind, of, NS))
            text = json.dumps(new).replace(SERVER, side.pod).replace('"index', f'"{name}')
            text = text.replace(f'"namespace": "{NS}"', f'"namespace": "{namespace}"').replace(SERVER_IP, side.ip)
            text = text.replace("8080", str(port)).replace('"lab2"', f'"{side.node}"')
            new = json.loads(text)
            new["metadata"].pop("annotations", None)
            if kind == "pods":
                new["metadata"]["name"] = side.pod
            self.add(kind, new)
        if service_port is not None:
            self.service(name, namespace, app, service_port, port, vip, [(side, True)])

    def service(
        self, name: str, namespace: str, selector: Json, port: int, target: int | str, vip: str,
        ends: list[tuple[Side, bool]], protocol: str = "TCP",
    ) -> None:  # fmt: skip
        new = copy.deepcopy(self.find("services", "index", NS))
        new["metadata"] |= {"name": name, "namespace": namespace, "uid": f"s-{name}"}
        new["metadata"].pop("annotations", None)
        row = {"name": "http", "port": port, "protocol": protocol, "targetPort": target}
        new["spec"] |= {"selector": selector, "clusterIP": vip, "clusterIPs": [vip], "ports": [row]}
        part = copy.deepcopy(self.find("endpointslices", "index", NS))
        part["metadata"] |= {"name": f"{name}-abcde", "namespace": namespace}
        part["metadata"]["labels"]["kubernetes.io/service-name"] = name
        part["ports"] = [{"name": "http", "port": target, "protocol": protocol}] if ends else None
        part["endpoints"] = [endpoint(side, ready) for side, ready in ends] or None
        self.add("services", new)
        self.add("endpointslices", part)

    def unready(self, pod: Json, waits: str = "", message: str = "", restarts: int = 0, **last: Any) -> None:
        """A pod that runs and is not ready, or that waits for `waits`; `last` is how its container last ended."""
        status = pod["status"]
        for each in status["conditions"]:
            if each["type"] in ("Ready", "ContainersReady"):
                each |= {"status": "False", "reason": "ContainersNotReady",
                         "message": f"containers with unready status: [{pod['spec']['containers'][0]['name']}]"}  # fmt: skip
        box = status["containerStatuses"][0]
        box |= {"ready": False, "restartCount": restarts}
        if waits:
            box |= {"started": False, "state": {"waiting": {"reason": waits, "message": message}}}
        if last:
            box["lastState"] = {"terminated": {"finishedAt": stamp(NOW - timedelta(seconds=9)), **last}}

    def slice_of(self, service: str, namespace: str = NS) -> Json:
        return self.find("endpointslices", service, namespace)

    def event(
        self, about: Json, reason: str, message: str, *, kind: str = "Pod", age: float = 5, times: int = 4
    ) -> None:
        meta = about["metadata"]
        self.add("events", {
            "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": reason, "message": message,
            "count": times, "firstTimestamp": stamp(NOW - timedelta(seconds=age + 10)),
            "lastTimestamp": stamp(NOW - timedelta(seconds=age)),
            "metadata": {"name": f"e{next(iter(self.ids))}", "namespace": meta.get("namespace", "default"),
                         "creationTimestamp": stamp(NOW - timedelta(seconds=age))},
            "involvedObject": {"kind": kind, "name": meta["name"], "namespace": meta.get("namespace", "")},
            "source": {"component": "kubelet"},
        })  # fmt: skip

    def aged(self, age: timedelta, name: str = CLIENT) -> None:
        """The pod has been there that long."""
        pod = self.find("pods", name)
        pod["metadata"]["creationTimestamp"] = pod["status"]["startTime"] = stamp(NOW - age)
        for each in pod["status"]["containerStatuses"]:
            each["state"]["running"]["startedAt"] = stamp(NOW - age)

    # -- what the pod tried -----------------------------------------------------------------------------------------

    def quiet(self, *, lookups: bool = False) -> None:
        """Forget what the client was seen doing (its look-ups, too, if asked)."""

        def mine(line: Json) -> bool:
            flow = line.get("flow") or {}
            pods = {flow.get(side, {}).get("pod_name") for side in ("source", "destination")}
            udp = "UDP" in (flow.get("l4") or {})
            return CLIENT in pods and (lookups or not udp)

        self.flows = [each for each in self.flows if not mine(each)]

    def sees(self, *packets: Json) -> None:
        self.flows += [{"flow": each, "node_name": each["node_name"], "time": each["time"]} for each in packets]

    def calls(
        self, there: Side, port: int, fate: str, *, times: int = 10, every: float = 1.0, since: datetime = BEGAN,
        me: Side = ME, by: Json | None = None,
    ) -> None:  # fmt: skip
        """The client's attempts at one door, all with the same fate (see `FATES`)."""
        for number in range(times):
            at = since + timedelta(seconds=number * every)
            wire = Wire(me, there, next(iter(self.ports)), port, at)
            self.sees(*FATES[fate](wire, by))

    def asked(self, to: str | None) -> None:
        self.header["target"]["to"] = to
        if to is None:
            self.header["target"].pop("to")

    def doors(self, *rows: tuple[Any, ...]) -> None:
        """connect.json: (host, port, result[, address]); the API server and the resolver open unless told."""
        known = {(each[0], each[1]) for each in rows}
        usual = [each for each in ((API, 443, "open"), (RESOLVER, 53, "open")) if each[:2] not in known]
        self.files[f"{HOME}/connect.json"] = json.dumps([door(*each) for each in (*rows, *usual)])

    def served(
        self, name: str, port: int, vip: str, ends: list[tuple[str, int]], result: str, direct: str = ""
    ) -> None:
        """The usual doors of a Service: by name, by its address, and each backend."""
        rows = [(name, port, result, vip), (vip, port, result)]
        self.doors(*rows, *((ip, number, direct or result) for ip, number in ends))

    def names(self, *rows: Json) -> None:
        self.files[f"{HOME}/dns.json"] = json.dumps([*always(), *rows])

    def only_names(self, *rows: Json) -> None:
        self.files[f"{HOME}/dns.json"] = json.dumps(list(rows))

    def log(self, *lines: str) -> None:
        self.files[f"logs/{NS}/{CLIENT}/search.log"] = "\n".join(lines) + "\n"

    def fails(self, url: str, words: str, code: str = "000", took: float = 3.0) -> None:
        """The client's log, as its curl loop writes it."""
        lines = []
        for number in range(12):
            at = stamp(BEGAN + timedelta(seconds=number * 1.3 + 1))
            lines += [f'{at} level=error msg="GET {url} failed" err="{words}', f'{code} {took:.6f}s"']
        self.log(*lines)

    def works(self, url: str) -> None:
        times = (stamp(BEGAN + timedelta(seconds=number)) for number in range(15))
        self.log(*(f'{at} level=info msg="GET {url}" status="200 0.003000s"' for at in times))

    def no_mtu(self) -> None:
        self.files[f"{HOME}/pmtu.json"] = "[]"

    # -- writing ----------------------------------------------------------------------------------------------------

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "case.yaml").write_text(json.dumps(self.header))
        (folder / "objects").mkdir(exist_ok=True)
        for kind, things in self.objects.items():
            (folder / "objects" / f"{kind}.yaml").write_text(
                json.dumps({"apiVersion": "v1", "kind": "List", "items": things})
            )
        ordered = sorted(self.flows, key=lambda each: each.get("time", ""))
        (folder / "flows.jsonl").write_text("\n".join(map(json.dumps, ordered)))
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder


def recording(*, calm: bool = False) -> Incident:
    """The recorded calm incident without its policy; unless `calm`, without what the client was seen to try."""
    kept = pickle.loads(_recorded())  # four times as fast as a deep copy, and there are hundreds
    incident = Incident(kept["objects"], kept["flows"], kept["files"], kept["header"])
    incident.header["synthetic"] = True
    incident.objects["networkpolicies"] = []
    for line in incident.flows:
        for key in ("egress_allowed_by", "ingress_allowed_by"):
            (line.get("flow") or {}).pop(key, None)
    incident.flows = [
        each for each in incident.flows if (each.get("flow") or {}).get("event_type", {}).get("type") != 5
    ]
    rows = json.loads(incident.files[f"{HOME}/connect.json"])
    incident.doors(*((each["host"], each["port"], "open", each.get("address", "")) for each in rows))
    mtu = [{"destination": SERVER_IP, "method": "icmp-echo-df", "route_mtu": 1450, "mtu": 1450}]
    incident.files[f"{HOME}/pmtu.json"] = json.dumps(mtu)
    incident.works("http://index/")
    if not calm:
        incident.quiet()
    return incident


# -- small words -------------------------------------------------------------------------------------------------------


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def endpoint(side: Side, ready: bool = True) -> Json:
    return {
        "addresses": [side.ip],
        "conditions": {"ready": ready, "serving": ready, "terminating": False},
        "nodeName": side.node,
        "targetRef": {"kind": "Pod", "name": side.pod, "namespace": side.namespace},
    }


def door(host: str, port: int, result: str, address: str = "") -> Json:
    errno = {"timeout": "ETIMEDOUT", "refused": "ECONNREFUSED", "unreachable": "EPERM", "reset": "ECONNRESET"}
    row: Json = {"host": host, "port": port, "protocol": "tcp", "result": result}
    row |= {"address": address} if address else {}
    row |= {"errno": errno[result]} if result in errno else {}
    return row | {"ms": 2502.1 if result == "timeout" else 1.1}


SEARCH = (f"{NS}.svc.cluster.local", "svc.cluster.local", "cluster.local")


def lookup(name: str, rcode: str = "NOERROR", *addresses: str, ms: float = 0.7, server: str = RESOLVER) -> Json:
    return {"name": name, "qtype": "A", "server": server, "rcode": rcode, "addresses": list(addresses), "ms": ms}


def mute(name: str, error: str = "timeout", ms: float = 2503.0, server: str = RESOLVER) -> Json:
    return {"name": name, "qtype": "A", "server": server, "error": error, "addresses": [], "ms": ms}


def found(name: str, *addresses: str, ms: float = 0.7) -> list[Json]:
    """A name with its search list before it, as ndots:5 has it."""
    if "." not in name:
        return [lookup(f"{name}.{SEARCH[0]}", "NOERROR", *addresses, ms=ms)]
    plain = name.rstrip(".")
    dead = [] if name.endswith(".") else [lookup(f"{plain}.{each}", "NXDOMAIN", ms=ms) for each in SEARCH]
    return [*dead, lookup(plain, "NOERROR", *addresses, ms=ms)]


def missing(name: str, last: str = "NXDOMAIN") -> list[Json]:
    plain = name.rstrip(".")
    dead = [] if name.endswith(".") else [lookup(f"{plain}.{each}", "NXDOMAIN") for each in SEARCH]
    return [*dead, lookup(plain, last)]


def always() -> list[Json]:
    return found("kubernetes.default.svc.cluster.local", API)


# -- the fates of a packet ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wire:
    me: Side
    there: Side
    mine: int
    port: int
    at: datetime

    def packet(
        self, flags: str, *, node: str, later: float = 0.0, back: bool = False, point: str = "", direction: str = "EGRESS",
        drop: int = 0, event: int = 4, verdict: str = "FORWARDED", **more: Any,
    ) -> Json:  # fmt: skip
        ends = (self.there, self.me) if back else (self.me, self.there)
        ports = (self.port, self.mine) if back else (self.mine, self.port)
        when = self.at + timedelta(seconds=later)
        flow: Json = {
            "time": when.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z",
            "uuid": f"{self.mine}-{later}-{back}-{node}-{event}-{point}-{self.at.timestamp()}-{flags}-{more.get('l7')}",
            "verdict": "DROPPED" if drop else verdict,
            "IP": {"source": ends[0].ip, "destination": ends[1].ip, "ipVersion": "IPv4"},
            "l4": {"TCP": {"source_port": ports[0], "destination_port": ports[1],
                           "flags": dict.fromkeys(flags.split(), True)}},
            "source": ends[0].seen_from(node),
            "destination": ends[1].seen_from(node),
            "Type": "L3_L4",
            "node_name": node,
            "event_type": {"type": event, **({"sub_type": drop} if drop and event == 1 else {})},
            "traffic_direction": direction,
        }  # fmt: skip
        if flags == "UDP":
            flow["l4"] = {"UDP": {"source_port": ports[0], "destination_port": ports[1]}}
        if drop:
            flow |= {"drop_reason": drop, "drop_reason_desc": REASONS[drop]}
        elif event == 4:
            flow |= {"trace_observation_point": point, "is_reply": back, "trace_reason": "REPLY" if back else "NEW"}
        if self.there.names:
            flow["source_names" if back else "destination_names"] = list(self.there.names)
        return flow | {key: value for key, value in more.items() if value is not None}

    @property
    def near(self) -> str:
        return self.me.node

    @property
    def far(self) -> str:
        return self.there.node if self.there.pod else ""

    @property
    def crosses(self) -> bool:
        return bool(self.far) and self.far != self.near


REASONS = {
    133: "POLICY_DENIED", 181: "POLICY_DENY", 151: "STALE_OR_UNROUTABLE_IP", 158: "SERVICE_BACKEND_NOT_FOUND",
    155: "CT_MAP_INSERTION_FAILED", 160: "NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT", 189: "AUTH_REQUIRED",
    191: "SNAT_NO_MAP_FOUND", 136: "CT_MISSING_TCP_ACK_FLAG", 177: "DENIED_BY_LB_SRC_RANGE_CHECK",
}  # fmt: skip


def _out(wire: Wire, flags: str, later: float = 0.0) -> list[Json]:
    """A packet on its way there, as both nodes see it."""
    if not wire.far:
        point = "TO_STACK" if wire.there.identity == 1 else "TO_NETWORK"
        return [wire.packet(flags, node=wire.near, later=later, point=point)]
    sent = [wire.packet(flags, node=wire.near, later=later, point="TO_OVERLAY")] if wire.crosses else []
    return [*sent, wire.packet(flags, node=wire.far, later=later + 0.0002, point="TO_ENDPOINT")]


def _back(wire: Wire, flags: str, later: float) -> list[Json]:
    sent = []
    if wire.crosses:
        sent = [wire.packet(flags, node=wire.far, later=later, back=True, point="TO_OVERLAY", direction="INGRESS")]
    return [*sent, wire.packet(flags, node=wire.near, later=later + 0.0002, back=True, point="TO_ENDPOINT")]


def opened(wire: Wire, by: Json | None = None) -> list[Json]:
    talk = [*_out(wire, "SYN"), *_back(wire, "SYN ACK", 0.001), *_out(wire, "ACK PSH", 0.002)]
    return [*talk, *_back(wire, "ACK PSH", 0.004), *_out(wire, "ACK FIN", 0.005), *_back(wire, "ACK FIN", 0.006)]


def silent_after_opening(wire: Wire, by: Json | None = None) -> list[Json]:
    return [
        *_out(wire, "SYN"),
        *_back(wire, "SYN ACK", 0.001),
        *_out(wire, "ACK PSH", 0.002),
        *_out(wire, "ACK FIN", 3.0),
    ]


def torn(wire: Wire, by: Json | None = None) -> list[Json]:
    return [
        *_out(wire, "SYN"),
        *_back(wire, "SYN ACK", 0.001),
        *_out(wire, "ACK PSH", 0.002),
        *_back(wire, "ACK RST", 0.004),
    ]


def refused(wire: Wire, by: Json | None = None) -> list[Json]:
    return [*_out(wire, "SYN"), *_back(wire, "RST ACK", 0.001)]


def unanswered(wire: Wire, by: Json | None = None) -> list[Json]:
    return _out(wire, "SYN")


def lost_on_the_way(wire: Wire, by: Json | None = None) -> list[Json]:
    return [wire.packet("SYN", node=wire.near, point="TO_OVERLAY")]


def _denied(wire: Wire, node: str, direction: str, reason: int, by: Json | None, flags: str = "SYN") -> list[Json]:
    key = f"{direction.lower()}_denied_by"
    found = []
    for later in (0.0, 1.0):
        found.append(wire.packet(flags, node=node, later=later, drop=reason, event=5, direction=direction,
                                 **{key: [by] if by else None}))  # fmt: skip
        found.append(wire.packet(flags, node=node, later=later + 0.00004, drop=reason, event=1, direction=direction))
    return found


def egress_denied(wire: Wire, by: Json | None = None) -> list[Json]:
    return _denied(wire, wire.near, "EGRESS", 133, by)


def egress_deny(wire: Wire, by: Json | None = None) -> list[Json]:
    return _denied(wire, wire.near, "EGRESS", 181, by)


def ingress_denied(wire: Wire, by: Json | None = None) -> list[Json]:
    sent = [wire.packet("SYN", node=wire.near, point="TO_OVERLAY")] if wire.crosses else []
    return [*sent, *_denied(wire, wire.far or wire.near, "INGRESS", 133, by)]


def ingress_deny(wire: Wire, by: Json | None = None) -> list[Json]:
    sent = [wire.packet("SYN", node=wire.near, point="TO_OVERLAY")] if wire.crosses else []
    return [*sent, *_denied(wire, wire.far or wire.near, "INGRESS", 181, by)]


def lookup_denied(wire: Wire, by: Json | None = None) -> list[Json]:
    return _denied(wire, wire.near, "EGRESS", 133, by, "UDP")


def looked_up(wire: Wire, by: Json | None = None) -> list[Json]:
    return [*_out(wire, "UDP"), *_back(wire, "UDP", 0.001)]


def stale(wire: Wire, by: Json | None = None) -> list[Json]:
    """A gone pod's address: the packet crosses, and the other node has no such endpoint."""
    gone = Side(wire.there.ip, labels=("reserved:world",))
    there = replace(wire, there=gone)
    return [
        replace(there, there=gone).packet("SYN", node=wire.near, point="TO_OVERLAY"),
        there.packet("SYN", node="lab2", later=0.0002, drop=151, event=1, direction="INGRESS"),
    ]


def no_backend(wire: Wire, by: Json | None = None) -> list[Json]:
    return [wire.packet("SYN", node=wire.near, later=each, drop=158, event=1) for each in (0.0, 1.0, 2.0)]


def full_map(wire: Wire, by: Json | None = None) -> list[Json]:
    return [wire.packet("SYN", node=wire.near, later=each, drop=155, event=1) for each in (0.0, 1.0)]


def no_ports(wire: Wire, by: Json | None = None) -> list[Json]:
    return [wire.packet("SYN", node=wire.near, later=each, drop=191, event=1) for each in (0.0, 1.0)]


def unauthenticated(wire: Wire, by: Json | None = None) -> list[Json]:
    return _denied(wire, wire.near, "EGRESS", 189, by)


def no_tunnel(wire: Wire, by: Json | None = None) -> list[Json]:
    return [wire.packet("SYN", node=wire.near, later=each, drop=160, event=1) for each in (0.0, 1.0)]


def audited(wire: Wire, by: Json | None = None) -> list[Json]:
    return [wire.packet("SYN", node=wire.near, event=5, verdict="AUDIT"), *opened(wire)]


def refused_by_proxy(wire: Wire, by: Json | None = None) -> list[Json]:
    """HTTP through Cilium's proxy at the server's end, which answers 403 itself."""
    path = (by or {}).get("path", "/admin")
    request = {"type": "REQUEST", "http": {"method": "GET", "url": f"http://index{path}", "protocol": "HTTP/1.1"}}
    answer = {
        "type": "RESPONSE",
        "http": {"code": 403, "method": "GET", "url": f"http://index{path}", "protocol": "HTTP/1.1"},
    }
    node = wire.far or wire.near
    return [
        *([wire.packet("SYN", node=wire.near, point="TO_OVERLAY")] if wire.crosses else []),
        wire.packet("SYN", node=node, later=0.0002, point="TO_PROXY", direction="INGRESS", verdict="REDIRECTED"),
        *_back(wire, "SYN ACK", 0.001),
        *_out(wire, "ACK PSH", 0.002)[:1],
        wire.packet("", node=node, later=0.003, event=129, verdict="DROPPED", direction="INGRESS", Type="L7", l7=request,
                    is_reply=False),
        wire.packet("", node=node, later=0.003, back=True, event=129, direction="INGRESS", Type="L7", l7=answer,
                    is_reply=True),
        *_back(wire, "ACK PSH", 0.004),
    ]  # fmt: skip


FATES = {
    each.__name__: each
    for each in (
        opened, silent_after_opening, torn, refused, unanswered, lost_on_the_way, egress_denied, egress_deny,
        ingress_denied, ingress_deny, lookup_denied, looked_up, stale, no_backend, full_map, no_ports, unauthenticated,
        no_tunnel, audited, refused_by_proxy,
    )
}  # fmt: skip


# -- rules people write ------------------------------------------------------------------------------------------------

DNS_RULE: Json = {
    "to": [{
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}  # fmt: skip
CILIUM_DNS: Json = {
    "toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns"}}],
    "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}],
}


def egress(*rules: Json, app: str = "search", dns: bool = True) -> Json:
    return {
        "podSelector": {"matchLabels": {"app": app}} if app else {},
        "policyTypes": ["Egress"],
        "egress": [*([DNS_RULE] if dns else []), *rules],
    }


def ingress(*rules: Json, app: str = "index") -> Json:
    return {
        "podSelector": {"matchLabels": {"app": app}} if app else {},
        "policyTypes": ["Ingress"],
        "ingress": list(rules),
    }


def port(number: int | str, protocol: str = "TCP", end: int | None = None) -> Json:
    return {"protocol": protocol, "port": number, **({"endPort": end} if end else {})}
