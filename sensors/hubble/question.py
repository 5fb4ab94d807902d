"""The question that is put to a source of hubble flows: whose, how many, of which time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from sensors.hubble.records import FlowEndpoint, HubbleFlow


class EnoughFlows(Protocol):
    """Event that is set when no more flows are wanted: an `asyncio.Event`, which a reader of files need not import."""

    def is_set(self) -> bool: ...

    async def wait(self) -> Literal[True]: ...


@dataclass(frozen=True, slots=True)
class FlowQuestion:
    """Hubble flows to bring: all drops of one pod as far back as anyone remembers, and its recent context.

    The two are asked apart because a limit counts matching flows: one "last 1000" would throw old drops away.

    namespace, pod   exact names (a server's own filter matches prefixes: filter again). Without a pod every pod of the
                     namespace, without both every pod.
    addresses        the pod's own, for flows that do not name it (a peer node that had not heard of it yet).
    ports            for a pod on the host network, whose address is its node's: only flows that touch these ports.
    last             context only: the newest so many *per node*; 0 = all. Bad verdicts of the pod are never cut.
    others           also bring the bad verdicts of other pods.
    context          False: the pod's bad verdicts alone, for a quick look.
    listen           False: only what nodes remember, nothing of what happens from now on.
    enough           set when what the look itself causes is over: listening ends soon after, rather than at its limit.
    """

    namespace: str = ""
    pod: str = ""
    addresses: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    last: int = 1000
    since: datetime | None = None
    until: datetime | None = None
    others: bool = True
    context: bool = True
    listen: bool = True
    enough: EnoughFlows | None = field(default=None, compare=False, repr=False)

    def is_about(self, flow: HubbleFlow) -> bool:
        """Checks whether the asked pod (or a pod of the asked namespace) is one of the two sides."""
        if not self.pod:
            return self.is_of_namespace(flow.source.namespace, flow.destination.namespace)
        return self.is_side(flow, flow.source) or self.is_side(flow, flow.destination)

    def is_of_namespace(self, *namespaces: str) -> bool:
        """Checks whether one of these is the asked namespace; any will do where none was asked for."""
        return not self.namespace or self.namespace in namespaces

    def is_side(self, flow: HubbleFlow, side: FlowEndpoint) -> bool:
        """True if `side` of the flow is the asked pod, by its exact name or, where Hubble names none, by address."""
        return self.names(side.namespace, side.pod, side.ip, flow.source_port, flow.destination_port)

    def names(self, namespace: str, pod: str, ip: str, *ports: int) -> bool:
        if pod:
            return pod == self.pod and namespace == self.namespace
        return ip in self.addresses and (not self.ports or any(port in self.ports for port in ports))

    def in_time(self, flow: HubbleFlow) -> bool:
        """Checks whether a flow lies in the asked window."""
        return self.in_window(flow.time)

    def in_window(self, when: datetime | None) -> bool:
        """Checks whether a moment lies in the asked window; what has no time cannot be shown to lie outside."""
        if when is None:
            return True
        return (self.since is None or when >= self.since) and (self.until is None or when <= self.until)
