from __future__ import annotations

from datetime import timedelta

from bot.store import Feedback, Message, MessageState, Opinion, Posted
from bot.store.store import Store
from tests.bot.store.words import NOW, concluded, request

THERE = Posted("C1", "1700000000.000100", "sha256:abc")


async def test_a_message_is_due_until_it_is_posted(store: Store) -> None:
    key = await concluded(store)
    due = await store.messages.due(NOW)

    await store.messages.attempt(key, 1)
    await store.messages.posted(key, THERE)

    assert [each.key for each in due] == [key]
    assert await store.messages.due(NOW + timedelta(days=1)) == ()
    assert await store.messages.get(key) == Message(key, "i1", "verdict", MessageState.POSTED, 1, NOW, THERE)


async def test_what_is_posted_is_never_attempted_again(store: Store) -> None:
    key = await concluded(store)
    await store.messages.attempt(key, 1)
    await store.messages.posted(key, THERE)

    assert not await store.messages.attempt(key, 2)
    assert not await store.messages.posted(key, Posted("C2", "2", "other"))
    assert not await store.messages.give_up(key, "late")


async def test_a_message_that_failed_waits_for_its_time(store: Store) -> None:
    key, later = await concluded(store), NOW + timedelta(minutes=5)

    await store.messages.attempt(key, 1)
    await store.messages.put_off(key, later, "rate limited")

    assert await store.messages.due(later - timedelta(seconds=1)) == ()
    assert await store.messages.due(later) == (
        Message(key, "i1", "verdict", MessageState.ATTEMPTED, 1, later, None, "rate limited"),
    )


async def test_the_card_of_an_investigation_is_remembered_and_may_move(store: Store) -> None:
    await concluded(store)

    await store.messages.note("i1", "card", Posted("C1", "1", "a"), NOW)
    await store.messages.note("i1", "card", Posted("C1", "1", "b"), NOW)

    card = await store.messages.get("i1.card")
    assert card == Message("i1.card", "i1", "card", MessageState.POSTED, 1, NOW, Posted("C1", "1", "b"))


async def test_the_last_word_of_a_person_counts(store: Store) -> None:
    await concluded(store, asked=request())
    first = Feedback("i1", "U1", Opinion.RIGHT, "", NOW)
    second = Feedback("i1", "U1", Opinion.WRONG, "it was DNS", NOW + timedelta(minutes=1))

    for each in (first, second):
        await store.opinions.keep(each)

    assert await store.opinions.of("i1") == (second,)
