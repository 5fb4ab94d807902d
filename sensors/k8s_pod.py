"""Facts of the target from Kubernetes and from the pod itself: phase, containers, events, errors in its log.

Reads    Pod, ReplicaSets (for the workload), its Namespace, Events about it, the last log lines of its containers and
         of an init container that does not get done.
Touches  nothing.
Blind    when pods cannot be read; everything else it lacks is named in `unread`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sensors.kit.app_log import LogError as LogError
from sensors.kit.app_log import LogTrouble as LogTrouble
from sensors.kit.app_log import hosts_in, last_line, log_errors
from sensors.kit.cluster import Cluster, Object
from sensors.kit.events import EventFact, events_about
from sensors.kit.kinds import EVENT, NAMESPACE, REPLICA_SET
from sensors.kit.model import Absent, Sensor, Target
from sensors.kit.nearest import did_you_mean
from sensors.kit.objects import (
    Condition,
    Ref,
    condition_of,
    conditions_of,
    created_at,
    flag,
    get,
    items,
    labels_of,
    mapping,
    name_of,
    named,
    namespace_of,
    number,
    one_line,
    parse_time,
    pod_is_ready,
    text,
    texts,
    workload_of,
)
from sensors.kit.reading import Kinds, if_readable, pods_near, read_kinds
from sensors.topology.peer import pod_addresses
from sensors.topology.talks import Talk, in_spec


@dataclass(frozen=True, slots=True)
class DeclaredPort:
    """A `containerPort`: what the author says the container listens on; nothing enforces it."""

    name: str
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """One container. `state` is running, waiting, terminated or unknown; `exit_code` is that of the last end seen."""

    name: str
    init: bool
    image: str
    ready: bool
    restarts: int
    state: str
    waiting_reason: str
    waiting_message: str
    last_terminated_reason: str
    last_terminated_at: datetime | None
    exit_code: int | None
    ports: tuple[DeclaredPort, ...]


@dataclass(frozen=True, slots=True)
class PodFacts:
    """The pod at the time of the investigation.

    `age_s` in seconds; `namespace_labels` is None where namespaces could not be read; `scheduling` is the scheduler's
    complaint about an unscheduled pod; `log_errors` up to eight kinds of error line, most frequent first; `log_hosts`
    the hosts its log names; `log_last` the newest line per container; `spec_peers` the addresses among the variables of
    its spec; `unread` says what could not be read and why; `sysctls` are the kernel settings that its security context
    asks for.
    """

    pod: str
    namespace: str
    phase: str
    node: str
    ips: tuple[str, ...]
    host_network: bool
    dns_policy: str
    dns_nameservers: tuple[str, ...]
    dns_searches: tuple[str, ...]
    dns_options: tuple[tuple[str, str], ...]
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str] | None
    service_account: str
    workload: Ref | None
    created: datetime | None
    age_s: float | None
    ready: bool | None
    containers: tuple[ContainerFacts, ...]
    conditions: tuple[Condition, ...]
    scheduling: str
    deleting_since: datetime | None
    events: tuple[EventFact, ...]
    spec_peers: tuple[Talk, ...]
    log_errors: tuple[LogError, ...]
    log_hosts: tuple[str, ...]
    log_last: tuple[tuple[str, str], ...]
    unread: tuple[str, ...]
    sysctls: tuple[tuple[str, str], ...] = ()

    @property
    def log_unread(self) -> bool:
        """No container's log could be read: what the program itself says is not known."""
        main = [each.name for each in self.containers if not each.init]
        return bool(main) and all(any(why.startswith(f"log of {name}: ") for why in self.unread) for name in main)

    @property
    def restarts(self) -> int:
        return sum(each.restarts for each in self.containers)

    def summary(self) -> str:
        parts = [f"{self.namespace}/{self.pod} {self._state()}"]
        parts += [f"on {self.node}"] if self.node else []
        parts += [f"{self.restarts} restarts"] if self.restarts else []
        worst = self.log_errors[0] if self.log_errors else None
        parts += [f'log: "{worst.text}" ({worst.count} {"time" if worst.count == 1 else "times"})'] if worst else []
        return ", ".join(parts)

    def _state(self) -> str:
        waiting = next((each.waiting_reason for each in self.containers if each.waiting_reason), "")
        if self.deleting_since:
            return "is being deleted"
        ready = "ready" if self.ready else f"not ready {waiting}".rstrip()
        return f"is {self.phase or 'in an unknown phase'}, {ready}"


async def look(target: Target, cluster: Cluster, *, log_lines: int = 200) -> PodFacts:
    """Everything about one pod. `log_lines` from the end of each container's log are read for errors."""
    pod = find_pod(target, await pods_near(cluster, target.namespace))
    kinds, logs = await asyncio.gather(
        read_kinds(cluster, NAMESPACE, REPLICA_SET, EVENT), _logs(cluster, target, pod, log_lines)
    )
    return pod_facts(pod, kinds, await cluster.now(), logs)


async def _logs(cluster: Cluster, target: Target, pod: Object, lines: int) -> dict[str, Log]:
    names = _telling_containers(pod)
    reading = (if_readable(cluster.log(target.namespace, target.pod, each, lines=lines)) for each in names)
    return dict(zip(names, await asyncio.gather(*reading), strict=True))


def find_pod(target: Target, pods: tuple[Object, ...]) -> Object:
    """The target among all pods. Raises `Absent` with the nearest names, or the namespaces that have such a pod."""
    pod = named(pods, target.pod, target.namespace)
    if pod is not None:
        return pod
    elsewhere = sorted(namespace_of(each) for each in pods if name_of(each) == target.pod)
    near = did_you_mean(target.pod, (name_of(each) for each in pods if namespace_of(each) == target.namespace))
    hint = f"; there is one in {', '.join(elsewhere)}" if elsewhere else near
    raise Absent(f"no pod {target.pod} in namespace {target.namespace}{hint}")


Log = tuple[str | None, str]
"""A container's log, or None and why there is none."""


def pod_facts(pod: Object, kinds: Kinds, now: datetime, logs: Mapping[str, Log]) -> PodFacts:
    """Facts of one pod from its objects and logs, at `now`."""
    name, namespace, created = name_of(pod), namespace_of(pod), created_at(pod)
    written = {container: log for container, (log, _) in logs.items() if log is not None}
    return PodFacts(
        pod=name,
        namespace=namespace,
        phase=text(pod, "status", "phase"),
        node=text(pod, "spec", "nodeName"),
        ips=pod_addresses(pod),
        host_network=flag(pod, "spec", "hostNetwork") is True,
        dns_policy=text(pod, "spec", "dnsPolicy"),
        dns_nameservers=texts(pod, "spec", "dnsConfig", "nameservers"),
        dns_searches=texts(pod, "spec", "dnsConfig", "searches"),
        dns_options=_pairs(items(pod, "spec", "dnsConfig", "options")),
        labels=labels_of(pod),
        namespace_labels=_namespace_labels(namespace, kinds),
        service_account=text(pod, "spec", "serviceAccountName"),
        workload=workload_of(pod, kinds.of(REPLICA_SET)),
        created=created,
        age_s=(now - created).total_seconds() if created else None,
        ready=pod_is_ready(pod),
        containers=containers_of(pod),
        conditions=conditions_of(pod),
        scheduling=_scheduling(pod),
        deleting_since=parse_time(get(pod, "metadata", "deletionTimestamp")),
        events=events_about(kinds.of(EVENT), Ref("Pod", namespace, name)),
        spec_peers=in_spec(pod),
        log_errors=_errors(written),
        log_hosts=tuple(dict.fromkeys(host for log in written.values() for host in hosts_in(log)))[:8],
        log_last=tuple((container, last) for container, log in written.items() if (last := last_line(log))),
        unread=(*kinds.complaints, *(f"log of {each}: {one_line(why)}" for each, (_, why) in logs.items() if why)),
        sysctls=_pairs(items(pod, "spec", "securityContext", "sysctls")),
    )


def _errors(logs: Mapping[str, str]) -> tuple[LogError, ...]:
    found = (each for container, log in logs.items() for each in log_errors(container, log))
    return tuple(sorted(found, key=lambda each: -each.count)[:8])


def _namespace_labels(namespace: str, kinds: Kinds) -> Mapping[str, str] | None:
    found = named(kinds.of(NAMESPACE), namespace)
    return None if found is None else labels_of(found)


def _pairs(entries: Iterable[Mapping[str, object]]) -> tuple[tuple[str, str], ...]:
    """Entries of `name` and `value`, as DNS options and sysctls are written."""
    return tuple((text(each, "name"), text(each, "value")) for each in entries if text(each, "name"))


def _scheduling(pod: Object) -> str:
    scheduled = condition_of(pod, "PodScheduled")
    if scheduled is None or scheduled.status == "True":
        return ""
    return one_line(f"{scheduled.reason}: {scheduled.message}" if scheduled.reason else scheduled.message)


def _telling_containers(pod: Object) -> tuple[str, ...]:
    """Those whose log tells something: all but the init containers that have not begun or have done their work."""
    begun = {text(each, "name") for each in items(pod, "status", "initContainerStatuses") if _is_at_work(each)}
    main = (text(each, "name") for each in items(pod, "spec", "containers"))
    early = (text(each, "name") for each in items(pod, "spec", "initContainers"))
    return tuple(filter(None, (*main, *(each for each in early if each in begun))))


def _is_at_work(status: Mapping[str, object]) -> bool:
    end = mapping(status, "state", "terminated") or mapping(status, "lastState", "terminated")
    runs = get(status, "state", "running") is not None and flag(status, "ready") is not True
    return runs or number(end, "exitCode") not in (None, 0)


def containers_of(pod: Object) -> tuple[ContainerFacts, ...]:
    """All containers, init containers last, each with its status where the kubelet has written one."""
    kinds = (("containers", "containerStatuses", False), ("initContainers", "initContainerStatuses", True))
    return tuple(
        _container(each, _status_of(pod, where, text(each, "name")), init)
        for spec, where, init in kinds
        for each in items(pod, "spec", spec)
    )


def _status_of(pod: Object, where: str, name: str) -> Mapping[str, object]:
    return next((each for each in items(pod, "status", where) if text(each, "name") == name), {})


def _container(spec: Mapping[str, object], status: Mapping[str, object], init: bool) -> ContainerFacts:
    end = mapping(status, "state", "terminated") or mapping(status, "lastState", "terminated")
    return ContainerFacts(
        name=text(spec, "name"),
        init=init,
        image=text(spec, "image"),
        ready=flag(status, "ready") is True,
        restarts=number(status, "restartCount") or 0,
        state=next((each for each in ("running", "waiting", "terminated") if get(status, "state", each)), "unknown"),
        waiting_reason=text(status, "state", "waiting", "reason"),
        waiting_message=one_line(text(status, "state", "waiting", "message")),
        last_terminated_reason=text(end, "reason"),
        last_terminated_at=parse_time(get(end, "finishedAt")),
        exit_code=number(end, "exitCode"),
        ports=declared_ports(spec),
    )


def declared_ports(container: Mapping[str, object]) -> tuple[DeclaredPort, ...]:
    """The ports that a container's spec declares."""
    return tuple(
        DeclaredPort(text(each, "name"), port, text(each, "protocol") or "TCP")
        for each in items(container, "ports")
        if (port := number(each, "containerPort")) is not None
    )


SENSOR = Sensor(id="k8s.pod", look=look, gives=PodFacts, within=8.0, layers=("pod_network", "application"))
