"""A node's memory of flows, and what it answers: the rules of an agent's own observer, without a network.

From Cilium's local_observer.go. A number counts matching flows; reports of lost events pass every filter and count for
nothing; `since` decides the start before a number does; `until` ends; a question to follow never ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from lab.observer.filters import passes
from sensors.hubble.pb.cilium.flow.flow_pb2 import Flow
from sensors.hubble.pb.cilium.observer.observer_pb2 import GetFlowsRequest, GetFlowsResponse

CAPACITY = 4095  # hubble.eventBufferCapacity
MAX_QUESTIONS = 32


class NodeFails(Exception):
    """The node cannot answer; a relay tells of it as NODE_ERROR."""


@dataclass(slots=True)
class Ring:
    """The flows (and lost events) of one node, oldest first. Messages are `GetFlowsResponse`.

    `known_filters`, `known_fields`: what an old node has heard of; None = everything.
    """

    node: str
    messages: list[Any] = field(default_factory=list)
    known_filters: frozenset[str] | None = None
    has_masks: bool = True
    _worked_out: dict[Hashable, dict[int, tuple[Any, Any]]] = field(default_factory=dict, repr=False)

    def matches(self, message: Any, request: Any) -> bool:
        """Checks whether a message answers the question, times aside."""
        if not message.HasField("flow"):
            return True
        return passes(message.flow, request.whitelist, request.blacklist, self.known_filters)

    def _answering(self, request: Any) -> Callable[[Any], Any]:
        """What a message of ours becomes in an answer, None where it is none. Worked out once, however many ask the
        same: a real node is a hundred times as fast as this one, and what is measured is whoever asks."""
        if len(self._worked_out) > MAX_QUESTIONS:
            self._worked_out.clear()
        known = self._worked_out.setdefault((self.known_filters, self.has_masks, _filters(request)), {})
        mask = self.mask(request)
        if len(known) > 2 * CAPACITY:  # most of them have left the ring
            known.clear()

        def answering(message: Any) -> Any:
            kept = known.get(id(message))
            if kept is None or kept[0] is not message:
                kept = message, masked(message, mask) if self.matches(message, request) else None
                known[id(message)] = kept
            return kept[1]

        return answering

    def answer(self, request: Any) -> Iterator[Any]:
        """Messages of the ring, oldest first. Raises `BadFilter`, and `NodeFails` for a mask it does not know."""
        answering = self._answering(request)
        left = request.number if not request.follow else 0
        for message in self.messages[self._start(request) :]:
            if not message.HasField("flow"):
                yield message
                continue
            if request.HasField("until") and _time(message) > _moment(request.until):
                return
            if _is_before(message, request) or (told := answering(message)) is None:
                continue
            yield told
            left -= 1
            if left == 0:
                return

    def _start(self, request: Any) -> int:
        if request.follow and not request.number and not request.HasField("since"):
            return len(self.messages)
        if request.first or request.HasField("since") or not request.number:
            return 0
        left, answering = request.number, self._answering(request)
        for index in range(len(self.messages) - 1, -1, -1):
            message = self.messages[index]
            left -= message.HasField("flow") and answering(message) is not None
            if left == 0:
                return index
        return 0

    def mask(self, request: Any) -> Any:
        paths = list(request.field_mask.paths) if self.has_masks else []
        mask: Any = FieldMask(paths=paths)
        if paths and not mask.IsValidForDescriptor(Flow.DESCRIPTOR):
            raise NodeFails("invalid fieldmask")
        return mask if paths else None


def _filters(request: Any) -> bytes:
    """Filters and mask of a question, as they came; two that are equal have the same."""
    about = GetFlowsRequest(whitelist=request.whitelist, blacklist=request.blacklist, field_mask=request.field_mask)
    return bytes(about.SerializeToString())


def masked(message: Any, mask: Any) -> Any:
    """The message with only the fields that were asked for."""
    if mask is None or not message.HasField("flow"):
        return message
    slim = GetFlowsResponse(node_name=message.node_name)
    slim.time.CopyFrom(message.time)
    slim.flow.SetInParent()
    mask.MergeMessage(message.flow, slim.flow)
    return slim


def _is_before(message: Any, request: Any) -> bool:
    return request.HasField("since") and _time(message) < _moment(request.since)


def _time(message: Any) -> tuple[int, int]:
    return _moment(message.flow.time if message.HasField("flow") else message.time)


def _moment(stamp: Any) -> tuple[int, int]:
    return stamp.seconds, stamp.nanos


def by_time(messages: Iterable[Any]) -> list[Any]:
    return sorted(messages, key=_time)
