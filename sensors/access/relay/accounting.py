"""Keeps the books of a look: which flows are new, which nodes spoke, what was lost, and what nobody answered.

Several calls of one look overlap on purpose, so each flow and each report comes more than once. What a node failed to
answer once stays missing: a later "connected" from another call does not bring those flows back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sensors.hubble.lines import FlowQuestion
from sensors.hubble.records import FlowReading, Horizon, HubbleFlow, HubbleMessage, LostEvents, NodeStatus

CONNECTED = "NODE_CONNECTED"
NO_ANSWER = "NODE_NO_ANSWER"  # our own word: said to be connected, and not one flow came before the time was up
OUR_DEADLINE = ("DeadlineExceeded", "context deadline exceeded")


def short(node: str) -> str:
    """A node's own name: relays of named clusters write `cluster/node`."""
    return node.rpartition("/")[2]


class Books:
    """Counts of what one look has received. `take` says what of a message is news for the reader."""

    def __init__(self, question: FlowQuestion) -> None:
        self.question = question
        self.flows = self.garbage = self.first_garbage = self.messages = 0
        self.searched = 0  # flows in the rings that the nodes searched for us
        self.is_incomplete = False
        self.heard: set[str] = set()
        self._seen: set[int] = set()  # hashes: a server may send uuids of any length
        self._told: set[int] = set()
        self._states: dict[str, str] = {}
        self._explained: set[str] = set()
        self._spans: dict[str, tuple[datetime, datetime]] = {}

    def take(
        self, read: Iterable[HubbleMessage] | None, *, is_live: bool = False, is_about_memory: bool = False
    ) -> list[HubbleMessage]:
        """Part of one answer to pass on; None = it could not be read."""
        self.messages += 1
        if read is None:
            self.garbage += 1
            self.first_garbage = self.first_garbage or self.messages
            return []
        news: list[HubbleMessage] = []
        for each in read:
            if isinstance(each, HubbleFlow):
                news += self._flow(each, is_about_memory)
            elif isinstance(each, NodeStatus):
                news += self._status(each, is_live)
            elif isinstance(each, LostEvents) and not is_about_memory:  # the oldest flow is always being overtaken
                news += self._lost(each)
        return news

    def _flow(self, flow: HubbleFlow, is_about_memory: bool) -> list[HubbleMessage]:
        self.heard.add(short(flow.node))
        if flow.time is not None and flow.node:
            first, last = self._spans.get(flow.node, (flow.time, flow.time))
            self._spans[flow.node] = (min(first, flow.time), max(last, flow.time))
        if is_about_memory:
            return []
        key = hash(flow.uuid or flow)  # no uuid before Cilium 1.14
        if key in self._seen:
            return []
        self._seen.add(key)
        self.flows += 1
        return [flow] if self._is_wanted(flow) else []

    def _is_wanted(self, flow: HubbleFlow) -> bool:
        """The question once more: servers ignore filters they do not know, and match pods by prefix."""
        ask = self.question
        return ask.in_time(flow) and (ask.is_about(flow) or (ask.others and flow.is_bad))

    def _lost(self, lost: LostEvents) -> list[HubbleMessage]:
        self.heard.add(short(lost.node))
        if hash(lost) in self._told:
            return []
        self._told.add(hash(lost))
        return [lost]

    def _status(self, status: NodeStatus, is_live: bool) -> list[HubbleMessage]:
        if is_live and any(each in status.message for each in OUR_DEADLINE):
            return []  # we hung up on purpose
        nodes = tuple(node for node in status.nodes if self._is_news(node, status))
        for node in nodes:
            self._states[short(node)] = status.state
            if status.message:
                self._explained.add(short(node))
        return [NodeStatus(status.state, nodes, status.message, status.time)] if nodes else []

    def _is_news(self, node: str, status: NodeStatus) -> bool:
        known = self._states.get(short(node))
        if known is None or known == CONNECTED:
            return known != status.state
        is_explained = short(node) in self._explained or not status.message
        return status.state != CONNECTED and not (status.state == known and is_explained)

    @property
    def unheard(self) -> tuple[str, ...]:
        """Nodes that are said to be connected and gave nothing."""
        connected = {node for node, state in self._states.items() if state == CONNECTED}
        return tuple(sorted(connected - self.heard))

    @property
    def is_without_nodes(self) -> bool:
        """The relay told of nodes, and every single one is out of reach of it."""
        return bool(self._states) and not any(state in (CONNECTED, NO_ANSWER) for state in self._states.values())

    @property
    def silent(self) -> tuple[str, ...]:
        """Nodes that the relay reaches and that gave nothing to the end."""
        return tuple(sorted(node for node, state in self._states.items() if state == NO_ANSWER))

    def reading(self) -> FlowReading:
        """Summary of the look; `flows` counts what the nodes searched for us where all of them did so to the end."""
        horizons = tuple(Horizon(node, *span) for node, span in sorted(self._spans.items()))
        flows = self.flows if self.is_incomplete else max(self.flows, self.searched)
        cut = self.is_incomplete
        return FlowReading(flows, self.garbage, self.first_garbage, truncated=cut, horizons=horizons, unfinished=cut)
