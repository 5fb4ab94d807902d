"""The pods, the workload and the Service that answer the cluster's DNS questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sensors.kit import Object
from sensors.kit.objects import (
    condition_of,
    get,
    items,
    kind_of,
    labels_of,
    mapping,
    name_of,
    named,
    namespace_of,
    number,
    one_line,
    parse_time,
    pod_is_ready,
    selects,
    string_map,
    text,
    texts,
)


@dataclass(frozen=True, slots=True)
class DnsWorkload:
    """The Deployment or DaemonSet that runs the DNS servers, and how many of them it wants and has.

    `strategy` is how it replaces its pods (`RollingUpdate`, `Recreate`, `OnDelete`); empty where it does not say.
    """

    kind: str
    namespace: str
    name: str
    desired: int | None
    ready: int
    memory_limit: str | None = None
    container: str | None = None
    strategy: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Ending:
    """End of a container's previous run. Do not require exit code 137 for OOMKilled: other codes were seen."""

    reason: str
    exit_code: int | None
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class DnsPod:
    """One DNS server pod. `node_ready` is None where the node could not be read; `last_ending` is of the run before.

    `nameservers` are those of its own resolv.conf, read where the Corefile forwards to that file.
    """

    namespace: str
    name: str
    node: str | None
    node_ready: bool | None
    phase: str
    ready: bool
    restarts: int
    address: str | None = None
    container: str | None = None
    image: str | None = None
    waiting: str | None = None
    waiting_message: str | None = None
    last_ending: Ending | None = None
    memory_limit: str | None = None
    memory_request: str | None = None
    unscheduled: str | None = None
    host_network: bool = False
    dns_policy: str = ""
    nameservers: tuple[str, ...] = ()

    @property
    def was_oom_killed(self) -> bool:
        return self.last_ending is not None and self.last_ending.reason == "OOMKilled"

    @property
    def crash_loops(self) -> bool:
        return self.waiting == "CrashLoopBackOff"


@dataclass(frozen=True, slots=True)
class DnsService:
    """The Service in front of the DNS servers. `matching_pods` of them its selector picks (None = pods not read);
    endpoint counts are None where EndpointSlices could not be read. `target_ports` is where its traffic really goes."""

    namespace: str
    name: str
    cluster_ips: tuple[str, ...]
    selector: Mapping[str, str]
    matching_pods: int | None
    ready_endpoints: int | None
    endpoints: int | None
    target_ports: tuple[int, ...] = ()

    @property
    def selector_misses(self) -> bool:
        """There are DNS pods, and the selector picks none of them."""
        return self.matching_pods == 0


def serves_dns(labels: Mapping[str, str]) -> bool:
    """kubeadm and most others (`k8s-app: kube-dns`), the CoreDNS Helm chart, OpenShift; not node-local caches."""
    if "dns.operator.openshift.io/daemonset-dns" in labels:
        return True
    return labels.get("k8s-app") in ("kube-dns", "coredns") or labels.get("app.kubernetes.io/name") == "coredns"


def read_workload(workload: Object) -> DnsWorkload:
    """A Deployment or DaemonSet as a fact."""
    is_daemon = kind_of(workload) == "DaemonSet"
    container = _dns_container(items(workload, "spec", "template", "spec", "containers"))
    wanted = number(workload, "status", "desiredNumberScheduled") if is_daemon else number(workload, "spec", "replicas")
    ready = number(workload, "status", "numberReady" if is_daemon else "readyReplicas")
    return DnsWorkload(
        kind=kind_of(workload),
        namespace=namespace_of(workload),
        name=name_of(workload),
        desired=wanted,
        ready=ready or 0,
        memory_limit=text(container, "resources", "limits", "memory") or None,
        container=text(container, "name") or None,
        strategy=text(workload, "spec", "updateStrategy" if is_daemon else "strategy", "type"),
    )


def _dns_container(containers: tuple[Mapping[str, object], ...]) -> Mapping[str, object] | None:
    """The container that answers: by its usual names, else the first."""
    usual = [each for each in containers if text(each, "name") in ("coredns", "dns", "kubedns", "node-cache")]
    return next(iter((*usual, *containers)), None)


def read_pod(pod: Object, nodes: Iterable[Object] | None) -> DnsPod:
    """One DNS server pod as a fact; `nodes` None means that nobody could read them."""
    container = _dns_container(items(pod, "spec", "containers"))
    name, node = text(container, "name"), text(pod, "spec", "nodeName")
    status = next((each for each in items(pod, "status", "containerStatuses") if text(each, "name") == name), None)
    scheduled = condition_of(pod, "PodScheduled")
    return DnsPod(
        namespace=namespace_of(pod),
        name=name_of(pod),
        node=node or None,
        node_ready=_node_ready(node, nodes),
        phase=text(pod, "status", "phase"),
        ready=pod_is_ready(pod) is True,
        restarts=number(status, "restartCount") or 0,
        address=text(pod, "status", "podIP") or None,
        container=name or None,
        image=text(container, "image") or None,
        waiting=text(status, "state", "waiting", "reason") or None,
        waiting_message=one_line(text(status, "state", "waiting", "message")) or None,
        last_ending=_ending(status),
        memory_limit=text(container, "resources", "limits", "memory") or None,
        memory_request=text(container, "resources", "requests", "memory") or None,
        unscheduled=one_line(scheduled.message) if scheduled and scheduled.status == "False" else None,
        host_network=get(pod, "spec", "hostNetwork") is True,
        dns_policy=text(pod, "spec", "dnsPolicy"),
    )


def _node_ready(node: str, nodes: Iterable[Object] | None) -> bool | None:
    found = named(nodes or (), node)
    ready = condition_of(found, "Ready") if found is not None else None
    return None if ready is None else ready.status == "True"


def _ending(status: object) -> Ending | None:
    """Last end of the container: right now, or before its last restart."""
    for state in ("state", "lastState"):
        ended = mapping(status, state, "terminated")
        if ended:
            finished = parse_time(get(ended, "finishedAt"))
            return Ending(text(ended, "reason") or "Error", number(ended, "exitCode"), finished)
    return None


SERVICE_NAMES = ("kube-dns", "coredns", "dns-default")


def dns_service(services: Iterable[Object]) -> Object | None:
    """The Service that pods ask: of several the one with the most usual name."""
    found = [each for each in services if _is_dns_service(each)]
    return min(found, key=lambda each: _preference(name_of(each)), default=None)


def _is_dns_service(service: Object) -> bool:
    answers = any(number(each, "port") == 53 for each in items(service, "spec", "ports"))
    return answers and (name_of(service) in SERVICE_NAMES or serves_dns(labels_of(service)))


def _preference(name: str) -> int:
    return SERVICE_NAMES.index(name) if name in SERVICE_NAMES else len(SERVICE_NAMES)


def read_service(service: Object, slices: Iterable[Object] | None, pods: Iterable[Object] | None) -> DnsService:
    """The Service with what stands behind it; None for `slices` or `pods` means that nobody could read them."""
    selector = string_map(service, "spec", "selector")
    single = text(service, "spec", "clusterIP")
    addresses = dict.fromkeys((*texts(service, "spec", "clusterIPs"), *((single,) if single else ())))
    ours = None if slices is None else _slices_of(name_of(service), slices)
    behind = None if ours is None else _readiness(ours)
    return DnsService(
        namespace=namespace_of(service),
        name=name_of(service),
        cluster_ips=tuple(each for each in addresses if each != "None"),
        selector=selector,
        matching_pods=None if pods is None else sum(selects(selector, labels_of(each)) for each in pods),
        ready_endpoints=None if behind is None else sum(behind.values()),
        endpoints=None if behind is None else len(behind),
        target_ports=_target_ports(ours or ()),
    )


def _slices_of(service: str, slices: Iterable[Object]) -> list[Object]:
    return [each for each in slices if labels_of(each).get("kubernetes.io/service-name") == service]


def _target_ports(ours: Iterable[Object]) -> tuple[int, ...]:
    """The ports of the DNS servers that questions are sent to; other ports of the Service are for metrics."""
    named = ((text(port, "name"), number(port, "port")) for each in ours for port in items(each, "ports"))
    return tuple(sorted({port for name, port in named if port is not None and "metrics" not in name}))


def _readiness(ours: Iterable[Object]) -> dict[str, bool]:
    """Address → ready, over all slices of the Service; an unset condition counts as ready, as the API says."""
    return {
        address: get(endpoint, "conditions", "ready") is not False
        for each in ours
        for endpoint in items(each, "endpoints")
        for address in texts(endpoint, "addresses")
    }
