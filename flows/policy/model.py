"""Nouns of the simulator: endpoints, traffic, verdicts, and the rules behind them.

All nouns are frozen. An ``Endpoint`` is one side of a connection as the datapath sees it, *after* the address of a
Service was replaced by a backend's; a ``PolicyVerdict`` is one direction at one side; a ``Judgement`` is both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


def _no_labels() -> Mapping[str, str]:
    return MappingProxyType({})


def _no_ports() -> Mapping[tuple[str, str], int]:
    return MappingProxyType({})


class Direction(StrEnum):
    """Side of the connection that judges: the source its egress, the destination its ingress."""

    EGRESS = "egress"
    INGRESS = "ingress"


class Decision(StrEnum):
    """Decision of a rule, a policy or a whole direction on one connection."""

    NOT_APPLICABLE = "not applicable"  # does not select the endpoint, or says nothing about this direction
    ADMITS = "admits"
    DENIES = "denies"  # an explicit deny rule matches
    DOES_NOT_ADMIT = "does not admit"  # isolates the endpoint, and none of its rules matches
    PASSES = "passes"  # an admin rule hands the connection on to the policies of the namespace
    UNDECIDABLE = "undecidable"


class MissKind(StrEnum):
    """Kind of mismatch between a rule and a connection."""

    PORT = "port"
    PROTOCOL = "protocol"
    NAMED_PORT = "named port"  # the destination has no port of that name
    LABEL = "label"  # the pod lacks a label, or has another value
    NAMESPACE = "namespace"  # the selector looks into another namespace (also: podSelector without namespaceSelector)
    NAMESPACE_LABEL = "namespace label"
    CIDR = "cidr"  # the address is outside the block
    CIDR_EXCEPT = "cidr except"  # inside the block, and inside one of its exceptions
    CIDR_NEVER_MATCHES = "cidr never matches"  # inside the block, which this datapath never compares with such a peer
    ENTITY = "entity"
    FQDN = "fqdn"
    FQDN_NOT_SEEN = "fqdn not seen"  # the name matches; nothing shows the pod's DNS answers to the datapath
    SERVICE = "service"
    ICMP = "icmp"
    NOT_A_POD = "not a pod"  # a pod selector, and the peer is a node or an outside address
    NOBODY = "nobody"  # the rule admits no peer at all


@dataclass(frozen=True, slots=True, order=True)
class PolicyRef:
    """The object a person would open in an editor."""

    kind: str
    namespace: str  # "" = cluster-wide
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One side of a connection, as the datapath sees it after service translation.

    A pod has a namespace. A node, the API server and everything outside have ``entities`` in Cilium's words
    (``world``, ``host``, ``remote-node``, ``kube-apiserver`` …), also under other datapaths.
    """

    namespace: str = ""
    pod: str = ""
    labels: Mapping[str, str] = field(default_factory=_no_labels)
    namespace_labels: Mapping[str, str] = field(default_factory=_no_labels)
    ip: str = ""  # "" = not known
    tunnel_ip: str = ""  # of a node on an overlay: what pods of other nodes may see instead of its address
    named_ports: Mapping[tuple[str, str], int] = field(default_factory=_no_ports)  # (name, protocol) -> number
    node: str = ""
    host_network: bool = False  # also True for a node itself
    entities: frozenset[str] = frozenset()
    fqdns: tuple[str, ...] = ()  # names whose DNS answers led to this address
    names_known: bool = False  # True = ``fqdns`` is complete (read from the datapath's own identity labels)
    workload: str = ""  # "Deployment web"
    service_account: str = ""
    cluster: str = ""  # of a cluster mesh; "" = this one

    @property
    def is_pod(self) -> bool:
        return bool(self.namespace)

    def __str__(self) -> str:
        if self.is_pod:
            return f"{self.namespace}/{self.pod or 'a pod'}"
        what = " ".join(sorted(self.entities)) or ("node" if self.host_network else "address")
        name = self.fqdns[0] if self.fqdns else self.node
        return " ".join(part for part in (what, name, self.ip) if part)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The first packet of one connection; replies are not judged, they follow the connection."""

    source: Endpoint
    destination: Endpoint
    protocol: str = "TCP"  # TCP, UDP, SCTP, ICMP, ICMPv6
    port: int | None = None  # the backend's port (targetPort); None = ICMP, or not known
    l7: str = ""  # e.g. "GET /health", "dns api.example.com"; "" = not known
    service: tuple[str, str] | None = None  # (namespace, name) of the Service the client addressed
    service_ip: str = ""  # its address before translation
    service_port: int | None = None
    icmp_type: int | None = None

    def words(self) -> str:
        what = f"{self.protocol} {self.port}" if self.port is not None else self.protocol
        return f"{self.source} → {self.destination} on {what}"


@dataclass(frozen=True, slots=True)
class Miss:
    """One thing in the way of one rule, precise enough to write the one-word correction.

    ``path`` is a JSON pointer into the policy object; ``expected`` is what the policy says there, ``got`` what the
    connection has. ``near`` is a spelling distance of two values (0 = not a matter of spelling).
    """

    kind: MissKind
    why: str
    path: str = ""
    key: str = ""
    expected: tuple[str, ...] = ()
    got: str = ""
    near: int = 0


@dataclass(frozen=True, slots=True)
class RuleWalk:
    """Decision of one rule. ``index`` counts from 0, as in ``path``."""

    index: int
    decision: Decision
    why: str
    misses: tuple[Miss, ...] = ()  # of the peer and the port that came closest
    path: str = ""  # "/spec/egress/1"
    peer_fits: bool | None = None  # None = undecidable
    port_fits: bool | None = None
    notes: tuple[str, ...] = ()  # e.g. L7 rules apply after the L4 admission


@dataclass(frozen=True, slots=True)
class PolicyWalk:
    """Decision of one policy on one direction of a connection."""

    ref: PolicyRef
    direction: Direction
    isolates: bool  # switches the endpoint to "only what a rule admits" in this direction
    decision: Decision
    why: str
    rules: tuple[RuleWalk, ...] = ()


Closest = tuple[PolicyRef, RuleWalk]


@dataclass(frozen=True, slots=True)
class PolicyVerdict:
    """One direction, judged by all policies that select the endpoint (or that could not be decided)."""

    direction: Direction
    allowed: bool | None  # None = undecidable
    decision: Decision
    why: str
    walk: tuple[PolicyWalk, ...] = ()
    isolated_by: tuple[PolicyRef, ...] = ()
    closest: tuple[Closest, ...] = ()  # rules that did not match, nearest first; empty when allowed
    denied_by: tuple[PolicyRef, ...] = ()  # by explicit deny rules only
    admitted_by: tuple[PolicyRef, ...] = ()
    undecidable_because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """Both directions of one connection. Egress is judged first, and hides an ingress denial on the wire."""

    traffic: Traffic
    egress: PolicyVerdict
    ingress: PolicyVerdict

    @property
    def allowed(self) -> bool | None:
        both = (self.egress.allowed, self.ingress.allowed)
        if False in both:
            return False
        return None if None in both else True


@dataclass(frozen=True, slots=True, order=True)
class PolicyParty:
    """A group of endpoints that no policy can tell apart from outside: a workload, an entity, addresses, names."""

    kind: str  # "workload", "entity", "cidr", "fqdn"
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """One thing that changed: these ports from this party to that one."""

    source: PolicyParty
    destination: PolicyParty
    protocol: str
    ports: tuple[tuple[int, int], ...]  # inclusive ranges; ICMP: types

    @property
    def ports_in_words(self) -> str:
        if self.ports in (((0, 65535),), ((0, 255),)):
            return "all"
        return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in self.ports)

    def __str__(self) -> str:
        return f"{self.source} -> {self.destination} {self.protocol} {self.ports_in_words}"


@dataclass(frozen=True, slots=True)
class Diff:
    """Openings and closings by a change of objects: exact for the workloads, entities, addresses and names known."""

    opened: tuple[Opening, ...] = ()
    closed: tuple[Opening, ...] = ()
    undecidable: tuple[Opening, ...] = ()  # may or may not have changed; never counted as safe
    opens_world: bool = False
    opens_all_namespaces: bool = False
    opens_all_ports: bool = False
    because: tuple[str, ...] = ()  # why something is undecidable
    complete: bool = True  # False: the change is so broad that only the first part of it is listed

    @property
    def destinations(self) -> int:
        return len({opening.destination for opening in self.opened})

    @property
    def sources(self) -> int:
        return len({opening.source for opening in self.opened})
