"""The hand-over between fast streams and a slow reader."""

from __future__ import annotations

import asyncio

import pytest

from sensors.access.relay.inbox import MessageQueue
from sensors.hubble.lines import HubbleFlow

ONE, TWO = HubbleFlow(uuid="1"), HubbleFlow(uuid="2")


async def test_a_slow_reader_gets_all_that_came_in_one_batch():
    inbox = MessageQueue(1000)

    await inbox.put([ONE], 10)
    await inbox.put([TWO], 10)

    assert await inbox.take() == [ONE, TWO]


async def test_a_sender_waits_until_a_full_inbox_is_read():
    inbox = MessageQueue(100)
    await inbox.put([ONE], 100)

    waiting = asyncio.create_task(inbox.put([TWO], 1))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.01)

    assert await inbox.take() == [ONE]
    await waiting
    assert await inbox.take() == [TWO]


async def test_what_brings_no_news_never_fills_the_inbox():
    inbox = MessageQueue(100)

    for _ in range(10):
        await asyncio.wait_for(inbox.put([], 100), 1)
    await inbox.put([ONE], 1)

    assert await inbox.take() == [ONE]


async def test_a_closed_inbox_hands_out_what_it_has_and_then_nothing():
    inbox = MessageQueue(100)
    await inbox.put([ONE], 1)

    inbox.close()

    assert [await inbox.take(), await inbox.take()] == [[ONE], []]


async def test_a_reader_waits_for_the_first_message():
    inbox = MessageQueue(100)
    reading = asyncio.create_task(inbox.take())

    await inbox.put([], 5)
    await inbox.put([ONE], 5)

    assert await reading == [ONE]
