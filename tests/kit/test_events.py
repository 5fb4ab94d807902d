from __future__ import annotations

from datetime import UTC, datetime

from sensors.kit.events import EventFact, events_about, fold_events
from sensors.kit.objects import Ref
from tests.kit.build import event

POD = Ref("Pod", "shop", "web-1")


def at(minute: int) -> datetime:
    return datetime(2026, 11, 23, 20, minute, tzinfo=UTC)


def test_equal_events_are_one_with_the_sum_of_their_counts_and_the_whole_span() -> None:
    one = event("Pod", "shop", "web-1", "Unhealthy", "404", count=3, firstTimestamp="2026-11-23T20:10:00Z")
    two = event("Pod", "shop", "web-1", "Unhealthy", "404", firstTimestamp="2026-11-23T20:05:00Z")

    assert fold_events([one, two]) == (EventFact(POD, "Warning", "Unhealthy", "404", 4, at(5), at(59)),)


def test_the_new_shape_with_a_series_reads_the_same() -> None:
    new = {
        "kind": "Event",
        "metadata": {"namespace": "shop"},
        "regarding": {"kind": "Pod", "namespace": "shop", "name": "web-1"},
        "eventTime": "2026-11-23T20:01:00.000001Z",
        "series": {"count": 7, "lastObservedTime": "2026-11-23T20:30:00Z"},
        "type": "Warning",
        "reason": "X",
        "message": "m",
    }

    found = fold_events([new])[0]

    assert (found.about, found.count, found.last) == (POD, 7, at(30))


def test_warnings_come_first_and_the_newest_of_them_before_the_older() -> None:
    told = [
        event("Pod", "shop", "web-1", "Started", "s", type_="Normal"),
        event("Pod", "shop", "web-1", "Older", "o", lastTimestamp="2026-11-23T20:01:00Z"),
        event("Pod", "shop", "web-1", "Newer", "n"),
    ]

    assert [each.reason for each in fold_events(told)] == ["Newer", "Older", "Started"]


def test_only_events_about_the_very_object_are_about_it() -> None:
    told = [event("Pod", "shop", "web-1", "A", "a"), event("Node", "shop", "web-1", "B", "b")]

    assert [each.reason for each in events_about(told, POD)] == ["A"]


def test_malformed_events_are_kept_as_far_as_they_go() -> None:
    found = fold_events([{}, {"involvedObject": 5, "count": "many", "lastTimestamp": []}])

    assert [(str(each.about), each.count, each.last) for each in found] == [(" ", 2, None)]
