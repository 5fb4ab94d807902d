"""Alerts that were taken in are written down, and found by whoever comes after a crash."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.alerts.pending import ALERT_LIFETIME, GATHER_S, TAKE_OVER_AFTER, Keeper, KeptAlerts
from bot.alerts.plan import Received
from bot.store.store import Store
from bot.triggers.alert import Alert, AlertSubject, SubjectKind
from bot.triggers.alerts import message_trigger, webhook_of
from tests.bot.alerts.alerting import alert, received
from tests.bot.triggers.payloads import FOLDER, payload

NOW = datetime(2026, 11, 28, 22, 0, tzinfo=UTC)


def process(store: Store, after: timedelta = timedelta(), *, alone: bool = True) -> KeptAlerts:
    return KeptAlerts(store.heard, lambda: NOW + after, alone=alone)


async def test_an_alert_comes_back_as_it_was_and_to_one_caller(store: Store):
    said = alert(peer=("10.96.0.1", 443), meant=(AlertSubject(SubjectKind.POD, 'ä"1', "shop"),), labels={"a": "b"})
    one = Received(said, "C0A", "1.0", "B0X")
    assert await process(store).keep([one]) == {one.once}

    after = process(store)
    found = await asyncio.gather(*(after.lost() for _ in range(5)))

    assert [each for each in found if each] == [[one]]


@pytest.mark.parametrize("name", sorted(each.stem for each in FOLDER.glob("*.json")))
async def test_every_kind_of_alert_can_be_written_down_and_read(name: str, store: Store):
    trigger = webhook_of(payload(name)) or message_trigger(payload(name))
    alerts = [found for each in trigger.split(payload(name)) if isinstance(found := trigger.read(each), Alert)]
    heard = [Received(each, "C0A", "1.0") for each in alerts]
    assert heard

    await process(store).keep(heard)

    assert sorted(await process(store).lost(), key=str) == sorted(heard, key=str)


async def test_a_credential_in_an_alert_is_not_written_down(store: Store):
    said = alert(words="cannot log in: password=hunter2, retrying", labels={"url": "http://bob:hunter2@db:5432"})
    await process(store).keep(received(said))

    (found,) = await process(store).lost()

    assert "hunter2" not in str(found)
    assert found.alert.words == "cannot log in: password=[hidden], retrying"


async def test_what_is_under_way_here_is_not_lost_and_what_is_done_is_gone(store: Store):
    one, other = received(alert(), alert(pod="web-2"))
    here = process(store)
    await here.keep([one, other])
    await here.done([other.once])

    assert await here.lost() == []
    assert await process(store).lost() == [one]


async def test_beside_other_replicas_only_what_is_long_under_way_is_taken_up(store: Store):
    (one,) = received(alert())
    await process(store).keep([one])

    assert await process(store, TAKE_OVER_AFTER / 2, alone=False).lost() == []
    assert await process(store, TAKE_OVER_AFTER * 2, alone=False).lost() == [one]


async def test_what_is_too_old_is_left_to_its_sender(store: Store):
    await process(store).keep(received(alert()))

    assert await process(store, 2 * ALERT_LIFETIME).lost() == []


async def test_a_row_that_cannot_be_read_is_forgotten(store: Store):
    await store.heard.keep({"x": {"alert": "of another version"}}, "gone", NOW, NOW)

    assert await process(store).lost() == []
    assert await store.heard.left(NOW - ALERT_LIFETIME, 10) == ()


async def test_an_alert_alone_is_written_at_once_and_what_comes_right_behind_it_together(store: Store):
    """A storm pays for one transaction in a while, and a single alert for no wait."""
    batches: list[list[Received]] = []
    slept: list[float] = []
    keeper: Keeper

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            keeper.add(third)

    keeper = Keeper(process(store), lambda new: batches.append([*new]), list, list, sleep, clock=lambda: 7.0)
    first, second, third = received(alert(key="1"), alert(key="2"), alert(key="3"))

    keeper.add(first)
    assert await keeper.written()
    assert (batches, slept) == ([[first]], [])
    keeper.add(second)
    assert await keeper.written()

    assert batches == [[first], [second, third]]
    assert slept == [pytest.approx(GATHER_S)]
