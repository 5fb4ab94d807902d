"""How the cluster's DNS servers are: running, ready, killed, misconfigured, or cut off from what they need.

Reads    Deployment or DaemonSet, Pods, Service, EndpointSlices, ConfigMap, Nodes and Events of CoreDNS (kube-dns); its
         logs, also of the run before the last restart; the kernel log of its nodes for killed processes.
Touches  nothing.
Blind    when neither its pods, its Service nor its workload can be read. Single parts that cannot be read are named.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from sensors.kit import Absent, Blind, Cluster, Object, Sensor, Target
from sensors.kit.app_log import log_time
from sensors.kit.events import EventFact, fold_events
from sensors.kit.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, ENDPOINT_SLICE, EVENT, NODE, POD, SERVICE, Kind
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
    pod_is_over,
    pod_is_ready,
    selects,
    string_map,
    text,
    texts,
)
from sensors.kit.reading import if_readable
from sensors.kit.resolv_conf import nameservers_in


@dataclass(frozen=True, slots=True)
class DnsWorkload:
    """The Deployment or DaemonSet that runs the DNS servers, and how many of them it wants and has."""

    kind: str
    namespace: str
    name: str
    desired: int | None
    ready: int
    memory_limit: str | None = None
    container: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Ending:
    """How the previous run of a container ended. Do not require exit code 137 for OOMKilled: other codes were seen."""

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


@dataclass(frozen=True, slots=True)
class Forward:
    """A `forward` line: questions for `zone` go to `upstreams` (addresses, or a resolv.conf path)."""

    zone: str
    upstreams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corefile:
    """The DNS servers' configuration. `zones` are the server blocks' keys, `cluster_zones` what the kubernetes plugin
    serves, `plugins` the directives used anywhere, `rewrites` the lines of rewrite, template and hosts."""

    config_map: str
    zones: tuple[str, ...]
    cluster_zones: tuple[str, ...]
    plugins: tuple[str, ...]
    forwards: tuple[Forward, ...]
    cache_seconds: int | None
    rewrites: tuple[str, ...] = ()
    text: str = field(default="", metadata={"report": False})


class Trouble(StrEnum):
    """What a log line tells. `not_ready` also occurs in the first seconds of a healthy start.

    `loop_probe_unanswered`: only the loop plugin's own HINFO questions went unanswered, which some upstreams never
    answer (coredns/coredns#4211); it is not an upstream failure by itself.
    """

    LOOP = "loop"
    LOOP_PROBE_UNANSWERED = "loop_probe_unanswered"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_REFUSED = "upstream_refused"
    UPSTREAM_ERROR = "upstream_error"
    CONFIG_ERROR = "config_error"
    NOT_READY = "not_ready"
    API_UNREACHABLE = "api_unreachable"
    API_FORBIDDEN = "api_forbidden"
    PANIC = "panic"
    OVERLOADED = "overloaded"


@dataclass(frozen=True, slots=True)
class LogFinding:
    """Lines of one kind in one container's log: how many and the newest. `upstream` is the address that failed to
    answer, `names` a few names that were asked, `config_line` the Corefile line at fault."""

    trouble: Trouble
    pod: str
    previous: bool
    count: int
    example: str
    upstream: str | None = None
    names: tuple[str, ...] = ()
    config_line: int | None = None


@dataclass(frozen=True, slots=True)
class DnsEvent:
    """A warning about a DNS pod: an event of the API, or a kill in a node's kernel log (source `kernel`)."""

    at: datetime | None
    source: str
    about: str
    reason: str
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class CoreDns:
    """The cluster's DNS servers as seen. `unread` names what could not be read; `at` is the moment of looking.

    `pods_read`: False where no pods could be read, so that `pods` is empty for that reason alone.
    """

    workload: DnsWorkload | None = None
    pods: tuple[DnsPod, ...] = ()
    service: DnsService | None = None
    corefile: Corefile | None = None
    log: tuple[LogFinding, ...] = ()
    events: tuple[DnsEvent, ...] = ()
    node_local: DnsWorkload | None = None
    unread: tuple[str, ...] = ()
    at: datetime | None = None
    pods_read: bool = True

    @property
    def ready_pods(self) -> int:
        return sum(each.ready for each in self.pods)

    @property
    def oom_killed(self) -> tuple[DnsPod, ...]:
        return tuple(each for each in self.pods if each.was_oom_killed)

    def found(self, trouble: Trouble) -> tuple[LogFinding, ...]:
        """What the logs say of one kind of trouble."""
        return tuple(each for each in self.log if each.trouble is trouble)

    def summary(self) -> str:
        return "; ".join(filter(None, (self._pods_told(), self._service_told(), self._log_told())))

    def _pods_told(self) -> str:
        name = str(self.workload) if self.workload else "DNS servers"
        if not self.pods_read:
            return f"{name}: its pods could not be read"
        ends = sorted({each.last_ending.reason for each in self.pods if each.last_ending})
        ended = f", last ended by {', '.join(ends)}" if ends else ""
        restarts = sum(each.restarts for each in self.pods)
        down = sorted({each.node for each in self.pods if each.node and each.node_ready is False})
        on = f", on node {', '.join(down)} which is not ready" if down else ""
        return f"{name}: {self.ready_pods} of {len(self.pods)} pods ready, {restarts} restarts{ended}{on}"

    def _service_told(self) -> str:
        if self.service is None or self.service.ready_endpoints is None:
            return ""
        where = ", ".join(self.service.cluster_ips) or self.service.name
        count = self.service.ready_endpoints
        return f"{where} has {count} ready {'endpoint' if count == 1 else 'endpoints'}"

    def _log_told(self) -> str:
        kinds = sorted({each.trouble.value for each in self.log})
        return f"logs tell of {', '.join(kinds)}" if kinds else ""


async def look(target: Target, cluster: Cluster, *, lines: int = 500) -> CoreDns:
    """Read the state, the configuration and the last `lines` log lines of the cluster's DNS servers."""
    read = await asyncio.gather(*(if_readable(cluster.objects(kind)) for kind in KINDS))
    objects = {kind: found for kind, (found, _) in zip(KINDS, read, strict=True) if found is not None}
    unread = tuple(why for _, why in read if why)
    if not objects.keys() & {POD, SERVICE, DEPLOYMENT, DAEMON_SET}:
        raise Blind("; ".join(unread[:3]))
    seen = assemble(objects, unread)
    if not (seen.pods or seen.service or seen.workload):
        raise Absent("there is no CoreDNS or kube-dns in " + " or ".join(NAMESPACES))
    logs, kills, pods = await asyncio.gather(
        _logs(cluster, seen.pods, lines), _kernel_kills(cluster, seen.pods), _with_nameservers(cluster, seen)
    )
    return replace(
        seen,
        pods=pods,
        log=tuple(finding for found, _ in logs for finding in found),
        events=tuple((*kills, *seen.events)[:MOST_EVENTS]),
        unread=(*unread, *seen.unread, *(why for _, why in logs if why)),
        at=await cluster.now(),
    )


async def _with_nameservers(cluster: Cluster, seen: CoreDns) -> tuple[DnsPod, ...]:
    """The pods with whom they ask themselves, where the Corefile sends questions on to a resolv.conf."""
    if not any(
        to.startswith("/") for each in (seen.corefile.forwards if seen.corefile else ()) for to in each.upstreams
    ):
        return seen.pods
    reads = (if_readable(cluster.pod_file(each.namespace, each.name, "resolv.conf")) for each in seen.pods[:MOST_LOGS])
    said = [nameservers_in(found or "") for found, _ in await asyncio.gather(*reads)]
    named = (replace(pod, nameservers=servers) for pod, servers in zip(seen.pods, said, strict=False))
    return (*named, *seen.pods[MOST_LOGS:])


KINDS = (POD, SERVICE, ENDPOINT_SLICE, DEPLOYMENT, DAEMON_SET, CONFIG_MAP, NODE, EVENT)
NAMESPACES = ("kube-system", "openshift-dns")
MOST_EVENTS = 20
MOST_LOGS = 4


def assemble(objects: Mapping[Kind, tuple[Object, ...]], unread: tuple[str, ...] = ()) -> CoreDns:
    """Pure: the DNS servers among the cluster's objects. A kind that is not in `objects` could not be read."""
    ours = {kind: [each for each in found if namespace_of(each) in NAMESPACES] for kind, found in objects.items()}
    pods = [each for each in ours.get(POD, ()) if _serves_dns(labels_of(each)) and not pod_is_over(each)]
    workloads = [*ours.get(DEPLOYMENT, ()), *ours.get(DAEMON_SET, ())]
    server = next((each for each in workloads if _serves_dns(_template_labels(each))), None)
    local = next((each for each in workloads if _template_labels(each).get("k8s-app") == "node-local-dns"), None)
    nodes = objects.get(NODE)
    corefile, why = find_corefile(server, ours.get(CONFIG_MAP))
    return CoreDns(
        workload=read_workload(server) if server else None,
        pods=tuple(read_pod(each, nodes) for each in pods),
        service=_service(ours, pods if POD in objects else None),
        corefile=corefile,
        events=_events(ours.get(EVENT, ()), [name_of(each) for each in (*pods, *((server,) if server else ()))]),
        node_local=read_workload(local) if local else None,
        unread=(why,) if why and CONFIG_MAP in objects else (),
        pods_read=POD in objects,
    )


def _serves_dns(labels: Mapping[str, str]) -> bool:
    """kubeadm and most others (`k8s-app: kube-dns`), the CoreDNS Helm chart, OpenShift; not node-local caches."""
    if "dns.operator.openshift.io/daemonset-dns" in labels:
        return True
    return labels.get("k8s-app") in ("kube-dns", "coredns") or labels.get("app.kubernetes.io/name") == "coredns"


def _template_labels(workload: Object) -> dict[str, str]:
    return string_map(workload, "spec", "template", "metadata", "labels")


# -- workload and pods -----------------------------------------------------------------------------------------------


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
    """How the container last ended: right now, or before its last restart."""
    for state in ("state", "lastState"):
        ended = mapping(status, state, "terminated")
        if ended:
            finished = parse_time(get(ended, "finishedAt"))
            return Ending(text(ended, "reason") or "Error", number(ended, "exitCode"), finished)
    return None


# -- the Service in front --------------------------------------------------------------------------------------------

SERVICE_NAMES = ("kube-dns", "coredns", "dns-default")


def _service(ours: Mapping[Kind, list[Object]], pods: list[Object] | None) -> DnsService | None:
    found = [each for each in ours.get(SERVICE, ()) if _is_dns_service(each)]
    service = min(found, key=lambda each: _preference(name_of(each)), default=None)
    return read_service(service, ours.get(ENDPOINT_SLICE), pods) if service is not None else None


def _is_dns_service(service: Object) -> bool:
    answers = any(number(each, "port") == 53 for each in items(service, "spec", "ports"))
    return answers and (name_of(service) in SERVICE_NAMES or _serves_dns(labels_of(service)))


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


# -- Corefile --------------------------------------------------------------------------------------------------------


def find_corefile(server: Object | None, config_maps: Iterable[Object] | None) -> tuple[Corefile | None, str]:
    """The ConfigMap that the DNS servers mount (else the one named `coredns`), parsed; or why there is none."""
    mounted = [text(each, "configMap", "name") for each in items(server, "spec", "template", "spec", "volumes")]
    candidates = [each for each in config_maps or () if "Corefile" in mapping(each, "data")]
    for name in (*mounted, "coredns"):
        found = named(candidates, name)
        if found is not None:
            config_map = f"{namespace_of(found)}/{name_of(found)}"
            return _parsed(text(found, "data", "Corefile"), config_map)
    return None, "no ConfigMap with a Corefile was found"


def _parsed(said: str, config_map: str) -> tuple[Corefile | None, str]:
    try:
        return parse_corefile(said, config_map), ""
    except Blind as why:
        return None, str(why)


def parse_corefile(said: str, config_map: str = "") -> Corefile:
    """Server blocks and their directives. Raises `Blind` where no server block is found."""
    rows = list(_directives(said))
    if not any(words for _, words in rows):
        raise Blind(f"the Corefile of {config_map or 'CoreDNS'} holds no server block")
    named_ = [(zone, words) for zone, words in rows if words]
    caches = [int(words[1]) for _, words in named_ if words[0] == "cache" and len(words) > 1 and words[1].isdecimal()]
    return Corefile(
        config_map=config_map,
        zones=tuple(dict.fromkeys(zone for zone, _ in rows if not zone.startswith("("))),
        cluster_zones=tuple(dict.fromkeys(zone for _, words in named_ for zone in _cluster_zones(words))),
        plugins=tuple(dict.fromkeys(words[0] for _, words in named_)),
        forwards=tuple(_forward(words) for _, words in named_ if words[0] in ("forward", "proxy") and len(words) > 1),
        cache_seconds=caches[0] if caches else None,
        rewrites=tuple(one_line(" ".join(words)) for _, words in named_ if words[0] in REWRITING),
        text=said,
    )


REWRITING = frozenset({"rewrite", "template", "hosts", "file", "alias"})


def _directives(said: str) -> Iterable[tuple[str, list[str]]]:
    """(zones of the server block, words) for each directive right inside a server block; braces nest."""
    depth, zone = 0, ""
    for line in said.splitlines():
        words = line.partition("#")[0].replace("{", " { ").replace("}", " } ").split()
        bare = [each for each in words if each not in "{}"]
        if depth == 0 and "{" in words:
            zone = " ".join(bare)
            yield zone, []
        elif depth == 1 and bare:
            yield zone, bare
        depth = max(depth + words.count("{") - words.count("}"), 0)


def _cluster_zones(words: list[str]) -> list[str]:
    return [each for each in words[1:] if not each.endswith(".arpa")] if words[0] == "kubernetes" else []


def _forward(words: list[str]) -> Forward:
    return Forward(words[1], tuple(words[2:]))


# -- logs ------------------------------------------------------------------------------------------------------------

NO_LOG = "unable to retrieve container logs"
"""The runtime's answer in place of a log that is gone; it comes as the log's text."""


async def _logs(cluster: Cluster, pods: tuple[DnsPod, ...], lines: int) -> list[tuple[tuple[LogFinding, ...], str]]:
    """Findings of the current and the previous run of the pods in most trouble; why, where a log cannot be read."""
    troubled = sorted(pods, key=lambda each: (each.ready, -each.restarts))[:MOST_LOGS]
    runs = [(each, False) for each in troubled] + [(each, True) for each in troubled if each.restarts]
    return list(await asyncio.gather(*(_log(cluster, each, previous, lines) for each, previous in runs)))


async def _log(cluster: Cluster, pod: DnsPod, previous: bool, lines: int) -> tuple[tuple[LogFinding, ...], str]:
    name = f"log of {pod.name}{' before its restart' if previous else ''}"
    reading = cluster.log(pod.namespace, pod.name, pod.container or "coredns", previous=previous, lines=lines)
    said, why = await if_readable(reading)
    if said is None or said.startswith(NO_LOG):
        return (), f"{name}: {why or one_line(said or '', 120)}"
    return read_log(said, pod.name, previous), ""


def read_log(said: str, pod: str, previous: bool = False) -> tuple[LogFinding, ...]:
    """What a CoreDNS log tells: lines of one kind (and upstream) counted, with the newest as example."""
    found: dict[tuple[Trouble, str | None, int | None], LogFinding] = {}
    for line in said.splitlines():
        one = _finding(line, pod, previous)
        if one is not None:
            key = one.trouble, one.upstream, one.config_line
            found[key] = _joined(found.get(key), one)
    return tuple(found.values())


def _joined(before: LogFinding | None, one: LogFinding) -> LogFinding:
    if before is None:
        return one
    names = tuple(dict.fromkeys((*before.names, *one.names)))[:5]
    return replace(one, count=before.count + one.count, names=names)


LINES: tuple[tuple[Trouble, str], ...] = (
    (Trouble.LOOP, r"plugin/loop: .*(?:detected|more than twice)"),
    (Trouble.CONFIG_ERROR, r"Corefile:(?P<line>\d+) - Error during parsing|Error during parsing|loading Caddyfile"),
    (Trouble.API_FORBIDDEN, r"plugin/kubernetes.*\bforbidden\b|\breflector\.go.*\bforbidden\b"),
    (Trouble.API_UNREACHABLE, r"waiting for Kubernetes API|unsynced Kubernetes API|[Ff]ailed to (?:watch|list)\b"),
    (Trouble.NOT_READY, r"plugin/ready: (?:Plugins not ready|Still waiting on)"),
    (Trouble.PANIC, r"^panic:|[Rr]ecovered from panic|^fatal error:|SIGSEGV"),
    (Trouble.OVERLOADED, r"concurrent queries exceeded maximum"),
    (Trouble.UPSTREAM_TIMEOUT, r"plugin/errors: .*i/o timeout"),
    (Trouble.UPSTREAM_REFUSED, r"plugin/errors: .*connection refused"),
    (Trouble.UPSTREAM_ERROR, r"plugin/errors: "),
)
"""CoreDNS's own wording, most telling first (source: coredns plugin sources; readiness was reworded in April 2025)."""

FAILED_QUESTION = re.compile(r"plugin/errors: \d+ (?P<name>\S+) (?P<qtype>[A-Z0-9]+): ")
CONSOLIDATED = re.compile(r"plugin/errors: (?P<count>\d+) errors? like ")
UPSTREAM = re.compile(r"(?:->|dial (?:udp|tcp) )(?P<upstream>[0-9A-Fa-f.:\[\]]+:\d+): ")


def _finding(line: str, pod: str, previous: bool) -> LogFinding | None:
    for trouble, pattern in LINES:
        found = re.search(pattern, line)
        if found:
            return _read_line(trouble, line, pod, previous, found.groupdict().get("line"))
    return None


def _read_line(trouble: Trouble, line: str, pod: str, previous: bool, config_line: str | None) -> LogFinding:
    upstream, question, many = UPSTREAM.search(line), FAILED_QUESTION.search(line), CONSOLIDATED.search(line)
    is_probe = question is not None and question["qtype"] == "HINFO" and trouble is not Trouble.LOOP
    return LogFinding(
        trouble=Trouble.LOOP_PROBE_UNANSWERED if is_probe else trouble,
        pod=pod,
        previous=previous,
        count=int(many["count"]) if many else 1,
        example=one_line(line),
        upstream=upstream["upstream"] if upstream else None,
        names=(question["name"].rstrip("."),) if question and not is_probe else (),
        config_line=int(config_line) if config_line else None,
    )


# -- events and kills ------------------------------------------------------------------------------------------------


def _events(events: Iterable[Object], names: list[str]) -> tuple[DnsEvent, ...]:
    """Warnings about the DNS servers of now and before (their pods' names share the workload's), newest first."""
    stems = {name for name in names if name} | {"coredns", "kube-dns", "dns-default"}
    warnings = [each for each in fold_events(events) if each.type == "Warning" and _is_about(each, stems)]
    return tuple(
        DnsEvent(each.last, "event", str(each.about), each.reason, each.message, each.count)
        for each in warnings[:MOST_EVENTS]
    )


def _is_about(event: EventFact, stems: set[str]) -> bool:
    return any(event.about.name == each or event.about.name.startswith(f"{each}-") for each in stems)


KILLED = re.compile(r"[Oo]ut of memory: Kill(?:ed)? process \d+ \((?:coredns|kube-dns|dnsmasq)\)")


async def _kernel_kills(cluster: Cluster, pods: tuple[DnsPod, ...]) -> list[DnsEvent]:
    """Kills of DNS servers in the kernel log of the nodes they run on, one line per node; silent where unreadable."""
    nodes = list(dict.fromkeys(each.node for each in pods if each.node))[:MOST_LOGS]
    logs = await asyncio.gather(*(if_readable(cluster.node_file(each, "dmesg")) for each in nodes))
    found = (kills_in(said or "", node) for node, (said, _) in zip(nodes, logs, strict=True))
    return [each for each in found if each is not None]


def kills_in(said: str, node: str) -> DnsEvent | None:
    """The kernel's out-of-memory kills of a DNS server in one node's dmesg, folded into one with the newest time."""
    lines = [line for line in said.splitlines() if KILLED.search(line)]
    if not lines:
        return None
    return DnsEvent(log_time(lines[-1]), "kernel", f"Node {node}", "OOMKilled", one_line(lines[-1]), len(lines))


SENSOR = Sensor(id="dns.coredns_health", look=look, gives=CoreDns, within=8.0, layers=("dns",))
