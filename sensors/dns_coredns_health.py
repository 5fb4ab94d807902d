"""How the cluster's DNS servers are: running, ready, killed, misconfigured, or cut off from what they need.

Reads    Deployment or DaemonSet, Pods, Service, EndpointSlices, ConfigMap, Nodes and Events of CoreDNS (kube-dns); its
         logs, also of the run before the last restart; the kernel log of its nodes for killed processes.
Touches  nothing.
Blind    when neither its pods, its Service nor its workload can be read. Single parts that cannot be read are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sensors.kit import Blind, Cluster, Sensor, Target


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
    """One DNS server pod. `node_ready` is None where the node could not be read; `last_ending` is of the run before."""

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

    @property
    def was_oom_killed(self) -> bool:
        return self.last_ending is not None and self.last_ending.reason == "OOMKilled"

    @property
    def crash_loops(self) -> bool:
        return self.waiting == "CrashLoopBackOff"


@dataclass(frozen=True, slots=True)
class DnsService:
    """The Service in front of the DNS servers. `matching_pods` of them its selector picks (None = pods not read);
    endpoint counts are None where EndpointSlices could not be read."""

    namespace: str
    name: str
    cluster_ips: tuple[str, ...]
    selector: Mapping[str, str]
    matching_pods: int | None
    ready_endpoints: int | None
    endpoints: int | None

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
    """What a log line tells. `not_ready` also occurs in the first seconds of a healthy start."""

    LOOP = "loop"
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
    """The cluster's DNS servers as seen. `unread` names what could not be read; `at` is the moment of looking."""

    workload: DnsWorkload | None = None
    pods: tuple[DnsPod, ...] = ()
    service: DnsService | None = None
    corefile: Corefile | None = None
    log: tuple[LogFinding, ...] = ()
    events: tuple[DnsEvent, ...] = ()
    node_local: DnsWorkload | None = None
    unread: tuple[str, ...] = ()
    at: datetime | None = None

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
        ends = sorted({each.last_ending.reason for each in self.pods if each.last_ending})
        ended = f", last ended by {', '.join(ends)}" if ends else ""
        restarts = sum(each.restarts for each in self.pods)
        return f"{name}: {self.ready_pods} of {len(self.pods)} pods ready, {restarts} restarts{ended}"

    def _service_told(self) -> str:
        if self.service is None or self.service.ready_endpoints is None:
            return ""
        where = ", ".join(self.service.cluster_ips) or self.service.name
        return f"{where} has {self.service.ready_endpoints} ready endpoints"

    def _log_told(self) -> str:
        kinds = sorted({each.trouble.value for each in self.log})
        return f"logs tell of {', '.join(kinds)}" if kinds else ""


async def look(target: Target, cluster: Cluster, *, lines: int = 500) -> CoreDns:
    """Read the state, the configuration and the last `lines` log lines of the cluster's DNS servers."""
    raise Blind("the DNS servers are not wired")


SENSOR = Sensor(id="dns.coredns_health", look=look, gives=CoreDns, within=8.0, layers=("dns",))
