"""Reads Kubernetes Events: repeats folded into one line with a count, newest first, warnings ahead.

Source: Event v1 (`involvedObject`, `count`, `lastTimestamp`) and events.k8s.io (`series`, `eventTime`); the API server
serves both shapes under core/v1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sensors.kit.cluster import Object
from sensors.kit.objects import Ref, get, namespace_of, number, one_line, parse_time, text


@dataclass(frozen=True, slots=True)
class EventFact:
    """Events about an object with one text: how often, when first and last."""

    about: Ref
    type: str
    reason: str
    message: str
    count: int
    first: datetime | None
    last: datetime | None

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.reason}: {self.message}{times}"


def fold_events(events: Iterable[Object]) -> tuple[EventFact, ...]:
    """All events, equal ones folded; warnings first, then newest first."""
    folded: dict[tuple[Ref, str, str, str], EventFact] = {}
    for each in map(_event, events):
        key = (each.about, each.type, each.reason, each.message)
        folded[key] = _merge(folded[key], each) if key in folded else each
    return tuple(sorted(folded.values(), key=_rank))


def events_about(events: Iterable[Object], about: Ref) -> tuple[EventFact, ...]:
    """The folded events about one object."""
    return tuple(each for each in fold_events(events) if each.about == about)


def _event(event: Object) -> EventFact:
    last = _newest(get(event, "series", "lastObservedTime"), get(event, "lastTimestamp"), get(event, "eventTime"))
    first = parse_time(get(event, "firstTimestamp")) or parse_time(get(event, "eventTime"))
    created = parse_time(get(event, "metadata", "creationTimestamp"))
    return EventFact(
        about=_about(event),
        type=text(event, "type"),
        reason=text(event, "reason"),
        message=one_line(text(event, "message")),
        count=max(number(event, "series", "count") or number(event, "count") or 1, 1),
        first=first or created,
        last=last or created,
    )


def _about(event: Object) -> Ref:
    about = get(event, "involvedObject") or get(event, "regarding")
    return Ref(text(about, "kind"), text(about, "namespace") if about else namespace_of(event), text(about, "name"))


def _newest(*values: object) -> datetime | None:
    return max((time for time in map(parse_time, values) if time), default=None)


def _merge(one: EventFact, two: EventFact) -> EventFact:
    firsts = [each for each in (one.first, two.first) if each]
    return replace(one, count=one.count + two.count, first=min(firsts, default=None), last=_newest(one.last, two.last))


def _rank(event: EventFact) -> tuple[bool, float, str]:
    return event.type != "Warning", -(event.last.timestamp() if event.last else 0.0), event.reason
