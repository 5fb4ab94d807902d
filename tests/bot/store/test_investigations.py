from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.store import (
    Admitted,
    Ceiling,
    EvidenceRow,
    Full,
    Investigation,
    InvestigationState,
    Message,
    MessageState,
    Request,
)
from bot.store.store import Store
from sensors.kit import Target
from tests.bot.store.words import NOW, RESULT, ROWS, admitted, concluded, request


async def test_fifty_who_ask_the_same_at_once_start_one_investigation(store: Store) -> None:
    answers = await asyncio.gather(
        *(store.investigations.admit(request(), f"i{number}", NOW, Ceiling()) for number in range(50))
    )

    taken = [each for each in answers if isinstance(each, Admitted)]
    assert [len(taken), sum(each.fresh for each in taken), len({each.investigation.id for each in taken})] == [50, 1, 1]


async def test_fifty_deliveries_of_one_trigger_start_one_investigation_even_when_it_is_over(store: Store) -> None:
    first = await admitted(store, "first", once="envelope-1")
    await store.investigations.finish("first", InvestigationState.FAILED, "no such pod", "failed", NOW)

    answers = await asyncio.gather(
        *(store.investigations.admit(request(), f"i{number}", NOW, Ceiling(), "envelope-1") for number in range(50))
    )

    again = replace(first, state=InvestigationState.FAILED, ended_at=NOW, why="no such pod")
    assert answers == [Admitted(again, fresh=False)] * 50


async def test_a_trigger_is_forgotten_after_a_day(store: Store) -> None:
    await admitted(store, "first", once="alert-1")
    await store.investigations.finish("first", InvestigationState.CANCELLED, "", "cancelled", NOW)

    later = await store.investigations.admit(request(), "second", NOW + timedelta(days=2), Ceiling(), "alert-1")

    assert later == Admitted(
        Investigation("second", request(), InvestigationState.QUEUED, NOW + timedelta(days=2)),
        fresh=True,
    )


async def test_another_peer_of_the_same_pod_is_another_question(store: Store) -> None:
    await admitted(store, "first")

    other = Request(Target("api", "prod", "10.96.0.9", 80), request().flow, request().origin, "U1")

    assert (await admitted(store, "second", other)).id == "second"


@pytest.mark.parametrize(
    ("ceiling", "limit"),
    [(Ceiling(cluster=2), "cluster"), (Ceiling(namespace=2), "namespace"), (Ceiling(user=2), "user")],
)
async def test_beyond_a_limit_nothing_is_taken_on_however_many_ask_at_once(
    store: Store, ceiling: Ceiling, limit: str
) -> None:
    asked = (store.investigations.admit(request(f"api-{each}"), f"i{each}", NOW, ceiling) for each in range(20))

    answers = await asyncio.gather(*asked)

    assert sum(isinstance(each, Admitted) for each in answers) == 2
    assert [each for each in answers if isinstance(each, Full)] == [Full(limit, 2, NOW)] * 18


async def test_who_joins_a_running_investigation_is_never_refused(store: Store) -> None:
    first = await admitted(store)

    joined = await store.investigations.admit(request(), "i2", NOW, Ceiling(cluster=1))

    assert joined == Admitted(first, fresh=False)


async def test_an_investigation_that_ended_makes_room(store: Store) -> None:
    await concluded(store, "i1")

    said = await store.investigations.admit(request(), "i2", NOW, Ceiling(cluster=1))

    assert said == Admitted(Investigation("i2", request(), InvestigationState.QUEUED, NOW), fresh=True)


async def test_a_verdict_comes_back_as_it_was_given_and_owes_one_message(store: Store) -> None:
    key = await concluded(store)

    verdict = await store.investigations.verdict("i1")
    assert verdict is not None
    assert verdict.result == RESULT
    assert verdict.component == "NetworkPolicy prod/strict-egress"
    assert await store.investigations.evidence("i1") == ROWS
    assert await store.messages.of("i1") == (Message(key, "i1", "verdict", MessageState.PENDING, 0, NOW),)
    listed = await store.investigations.recent()
    assert listed == (
        (
            Investigation("i1", request(), InvestigationState.CONCLUDED, NOW, NOW, NOW, looks=1),
            replace(verdict, result={}),
        ),
    )


async def test_only_one_of_many_that_conclude_is_kept(store: Store) -> None:
    await admitted(store)
    await store.investigations.begin("i1", NOW)

    keys = await asyncio.gather(*(store.investigations.conclude("i1", RESULT, ROWS, "verdict", NOW) for _ in range(10)))

    assert sorted(map(str, keys)) == ["None"] * 9 + ["i1.verdict"]


async def test_what_was_cancelled_cannot_be_concluded_nor_begun_again(store: Store) -> None:
    await admitted(store)
    await store.investigations.begin("i1", NOW)

    key = await store.investigations.finish("i1", InvestigationState.CANCELLED, "by U2", "cancelled", NOW)

    assert key == "i1.cancelled"
    assert await store.investigations.conclude("i1", RESULT, ROWS, "verdict", NOW) is None
    assert await store.investigations.begin("i1", NOW) is None
    assert await store.investigations.verdict("i1") is None


async def test_a_look_that_begins_again_keeps_when_it_first_began(store: Store) -> None:
    await admitted(store)
    await store.investigations.begin("i1", NOW)

    again = await store.investigations.begin("i1", NOW + timedelta(minutes=1))

    assert again == Investigation("i1", request(), InvestigationState.RUNNING, NOW, NOW, looks=2)


async def test_what_was_seen_before_a_crash_is_there_and_gives_way_to_the_next_look(store: Store) -> None:
    await admitted(store)
    await store.investigations.begin("i1", NOW)
    await store.investigations.saw("i1", EvidenceRow("E2", "net.tcp_stats", "seen", "calm", {"resets": 0}), 2)
    await store.investigations.saw("i1", EvidenceRow("E2", "net.tcp_stats", "seen", "stormy", {"resets": 9}), 2)

    seen = await store.investigations.evidence("i1")

    assert seen == (EvidenceRow("E2", "net.tcp_stats", "seen", "stormy", {"resets": 9}),)
    await store.investigations.conclude("i1", RESULT, ROWS, "verdict", NOW)
    assert await store.investigations.evidence("i1") == ROWS


async def test_live_ones_are_listed_oldest_first(store: Store) -> None:
    await store.investigations.admit(request("b"), "i2", NOW + timedelta(seconds=1), Ceiling())
    await store.investigations.admit(request("a"), "i1", NOW, Ceiling())
    await concluded(store, "i3", request("c"))

    assert [each.id for each in await store.investigations.live()] == ["i1", "i2"]


async def test_half_an_id_finds_the_investigation_and_a_wildcard_does_not(store: Store) -> None:
    await admitted(store, "abc123")

    found = [len(await store.investigations.starting_with(word)) for word in ("abc", "abc123", "b", "%", "_")]

    assert found == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("word", ["p" * 254, "", "api\n<!channel>", "api\0"])
def test_a_request_that_names_no_possible_pod_is_refused_in_one_line(word: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        request(word)


async def test_a_request_comes_back_with_its_protocol_and_its_window(store: Store) -> None:
    asked = replace(request(), target=Target("web-7f9", "shop", "core", 5140, "UDP"), since=900)

    taken = await store.investigations.admit(asked, "i1", NOW, Ceiling())

    assert isinstance(taken, Admitted)
    assert taken.investigation.request == asked
    assert asked.key not in (replace(asked, since=None).key, replace(asked, since=60).key)
