"""Contents of the pods and nodes: logs, and kai-probe, which answers from recorded files and the present network.

The probe runs in the DaemonSet's pods only, with its one fixed command; any other program is refused. What was not
recorded is an error by name in the probe's answer, and connections that the lab cannot judge are not answered.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.policy import Traffic
from lab.cluster.clients import Diary
from lab.cluster.dataplane import NO_BACKENDS, Dataplane, PacketOutcome
from lab.cluster.recording import PodName, Row
from lab.cluster.refusal import StatusRefusal, bad_request
from lab.cluster.resolver import ResolverQuery, look_up
from lab.cluster.shift import Shift
from lab.cluster.store import Thing
from sensors.access.probe.agent import (
    ANSWER_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    BadRequest,
    ConnectTarget,
    LookRequest,
    as_address,
    read_request,
    refusal,
)
from sensors.access.probe.client import PROGRAM, PROTOCOL_VERSION
from sensors.kit.addresses import as_ip

NOT_RECORDED = "not in the recording"
PROBE_LABEL = "app.kubernetes.io/name"
NO_ECHO = "no answer to ICMP echo of any size"


@dataclass
class Containers:
    """The `Inside` of the API server."""

    dataplane: Dataplane
    shift: Shift
    diary: Diary
    kept_rows: dict[PodName, dict[tuple[str, int], Row]] = field(default_factory=dict)
    kept_dns: frozenset[PodName] = frozenset()
    small_paths: frozenset[PodName] = frozenset()
    icmp_allowed: frozenset[tuple[PodName, str]] = frozenset()

    # -- logs ----------------------------------------------------------------------------------------------------------

    def log(self, pod: Thing, container: str, previous: bool) -> str:
        """The recorded log and what its client added since. Raises `StatusRefusal`."""
        name = _name(pod)
        text = self.dataplane.recording.log(self.dataplane.ancestor(name), container, previous, self.shift)
        if text is None and previous:
            raise bad_request(f'previous terminated container "{container}" in pod "{name[1]}" not found')
        if text is None:
            raise bad_request(self._no_log(pod, container))
        added = [] if previous else self.diary.lines.get(name, [])
        return text + "".join(f"{each}\n" for each in added)

    def _no_log(self, pod: Thing, container: str) -> str:
        name = pod["metadata"]["name"]
        for each in pod.get("status", {}).get("containerStatuses") or ():
            waiting = (each.get("state") or {}).get("waiting")
            if each["name"] == container and waiting:
                return f'container "{container}" in pod "{name}" is waiting to start: {waiting.get("reason")}'
        return f'the log of container "{container}" in pod "{name}" is {NOT_RECORDED}'

    # -- programs ------------------------------------------------------------------------------------------------------

    def run(self, pod: Thing, container: str, argv: list[str], stdin: bytes) -> tuple[bytes, bytes, int]:
        """kai-probe in a probe's pod. Raises `StatusRefusal` for everything else."""
        labels = pod["metadata"].get("labels") or {}
        if argv[0] != PROGRAM or len(argv) > 2:
            raise _not_here(f'exec: "{argv[0]}": executable file not found in $PATH (this lab runs {PROGRAM} only)')
        if labels.get(PROBE_LABEL) != PROGRAM:
            raise _not_here(f'exec: "{PROGRAM}": executable file not found in $PATH')
        try:
            said = self.look(argv[1] if len(argv) > 1 else stdin.decode(errors="replace"), str(pod["spec"]["nodeName"]))
        except BadRequest as why:
            return _line({"version": PROTOCOL_VERSION, "error": str(why)}), b"", 2
        return _line(said), b"", 0

    def look(self, question: str, node: str) -> Mapping[str, Any]:
        """The answer of a node's probe. Raises `BadRequest`."""
        return self._answer(read_request(question), node)

    def _answer(self, request: LookRequest, node: str) -> dict[str, Any]:
        began = time.perf_counter()
        pod = self._pod_of(request.pod_uid, node)
        errors: dict[str, str] = {}
        said: dict[str, Any] = {
            "version": PROTOCOL_VERSION,
            "pid": 4242,
            "how": "simulated",
            "errors": errors,
            "truncated": {},
        }
        said["node_files"] = self._files(
            "node_files", request.node_files, lambda name: self._node_file(node, name), errors
        )
        if request.wants_pod and pod is None:
            tables = ("pod_files", "lookups", "connects", "path_mtu")
            errors |= dict.fromkeys(tables, f"no process of pod {request.pod_uid} on {node}")
            said |= {"pod_files": {}, "lookups": [], "connects": [], "path_mtu": [], "host_network": None}
            return said | {"took_ms": _since(began)}
        name = _name(pod) if pod is not None else ("", "")
        said["host_network"] = bool(pod["spec"].get("hostNetwork")) if pod is not None else None
        said["pod_files"] = self._files("pod_files", request.files, lambda each: self._pod_file(name, each), errors)
        said["lookups"] = [row for ask in request.lookups for row in self._lookup(name, *ask, errors)]
        said["connects"] = [row for target in request.connects for row in self._connect(name, target, request, errors)]
        said["path_mtu"] = [row for ask in request.path_mtu for row in self._path_mtu(name, ask, request, errors)]
        return said | {"took_ms": _since(began)}

    def _pod_of(self, uid: str | None, node: str) -> Thing | None:
        for each in self.dataplane.of_kind("Pod"):
            hashed = (each["metadata"].get("annotations") or {}).get("kubernetes.io/config.hash")
            if uid and uid in (each["metadata"].get("uid"), hashed) and each["spec"].get("nodeName") == node:
                return each
        return None

    # -- files ---------------------------------------------------------------------------------------------------------

    def _files(
        self, table: str, names: tuple[str, ...], read: Callable[[str], str | None], errors: dict[str, str]
    ) -> dict[str, str]:
        found = {}
        for name in names:
            text = read(name)
            if text is None:
                errors[f"{table}/{name}"] = NOT_RECORDED
            else:
                found[name] = text
        return found

    def _pod_file(self, pod: PodName, name: str) -> str | None:
        return self.dataplane.recording.pod_file(self.dataplane.ancestor(pod), name, self.shift)

    def _node_file(self, node: str, name: str) -> str | None:
        return self.dataplane.recording.node_file(node, name, self.shift)

    # -- the network as the pod sees it --------------------------------------------------------------------------------

    def _lookup(self, pod: PodName, name: str, qtype: str, errors: dict[str, str]) -> list[Row]:
        if pod in self.kept_dns:
            return self._recorded_lookup(pod, name, qtype, errors)
        rows: list[Row] = []
        for each in look_up(self.dataplane, pod, name, qtype):
            if not each.rcode and not each.error:
                errors[f"lookups/{name}/{qtype}"] = each.why
            else:
                rows.append(_lookup_row(each, qtype))
        if not rows and f"lookups/{name}/{qtype}" not in errors:
            errors[f"lookups/{name}/{qtype}"] = "the pod has no resolver"
        return rows

    def _recorded_lookup(self, pod: PodName, name: str, qtype: str, errors: dict[str, str]) -> list[Row]:
        rows = self.dataplane.recording.rows(pod, "dns.json")
        bare = name.rstrip(".")
        mine = [each for each in rows if each.get("qtype") == qtype and str(each.get("name")).startswith(bare)]
        if not mine:
            errors[f"lookups/{name}/{qtype}"] = NOT_RECORDED
        return mine

    def _connect(
        self, pod: PodName, target: ConnectTarget, request: LookRequest, errors: dict[str, str]
    ) -> list[dict[str, Any]]:
        if (kept := self._kept(pod, target.host, target)) is not None:
            return [dict(kept)]
        address, named = target.host, {}
        if not as_ip(target.host):
            asked = look_up(self.dataplane, pod, target.host)
            last = asked[-1] if asked else None
            if last is None or not last.addresses:
                said = (last.rcode or last.error or last.why) if last is not None else "no resolver"
                errors[target.key] = f"not tried: {target.host} did not resolve ({said})"
                return []
            address, named = last.addresses[0], {"address": last.addresses[0]}
        if why := _refused(address, request):
            errors[target.key] = why
            return []
        if (kept := self._kept(pod, address, target)) is not None:
            return [{**kept, "host": target.host, **named}]
        outcome = self._tried(pod, address, target)
        if not outcome.known:
            errors[target.key] = f"the lab cannot tell: {outcome.why}"
            return []
        return [_connect_row(target, named, outcome)]

    def _kept(self, pod: PodName, host: str, target: ConnectTarget) -> Row | None:
        """The recorded answer where it is kept; only TCP is compared with the recording."""
        return self.kept_rows.get(pod, {}).get((host, target.port)) if target.protocol == "tcp" else None

    def _tried(self, pod: PodName, address: str, target: ConnectTarget) -> PacketOutcome:
        source = self.dataplane.source(pod)
        if source is None:
            return NO_BACKENDS
        if target.protocol == "tcp":
            return self.dataplane.connect(source, address, target.port)
        return self.dataplane.datagram(source, address, target.port, answer_is_due=bool(target.ask))

    def _path_mtu(
        self, pod: PodName, destination: str, request: LookRequest, errors: dict[str, str]
    ) -> list[dict[str, Any]]:
        """The recorded answer, unless policies let ICMP through now and did not then, or the other way round."""
        if why := _refused(destination, request):
            errors[f"path_mtu/{destination}"] = why
            return []
        recorded = {str(each.get("destination")): each for each in self.dataplane.recording.rows(pod, "pmtu.json")}
        source = self.dataplane.source(pod)
        row, route = recorded.get(destination), self._route_mtu(pod, recorded)
        if source is None or route is None:
            errors[f"path_mtu/{destination}"] = NOT_RECORDED
            return []
        there = self.dataplane.world.endpoint_at(destination)
        allowed = self.dataplane.judge(Traffic(source, there, "ICMP", icmp_type=8)).allowed
        if row is not None and (allowed is None or self._agrees(pod, row, allowed)):
            return [dict(row)]
        head = {"destination": destination, "method": "icmp-echo-df", "route_mtu": route}
        return [{**head, "mtu": route} if allowed else {**head, "error": NO_ECHO}]

    def _agrees(self, pod: PodName, row: Row, allowed: bool) -> bool:
        """True if a recorded answer goes with what policies say of ICMP now; silence can have other reasons, too."""
        if allowed and "mtu" not in row:
            return (pod, str(row.get("destination"))) in self.icmp_allowed
        return ("mtu" in row) == allowed

    def _route_mtu(self, pod: PodName, recorded: Mapping[str, Row]) -> int | None:
        said = [each["route_mtu"] for each in recorded.values() if isinstance(each.get("route_mtu"), int)]
        if said:
            return int(said[0])
        try:
            routes = json.loads(self._pod_file(pod, "routes.json") or "[]")
            found = [metric["mtu"] for route in routes for metric in route.get("metrics", ()) if "mtu" in metric]
            links = json.loads(self._pod_file(pod, "links.json") or "[]")
            found += [each["mtu"] for each in links if each.get("ifname") == "eth0"]
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        return int(found[0]) if found else None


def icmp_allowed_at_start(dataplane: Dataplane, pods: list[PodName]) -> frozenset[tuple[PodName, str]]:
    """Recorded path-MTU destinations to which policies let ICMP through when the lab began."""
    found = set()
    for pod in pods:
        source = dataplane.source(pod)
        for row in dataplane.recording.rows(pod, "pmtu.json"):
            there = dataplane.world.endpoint_at(str(row.get("destination")))
            if source is not None and dataplane.judge(Traffic(source, there, "ICMP", icmp_type=8)).allowed:
                found.add((pod, str(row.get("destination"))))
    return frozenset(found)


def _refused(address: str, request: LookRequest) -> str | None:
    """The reason why the probe would not send there: its own rule, in its own words."""
    found = as_address(address)
    return refusal(found, request.allow) if found is not None else f"{address} is no address"


def _lookup_row(asked: ResolverQuery, qtype: str) -> dict[str, Any]:
    head = {"name": asked.name, "qtype": qtype, "server": asked.server, "addresses": list(asked.addresses)}
    said = {"error": asked.error} if asked.error else {"rcode": asked.rcode}
    return {**head, **said, "ms": ANSWER_TIMEOUT_S * 1000 if asked.error == "timeout" else 0.5}


def _connect_row(target: ConnectTarget, named: Mapping[str, str], outcome: PacketOutcome) -> dict[str, Any]:
    row = {**target.spoken(), **named, "result": outcome.result}
    if outcome.errno:
        row["errno"] = outcome.errno
    patience = ANSWER_TIMEOUT_S if row["protocol"] == "udp" else CONNECT_TIMEOUT_S
    return {**row, "ms": patience * 1000 if outcome.result == "timeout" else 1.0}


def _not_here(why: str) -> StatusRefusal:
    message = f"Internal error occurred: error executing command in container: {why}"
    return StatusRefusal(500, "InternalError", message, {"causes": [{"message": why}]})


def _name(pod: Thing) -> PodName:
    return str(pod["metadata"].get("namespace")), str(pod["metadata"]["name"])


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
