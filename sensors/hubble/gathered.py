"""Flows received of those requested, and how far back they reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sensors.hubble.connections import Connections
from sensors.hubble.lines import FlowQuestion, FlowReading, HubbleFlow, HubbleMessage, LostEvents, NodeStatus


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """Reach of a node's flows, of any pod."""

    node: str
    first: datetime
    last: datetime

    @property
    def seconds(self) -> float:
        return (self.last - self.first).total_seconds()


@dataclass(slots=True)
class Gathered:
    """Flows received so far."""

    question: FlowQuestion
    own: Connections = field(default_factory=Connections)
    others: Connections = field(default_factory=Connections)
    statuses: list[NodeStatus] = field(default_factory=list)
    lost: list[LostEvents] = field(default_factory=list)
    reading: FlowReading | None = None
    cut_short: bool = False
    spans: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)

    def take(self, batch: Iterable[HubbleMessage]) -> None:
        for message in batch:
            if isinstance(message, HubbleFlow):
                self._take_flow(message)
            elif isinstance(message, NodeStatus):
                self.statuses.append(message)
            elif isinstance(message, LostEvents):
                self.lost.append(message)
            else:
                self.reading = message

    def _take_flow(self, flow: HubbleFlow) -> None:
        if self.question.is_about(flow):
            self.own.add(flow)
        elif flow.is_bad:
            self.others.add(flow)
        if flow.time is not None:
            self.widen(flow.node, flow.time, flow.time)

    def widen(self, node: str, first: datetime, last: datetime) -> None:
        """Notes that a node's flows reach from `first` to `last`, at least."""
        known = self.spans.get(node, (first, last))
        self.spans[node] = (min(known[0], first), max(known[1], last))

    @property
    def flows_read(self) -> int:
        return max(self.reading.flows if self.reading else 0, self.own.flows + self.others.flows)

    @property
    def is_cut_short(self) -> bool:
        """Checks whether there was more to come: we stopped listening, or a relay did not answer to the end."""
        return self.cut_short or (self.reading is not None and self.reading.unfinished)

    def memory(self) -> tuple[NodeMemory, ...]:
        """Per node, from the reader where it told (it saw every flow), else from what was brought."""
        if self.reading and self.reading.horizons:
            return tuple(NodeMemory(each.node, each.first, each.last) for each in self.reading.horizons)
        return tuple(NodeMemory(node, *span) for node, span in sorted(self.spans.items()))
