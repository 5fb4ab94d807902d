"""Flows received of those requested, and how far back they reach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sensors.hubble.connections import Connections
from sensors.hubble.lines import FlowQuestion, FlowReading, HubbleFlow, HubbleMessage, LostEvents, NodeStatus
from sensors.hubble.moments import Spans, widen
from sensors.hubble.wire import WireFlow


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
    spans: Spans = field(default_factory=dict)

    def take(self, batch: Iterable[HubbleMessage | WireFlow]) -> None:
        for message in batch:
            if isinstance(message, WireFlow):
                (self.own if message.is_own else self.others).add_unread(message)
            elif isinstance(message, HubbleFlow):
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
            widen(self.spans, flow.node, flow.time)

    @property
    def flows_read(self) -> int:
        return max(self.reading.flows if self.reading else 0, self.own.flows + self.others.flows)

    @property
    def is_cut_short(self) -> bool:
        """Checks whether there was more to come: we stopped listening, or a relay did not answer to the end."""
        return self.cut_short or (self.reading is not None and self.reading.unfinished)

    def memory(self) -> tuple[NodeMemory, ...]:
        """Per node, from the reader where it told (it saw every flow), else from the records that were brought."""
        if self.reading and self.reading.horizons:
            return tuple(NodeMemory(each.node, each.first, each.last) for each in self.reading.horizons)
        return tuple(NodeMemory(node, *span) for node, span in sorted(self.spans.items()))
