"""Facts of a connection, and of the DNS and HTTP that a proxy saw in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ConnectionOutcome(StrEnum):
    """Result of the attempts of a connection. The newest word counts; `mixed` when it goes to and fro."""

    OPENED = "opened"
    DROPPED = "dropped"
    MIXED = "mixed"  # opened and failed in turns, or one request denied and the next not
    DENIED = "denied"  # let through to a proxy, which refused the request
    REFUSED = "refused"  # delivered, and answered with RST: nobody listens
    UNANSWERED = "unanswered"  # sent, not dropped where we could see, no answer
    UNKNOWN = "unknown"  # seen in the middle: neither beginning nor answer


@dataclass(frozen=True, slots=True)
class Party:
    """One side of a connection: everything Hubble said of its address.

    `identities` are the numbers the datapath used, several if they changed; `entities` the reserved ones by name
    (`world`, `host`, `kube-apiserver`, …); `names` DNS names known for it; `service` `namespace/name` if seen as one.
    """

    ip: str
    namespace: str = ""
    pod: str = ""
    workload: str = ""
    labels: tuple[str, ...] = ()
    identities: tuple[int, ...] = ()
    entities: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    service: str = ""

    def __str__(self) -> str:
        """The shortest honest name: pod, service, DNS name, entity and address."""
        if self.pod:
            return f"{self.namespace}/{self.pod}"
        if self.service:
            return f"service {self.service} ({self.ip})"
        told = self.names[0] if self.names else ", ".join(self.entities)
        return f"{told} ({self.ip})" if told else self.ip


@dataclass(frozen=True, slots=True)
class Drop:
    """Packets of a connection dropped for one reason on one side.

    `direction` is that of the policy that was asked (EGRESS at the sender's end, INGRESS at the receiver's), empty if
    not said. `attempts` had at least one such packet. `of_reply`: the answers were dropped, not the questions, and
    the direction is then the wrong way round. `source_identity`, `destination_identity`: what the datapath took the
    two for at that moment, as sent (of the packet, not of the connection).
    """

    number: int
    reason: str
    direction: str
    packets: int
    attempts: int
    source_identity: int
    destination_identity: int
    of_reply: bool = False


@dataclass(frozen=True, slots=True)
class PolicyUse:
    """A policy the datapath named. `verdict` is `allowed` or `denied`; on reason 133 `denied` is a hint at most."""

    verdict: str
    direction: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class HttpOutcome:
    """Requests a proxy saw, by method, path (without query) and answer; `code` 0 = no answer seen."""

    method: str
    path: str
    code: int
    verdict: str
    count: int


@dataclass(frozen=True, slots=True)
class Connection:
    """All attempts of one client to reach one server port. `source` is who began, whoever sent a given packet.

    `outcome` is the newest word (what opened once and is dropped now is dropped), the counts are of the whole time;
    an attempt (distinct 5-tuple) can be dropped first and opened later, so they may overlap. `icmp` is (type, code)
    and `port` 0 for ICMP. `delivered`: a packet from the client was seen entering the server's own interface. `points`
    are the places its forwarded packets were seen at. `only_at_start`: dropped for some seconds when the asked pod was
    new, and let through since. `stale_peer`: dropped as world, although the address was a pod's in other flows.
    `audited` attempts passed only because policy audit mode is on. `probed` attempts came from the source ports of
    KAI's own probe (`PROBE_PORTS`); `began` tells when the newest attempts began. `passes_again`: each policy that
    dropped has let through since.
    """

    source: Party
    destination: Party
    protocol: str
    port: int
    outcome: ConnectionOutcome
    attempts: int
    opened: int = 0
    dropped: int = 0
    refused: int = 0
    unanswered: int = 0
    reset: int = 0
    denied: int = 0
    audited: int = 0
    packets_dropped: int = 0
    drops: tuple[Drop, ...] = ()
    policies: tuple[PolicyUse, ...] = ()
    delivered: bool = False
    redirected: bool = False
    points: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    icmp: tuple[int, int] | None = None
    http: tuple[HttpOutcome, ...] = ()
    first: datetime | None = None
    last: datetime | None = None
    first_drop: datetime | None = None
    last_drop: datetime | None = None
    first_opened: datetime | None = None
    last_opened: datetime | None = None
    passes_again: bool = False
    probed: int = 0
    began: tuple[datetime, ...] = ()
    only_at_start: bool = False
    stale_peer: bool = False

    @property
    def only_probed(self) -> bool:
        """Checks whether only KAI's own probe ever tried it."""
        return bool(self.probed) and self.probed >= self.attempts

    def __str__(self) -> str:
        port = f" {self.protocol}/{self.port}" if self.port else f" {self.protocol}"
        return f"{self.source} → {self.destination}{port}"


@dataclass(frozen=True, slots=True)
class DnsOutcome:
    """DNS proxy's answers for one name: `rcodes` by name with counts, `denied` questions it refused by policy.

    Search lists make NXDOMAIN for every name but the last one tried: judge the last of a burst.
    """

    client: str
    query: str
    qtypes: tuple[str, ...]
    asked: int
    answered: int
    denied: int
    rcodes: tuple[tuple[str, int], ...]
    addresses: tuple[str, ...]
    first: datetime | None
    last: datetime | None
