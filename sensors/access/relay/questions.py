"""Puts one question about a pod into the calls that a relay understands, and says in which order they matter.

Facts from Cilium's local_observer.go, filters/ and fieldmask/: a number counts matching flows per node; without a
number and without `since` the whole ring is read; together with `since` a number keeps the *oldest*; a pod filter
matches prefixes; an unknown filter field is ignored, so everything is filtered again on our side; a mask with a path
that the node does not know is refused as a whole, and a nested path makes empty parents appear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from sensors.hubble.lines import FlowQuestion
from sensors.hubble.pb.cilium.flow.flow_pb2 import AUDIT, DROPPED, ERROR, FlowFilter
from sensors.hubble.pb.cilium.observer.observer_pb2 import GetFlowsRequest

BAD = (DROPPED, ERROR, AUDIT)
MASK_SINCE = (1, 16)
MASK = (  # in Cilium 1.16 already; left out: ethernet, node labels, summary, emitter, trace context, cgroup
    *("time", "uuid", "verdict", "drop_reason", "drop_reason_desc", "IP", "l4", "source", "destination", "Type"),
    *("node_name", "source_names", "destination_names", "l7", "event_type", "source_service", "destination_service"),
    *("traffic_direction", "policy_match_type", "trace_observation_point", "trace_reason", "is_reply", "interface"),
    *("proxy_port", "sock_xlate_point", "socket_cookie"),
    *("egress_allowed_by", "ingress_allowed_by", "egress_denied_by", "ingress_denied_by"),
)
MASK_LATER = {"file": (1, 17), "policy_log": (1, 18)}
MASK_OF_TIME = ("time", "node_name")

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class GetFlowsCall:
    """One GetFlows call. `is_vital`: without its answer the look has a hole (the others only widen the view)."""

    name: str
    request: Any
    is_vital: bool = False
    is_about_memory: bool = False

    @property
    def is_live(self) -> bool:
        return bool(self.request.follow)

    def without_mask(self) -> GetFlowsCall:
        bare = GetFlowsRequest()
        bare.CopyFrom(self.request)
        bare.ClearField("field_mask")
        return GetFlowsCall(self.name, bare, self.is_vital, self.is_about_memory)


def calls_for(
    question: FlowQuestion, mask: tuple[str, ...] = (), *, most_drops: int = 10_000, most_others: int = 200
) -> tuple[GetFlowsCall, ...]:
    """The calls, most urgent first: what happens from now on, the drops, the context, the memory, others' drops.

    `most_drops` and `most_others` are per node; a node keeps 4,095 flows by default and 65,535 at most.
    """
    about = about_pod(question)
    drops = GetFlowsCall(
        "drops", _request(question, about or ANY_FLOW, mask, number=most_drops, verdicts=BAD), is_vital=True
    )
    if not question.context:
        return (drops,)
    context = _request(question, about, mask, number=question.last)
    context.blacklist.append(FlowFilter(verdict=BAD))  # they come with the drops, and must not use up the number
    vital = [drops, GetFlowsCall("context", context, is_vital=True)]
    memory = [
        GetFlowsCall(f"{end} flow", _end_of_memory(mask, first=end == "oldest"), is_about_memory=True) for end in ENDS
    ]
    calls = [*_live(question, about, mask), *vital, *memory]
    if question.others and question.pod:
        request = _request(question, ANY_FLOW, mask, number=most_others, verdicts=BAD)
        request.blacklist.extend(about)
        calls.append(GetFlowsCall("drops of others", request))
    return tuple(calls)


ENDS = ("oldest", "newest")
ANY_FLOW = (FlowFilter(),)


def _live(question: FlowQuestion, about: Iterable[Any], mask: tuple[str, ...]) -> list[GetFlowsCall]:
    if question.until is not None or not question.listen:
        return []
    request = GetFlowsRequest(follow=True, whitelist=about)
    request.field_mask.paths.extend(mask)
    return [GetFlowsCall("live", request)]


def _end_of_memory(mask: tuple[str, ...], *, first: bool) -> Any:
    """Reach of a node's memory: its oldest and newest flow, whatever they are about."""
    request = GetFlowsRequest(number=1, first=first)
    request.field_mask.paths.extend(MASK_OF_TIME if mask else ())
    return request


def _request(
    question: FlowQuestion, about: Iterable[Any], mask: tuple[str, ...], *, number: int, verdicts: Iterable[Any] = ()
) -> Any:
    request = GetFlowsRequest(number=number, whitelist=[_with(each, verdicts) for each in about])
    if question.since is not None or question.until is not None:
        request.number = 0  # next to a time it would keep the oldest, and before `until` it would count too new ones
    if question.since is not None:
        request.since.CopyFrom(_stamp(question.since))
    if question.until is not None:
        request.until.CopyFrom(_stamp(question.until))
    request.field_mask.paths.extend(mask)
    return request


def _stamp(moment: Any) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _with(filter_: Any, verdicts: Iterable[Any]) -> Any:
    wanted = FlowFilter()
    wanted.CopyFrom(filter_)
    wanted.verdict.extend(verdicts)
    return wanted


def about_pod(question: FlowQuestion) -> tuple[Any, ...]:
    """Filters, any of which may match, for the flows of the asked pod or namespace; () for everything."""
    if not question.namespace:
        return ()
    pod = f"{question.namespace}/{question.pod}"  # `shop/` matches every pod of the namespace
    named = (FlowFilter(source_pod=[pod]), FlowFilter(destination_pod=[pod]))
    addresses, ports = sorted(question.addresses), [str(port) for port in sorted(question.ports)]
    if not addresses:
        return named
    return (*named, *_addressed(addresses, ports))


def _addressed(addresses: list[str], ports: list[str]) -> Iterable[Any]:
    if not ports:
        return FlowFilter(source_ip=addresses), FlowFilter(destination_ip=addresses)
    return (
        FlowFilter(source_ip=addresses, source_port=ports),
        FlowFilter(source_ip=addresses, destination_port=ports),
        FlowFilter(destination_ip=addresses, source_port=ports),
        FlowFilter(destination_ip=addresses, destination_port=ports),
    )


def mask_for(versions: Iterable[str]) -> tuple[str, ...]:
    """The fields to ask for that every one of these servers knows; () = all, where one is too old or will not say."""
    read = [version_of(each) for each in versions]
    oldest = min((each for each in read if each), default=(0, 0)) if all(read) else (0, 0)
    if oldest < MASK_SINCE:
        return ()
    return MASK + tuple(path for path, since in MASK_LATER.items() if oldest >= since)


def version_of(said: str) -> Version | None:
    """`hubble-relay v1.20.0-dev+g…` → (1, 20); None where no version can be read."""
    found = re.search(r"\bv?(\d{1,4})\.(\d{1,4})\b", said)
    return (int(found[1]), int(found[2])) if found else None
