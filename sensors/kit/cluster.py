"""The only way a sensor reaches anything: a read-only port with one adapter per world (case folder, live cluster).

Every read is async, bounded and cancellable; a view lives for one investigation and may remember what it read, so
two sensors asking for the pods cost one list. Each method raises `Absent` when it looked and there is nothing, and
`Blind` when it could not look; neither is ever an empty answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sensors.hubble.lines import FlowQuestion, HubbleMessage
from sensors.kit.kinds import Kind

Object = Mapping[str, Any]
"""A Kubernetes object as the API server wrote it: plain dicts, camelCase keys."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Kind of cluster: it decides which semantics apply. `None` means nobody said.

    `name` is what people call it (a setting, the kubeconfig's context, Cilium's `cluster-name`). `cni` is lower case
    (`cilium`, `calico`, `aws-vpc-cni`, …), CIDRs are text, `flow_source` names where hubble flows come from
    (`hubble-relay`, `file`, …).
    """

    cni: str | None = None
    cni_version: str | None = None
    kubernetes: str | None = None
    kube_proxy_replacement: bool | None = None
    service_cidrs: tuple[str, ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    flow_source: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class DnsLookup:
    """One DNS question asked from inside the pod. `rcode` if a server answered, `error` if none did; `ms` wall time."""

    name: str
    qtype: str
    server: str
    rcode: str | None = None
    error: str | None = None
    addresses: tuple[str, ...] = ()
    ms: float | None = None


class Dial(NamedTuple):
    """A connection to try from inside a pod: TCP is opened and closed; over UDP one datagram is sent, a DNS question
    where `ask` is `dns` (an answer is due), else an empty one, to which no answer need come."""

    host: str
    port: int
    protocol: str = "tcp"
    ask: str = ""


@dataclass(frozen=True, slots=True)
class Connect:
    """One connection tried from inside the pod. `result`: open, refused, timeout, unreachable, reset, or `sent`: a UDP
    datagram left, nothing came back, and nothing was due.

    `address` is what a name resolved to; `errno` the kernel's word (ETIMEDOUT, EPERM, …); `ms` wall time; `ask` as in
    `Dial`.
    """

    host: str
    port: int
    protocol: str
    result: str
    errno: str | None = None
    address: str | None = None
    ms: float | None = None
    ask: str | None = None


@dataclass(frozen=True, slots=True)
class PathMtu:
    """Largest packet that reaches a destination: `mtu` bytes, or `error` where nothing of any size came back.

    `route_mtu` is what the pod's own route promises; `unanswered` the sizes that were sent and not answered.
    """

    destination: str
    mtu: int | None = None
    error: str | None = None
    method: str | None = None
    route_mtu: int | None = None
    unanswered: tuple[int, ...] = ()


class Cluster(Protocol):
    """The port. `namespace` and `pod` are exact names; times are UTC."""

    async def now(self) -> datetime:
        """The moment of the investigation: the wall clock, or when the incident was recorded."""
        ...

    async def environment(self) -> Environment: ...

    async def objects(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        """Every object of a kind, in one namespace or in all. An empty tuple means: looked, there are none."""
        ...

    async def log(self, namespace: str, pod: str, container: str, *, previous: bool = False, lines: int = 500) -> str:
        """The end of a container's log; `previous` asks for the run before the last restart."""
        ...

    def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        """Hubble flows, node states and loss reports in batches; ends by itself."""
        ...

    async def pod_file(self, namespace: str, pod: str, name: str) -> str:
        """Text of the pod's network namespace: `net/snmp`, `net/netstat`, `net/sockstat`, `net/tcp`, `net/tcp6`,
        `net/udp`, `net/udp6`, `links.json` (`ip -j -s link`), `routes.json` (`ip -j route`), `resolv.conf`."""
        ...

    async def node_file(self, node: str, name: str) -> str:
        """Text of the node's own namespace: `nf_conntrack_count`, `nf_conntrack_max`, `conntrack_stats`
        (`conntrack -S`), `links.json`, `dmesg`, `cilium/status.json`, `cilium/metrics.txt`."""
        ...

    async def lookups(self, namespace: str, pod: str, names: Sequence[str]) -> tuple[DnsLookup, ...]:
        """Ask the pod's resolver for `names` from inside the pod. A recording answers with all it has."""
        ...

    async def connects(self, namespace: str, pod: str, dials: Sequence[Dial]) -> tuple[Connect, ...]:
        """Try `dials` from inside the pod. A recording answers with all it has; no dials, nothing is sent."""
        ...

    async def path_mtus(self, namespace: str, pod: str, destinations: Sequence[str]) -> tuple[PathMtu, ...]:
        """Find the path MTU to `destinations` (addresses) from inside the pod. A recording answers with all it has."""
        ...
