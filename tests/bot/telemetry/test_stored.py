"""What the database tells of the queue, of what is owed and of approvals; and that a page comes without it, too."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from bot.approval.trail import TrailEvent, TrailNote
from bot.store import Feedback, Opinion
from bot.store.store import Store
from bot.telemetry.stored import StoredFigures
from tests.bot.store.words import NOW, RESULT, ROWS, admitted, concluded, request


def shown(page: bytes) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(page.decode())
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


async def test_the_queue_its_age_and_what_is_owed_are_told(store: Store) -> None:
    figures = StoredFigures(CollectorRegistry(), store, lambda: NOW + timedelta(seconds=90))
    await admitted(store, "one", request("a"))
    await admitted(store, "two", request("b"))
    await store.investigations.begin("two", NOW)
    await concluded(store, "three", request("c"))

    said = shown(await figures.page())

    assert (said["kai_store_investigations", "queued"], said["kai_store_investigations", "running"]) == (1, 1)
    assert (said["kai_store_oldest_seconds",], said["kai_store_messages_owed",]) == (90, 1)
    assert said["kai_store_up",] == 1


async def test_the_trail_is_counted_once_and_then_what_is_added_to_it(store: Store) -> None:
    figures = StoredFigures(CollectorRegistry(), store)
    for event in (TrailEvent.APPROVED, TrailEvent.WRITTEN, TrailEvent.APPROVED):
        await store.audit.append("p1", TrailNote(event, "U1"), NOW)
    first = shown(await figures.page())
    await store.audit.append("p1", TrailNote(TrailEvent.ROLLED_BACK, "kai"), NOW)
    second = shown(await figures.page())

    events = [("kai_store_approval_events", each) for each in ("approved", "rolled_back")]
    assert [[page[each] for each in events] for page in (first, second)] == [[2, 0], [2, 1]]


async def test_a_wrong_verdict_that_was_sure_is_told_apart_from_one_that_was_not(store: Store) -> None:
    figures = StoredFigures(CollectorRegistry(), store)
    await concluded(store, "sure", request("a"))
    await admitted(store, "unsure", request("b"))
    await store.investigations.begin("unsure", NOW)
    await store.investigations.conclude("unsure", {**RESULT, "confidence": 0.5}, ROWS, "verdict", NOW)
    for verdict, person, opinion in (
        ("sure", "U1", Opinion.RIGHT),
        ("sure", "U2", Opinion.WRONG),
        ("sure", "U3", Opinion.WRONG),
        ("unsure", "U1", Opinion.WRONG),
    ):
        await store.opinions.keep(Feedback(verdict, person, opinion, "", NOW))

    said = shown(await figures.page())

    kept = [said["kai_store_opinions", opinion, sure] for opinion in ("right", "wrong") for sure in ("yes", "no")]
    assert kept == [1, 0, 2, 1]


async def test_without_the_database_the_page_comes_and_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = StoredFigures(CollectorRegistry(), store)

    async def broken() -> None:
        raise OSError("gone")

    monkeypatch.setattr(store.investigations, "live", broken)

    assert shown(await figures.page())["kai_store_up",] == 0
