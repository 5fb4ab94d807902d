"""Health of the cluster's DNS servers: running, ready, killed, misconfigured, or cut off from what they need.

Reads    Deployment or DaemonSet, Pods, Service, EndpointSlices, ConfigMap, Nodes and Events of CoreDNS (kube-dns); its
         logs, also of the run before the last restart; the kernel log of its nodes for killed processes.
Touches  nothing.
Blind    when neither its pods, its Service nor its workload can be read. Single parts that cannot be read are named.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sensors.kit import Absent, Blind, Cluster, Object, Sensor, Target
from sensors.kit.app_log import log_time
from sensors.kit.coredns_log import CoreDnsTrouble as CoreDnsTrouble
from sensors.kit.coredns_log import LogFinding as LogFinding
from sensors.kit.coredns_log import read_log
from sensors.kit.corefile import Corefile as Corefile
from sensors.kit.corefile import Forward as Forward
from sensors.kit.corefile import find_corefile
from sensors.kit.events import EventFact, fold_events
from sensors.kit.kinds import CONFIG_MAP, DAEMON_SET, DEPLOYMENT, ENDPOINT_SLICE, EVENT, NODE, POD, SERVICE, Kind
from sensors.kit.objects import (
    labels_of,
    name_of,
    namespace_of,
    one_line,
    pod_is_over,
    string_map,
)
from sensors.kit.reading import if_readable, read_kinds
from sensors.kit.resolv_conf import nameservers_in
from sensors.topology.dns_servers import DnsPod as DnsPod
from sensors.topology.dns_servers import DnsService as DnsService
from sensors.topology.dns_servers import DnsWorkload as DnsWorkload
from sensors.topology.dns_servers import Ending as Ending
from sensors.topology.dns_servers import dns_service, read_pod, read_service, read_workload, serves_dns


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

    def found(self, trouble: CoreDnsTrouble) -> tuple[LogFinding, ...]:
        """Log findings of one kind of trouble."""
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
    kinds = await read_kinds(cluster, *COREDNS_KINDS, near=NAMESPACES)
    objects, unread = kinds.found, tuple(kinds.unread.values())
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


COREDNS_KINDS = (POD, SERVICE, ENDPOINT_SLICE, DEPLOYMENT, DAEMON_SET, CONFIG_MAP, NODE, EVENT)
NAMESPACES = ("kube-system", "openshift-dns")
MOST_EVENTS = 20
MOST_LOGS = 4


def assemble(objects: Mapping[Kind, tuple[Object, ...]], unread: tuple[str, ...] = ()) -> CoreDns:
    """Pure: the DNS servers among the cluster's objects. A kind that is not in `objects` could not be read."""
    ours = {kind: [each for each in found if namespace_of(each) in NAMESPACES] for kind, found in objects.items()}
    pods = [each for each in ours.get(POD, ()) if serves_dns(labels_of(each)) and not pod_is_over(each)]
    workloads = [*ours.get(DEPLOYMENT, ()), *ours.get(DAEMON_SET, ())]
    server = next((each for each in workloads if serves_dns(_template_labels(each))), None)
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


def _template_labels(workload: Object) -> dict[str, str]:
    return string_map(workload, "spec", "template", "metadata", "labels")


def _service(ours: Mapping[Kind, list[Object]], pods: list[Object] | None) -> DnsService | None:
    service = dns_service(ours.get(SERVICE, ()))
    return read_service(service, ours.get(ENDPOINT_SLICE), pods) if service is not None else None


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
