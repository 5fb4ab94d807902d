"""Records of hubble flows: one shape for every source, so that no reader depends on where flows came from.

Enum values newer than us stay what they were: an unknown name verbatim, an unknown number as its digits. Secrets stay
outside: there is no field for HTTP headers or query strings. Times are UTC. Fields follow `flow.proto` of Cilium.

Records cannot refer to one another in a circle, so the garbage collector need not look at them (`gc=False`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

BAD_VERDICTS = frozenset({"DROPPED", "ERROR", "AUDIT"})
KNOWN_VERDICTS = BAD_VERDICTS | {"", "FORWARDED", "REDIRECTED", "TRACED", "TRANSLATED"}


class Workload(msgspec.Struct, frozen=True, gc=False):
    """Workload of a pod, as Hubble names it: `Deployment`, `checkout`."""

    kind: str = ""
    name: str = ""


class DatapathPolicy(msgspec.Struct, frozen=True, gc=False):
    """A policy named by the datapath. `kind` is empty where an agent before 1.17 did not say."""

    kind: str = ""
    namespace: str = ""
    name: str = ""


class FlowEndpoint(msgspec.Struct, frozen=True, gc=False):
    """One side of a hubble flow, without its port, which is the packet's: the same few come again and again.

    `identity` is the number the datapath decided with (0 = unknown; it can be older than the labels, and numbers from
    16777216 up differ per node). `id` is set (> 0) only on the node that hosts the endpoint, and so are `workloads`.
    `names` are DNS names known to the *source's* DNS proxy.
    """

    ip: str = ""
    identity: int = 0
    labels: tuple[str, ...] = ()
    namespace: str = ""
    pod: str = ""
    workloads: tuple[Workload, ...] = ()
    names: tuple[str, ...] = ()
    service: str = ""
    id: int = 0
    cluster: str = ""

    @property
    def entities(self) -> tuple[str, ...]:
        """Reserved identities by label, without the prefix: `world`, `host`, `kube-apiserver`, … (never by number)."""
        return tuple(each[9:] for each in self.labels if each.startswith("reserved:"))


class Dns(msgspec.Struct, frozen=True, gc=False):
    """A DNS message the proxy saw. `rcode` is None on questions; 0 ok, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED."""

    query: str
    qtypes: tuple[str, ...] = ()
    rcode: int | None = None
    ips: tuple[str, ...] = ()
    source: str = ""


class Http(msgspec.Struct, frozen=True, gc=False):
    """An HTTP exchange the proxy saw: `path` without its query, no headers. `code` 0 on requests."""

    method: str = ""
    path: str = ""
    host: str = ""
    code: int = 0


class HubbleFlow(msgspec.Struct, frozen=True, gc=False):
    """One event Hubble reported: a packet seen, decided about or dropped, or a message a proxy read.

    Not a connection and not a failure: one refused packet gives two of these (event types 5 and 1). Times are UTC.
    `drop_reason` 0 = not a drop, or a drop by a proxy (L7 denials carry no reason). `is_reply` is None on drops and
    verdicts. `flags` are upper-case TCP flag names. Direction is relative to the endpoint that decided.
    """

    time: datetime | None = None
    uuid: str = ""
    verdict: str = ""
    drop_reason: int = 0
    drop_reason_name: str = ""
    kind: str = ""  # L3_L4, L7, SOCK
    event: int = 0  # 1 drop, 4 trace, 5 policy verdict, 7 socket trace, 129 proxy
    event_sub: int = 0
    direction: str = ""  # INGRESS, EGRESS or empty
    policy_match: int = 0  # 0 none, 1 L3, 2 L3-L4, 3 L4, 4 all, 5 L3-protocol, 6 protocol
    source: FlowEndpoint = FlowEndpoint()
    destination: FlowEndpoint = FlowEndpoint()
    source_port: int = 0  # 0 = none
    destination_port: int = 0
    ip_version: int = 0
    protocol: str = ""  # TCP, UDP, SCTP, ICMPv4, ICMPv6, …
    flags: frozenset[str] = frozenset()
    icmp_type: int | None = None
    icmp_code: int | None = None
    is_reply: bool | None = None
    node: str = ""
    observed_at: str = ""  # TO_ENDPOINT, TO_OVERLAY, TO_NETWORK, …
    trace_reason: str = ""  # NEW, ESTABLISHED, REPLY, RELATED
    dns: Dns | None = None
    http: Http | None = None
    l7_type: str = ""  # REQUEST, RESPONSE, SAMPLE
    egress_allowed_by: tuple[DatapathPolicy, ...] = ()
    ingress_allowed_by: tuple[DatapathPolicy, ...] = ()
    egress_denied_by: tuple[DatapathPolicy, ...] = ()
    ingress_denied_by: tuple[DatapathPolicy, ...] = ()
    policy_log: tuple[str, ...] = ()
    file: str = ""  # BPF source line of a drop, `bpf_lxc.c:1533`
    source_xlated: str = ""  # the service address the client believed in, where translation was per packet
    sock_point: str = ""
    socket_cookie: int = 0
    proxy_port: int = 0
    interface: str = ""
    encrypted: bool = False

    @property
    def is_bad(self) -> bool:
        """Dropped, failed in a proxy, or passed only because policy audit mode is on."""
        return self.verdict in BAD_VERDICTS


class NodeStatus(msgspec.Struct, frozen=True, gc=False):
    """The relay speaks about its nodes: NODE_CONNECTED, NODE_UNAVAILABLE, NODE_GONE, NODE_ERROR."""

    state: str
    nodes: tuple[str, ...] = ()
    message: str = ""
    time: datetime | None = None


class LostEvents(msgspec.Struct, frozen=True, gc=False):
    """Events that never became flows, by source: HUBBLE_RING_BUFFER means that the reader was overtaken.

    Filters do not touch these reports: compare `first` and `last` (Cilium 1.19 and up) with the window asked for.
    """

    source: str
    count: int = 0
    node: str = ""
    first: datetime | None = None
    last: datetime | None = None
    time: datetime | None = None


class Horizon(msgspec.Struct, frozen=True, gc=False):
    """Reach of a node's answer: the oldest and the newest flow seen from it, of any pod."""

    node: str
    first: datetime
    last: datetime


class FlowReading(msgspec.Struct, frozen=True, gc=False):
    """Summary of the reading itself; always the last message. `flows` counts all read, asked for or not.

    `garbage` counts lines that could not be understood (`first_garbage` is the number of the first), `other` lines
    that are well-formed but hold no flow, `truncated` says that the source broke off (a file in the middle of a line, a
    relay in the middle of an answer), `unfinished` that it knew more which did not come.
    """

    flows: int = 0
    garbage: int = 0
    first_garbage: int = 0
    other: int = 0
    truncated: bool = False
    horizons: tuple[Horizon, ...] = ()
    unfinished: bool = False


HubbleMessage: TypeAlias = HubbleFlow | NodeStatus | LostEvents | FlowReading
