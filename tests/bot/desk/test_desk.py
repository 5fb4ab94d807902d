from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bot.desk.desk import Desk
from bot.desk.limits import LimitReached
from bot.desk.opening import Occupied, open_desk
from bot.desk.ports import CannotLook, CannotPost, LookFor, LookResult, Watcher
from bot.report.json_result import encode
from bot.store import Investigation, InvestigationState, MessageState
from bot.store.store import Store
from flows.engine import Concluded, Saw
from tests.bot.desk.actors import Hands, Wall, request
from tests.bot.report.examples import DENIED

SOON = 60.0


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """What no event tells of: it comes true soon, or the test fails."""
    async with asyncio.timeout(SOON):
        while not await holds():  # noqa: ASYNC110 - other threads and the database change it
            await asyncio.sleep(0.02)


async def settled(store: Store, key: str) -> MessageState:
    """Until the message is posted or given up."""

    async def done() -> bool:
        message = await store.messages.get(key)
        return message is not None and message.state in (MessageState.POSTED, MessageState.GIVEN_UP)

    await until(done)
    message = await store.messages.get(key)
    assert message is not None
    return message.state


async def test_an_investigation_ends_in_one_verdict_that_is_kept_and_posted_once(
    desk: Desk, hands: Hands, wall: Wall, store: Store
) -> None:
    hands.go["api-server"].set()

    started = await desk.start(request())
    status = await desk.wait(started.id)

    assert status is not None
    assert status.investigation.state is InvestigationState.CONCLUDED
    assert status.verdict is not None
    assert status.verdict.result == {**encode(DENIED), "investigation_id": started.id}
    assert [each.summary for each in await store.investigations.evidence(started.id)] == [
        each.summary for each in DENIED.evidence.values()
    ]
    await settled(store, f"{started.id}.verdict")
    assert wall.roles == [("verdict", "api-server")]
    assert wall.asked == 0


async def test_who_asks_the_same_while_it_runs_joins_and_who_asks_afterwards_starts_anew(
    desk: Desk, hands: Hands
) -> None:
    first = await desk.start(request(asked_by="U1"), once="envelope-1")
    await hands.began["api-server"].wait()

    others = await asyncio.gather(*(desk.start(request(asked_by=f"U{number}")) for number in range(2, 22)))
    hands.go["api-server"].set()
    await desk.wait(first.id)
    retry = await desk.start(request(asked_by="U1"), once="envelope-1")
    later = await desk.start(request(asked_by="U2"))
    await desk.wait(later.id)

    assert {(each.id, each.joined) for each in others} == {(first.id, True)}
    assert (retry.id, retry.joined) == (first.id, True)
    assert (later.id == first.id, later.joined) == (False, False)
    assert hands.looks == ["api-server", "api-server"]


async def test_too_much_of_one_person_namespace_or_cluster_is_refused_in_one_sentence(desk: Desk) -> None:
    refusals = []
    for number in range(30):
        space = "production" if number < 12 else "shop"
        asked = request(f"pod-{number}", namespace=space, asked_by="U1" if number < 9 else f"U{number}")
        try:
            await desk.start(asked)
        except LimitReached as why:
            refusals.append((why.limit, str(why)))

    limits = [limit for limit, _ in refusals]
    assert list(dict.fromkeys(limits)) == ["user", "namespace", "cluster"]
    assert len(await desk.status()) == 12
    assert refusals[0][1].startswith(
        "You have 8 investigations under way, which is the most there may be: try again in "
    )
    assert all(sentence.count(".") == 1 and sentence.endswith(" s.") for _, sentence in refusals)


async def test_no_more_than_the_limit_of_a_namespace_look_at_once_and_the_others_wait(desk: Desk, hands: Hands) -> None:
    for number in range(7):
        await desk.start(request(f"pod-{number}", asked_by=f"U{number}"))
    await desk.start(request("elsewhere", namespace="shop"))

    async def full() -> bool:
        return len(hands.looks) == 6

    await until(full)
    first = list(hands.looks)
    for number in range(7):
        hands.go[f"pod-{number}"].set()
    hands.go["elsewhere"].set()
    for status in await desk.status():
        await desk.wait(status.investigation.id)

    assert len([pod for pod in first if pod.startswith("pod-")]) == 5
    assert sorted(hands.looks) == sorted({*(f"pod-{number}" for number in range(7)), "elsewhere"})


async def test_a_cluster_that_nobody_looks_after_is_refused(desk: Desk) -> None:
    with pytest.raises(LimitReached, match=r"^No cluster 'moon' is looked after here: try again with default\.$"):
        await desk.start(request(cluster="moon"))


async def test_a_cancelled_look_stops_at_once_and_what_waits_is_never_looked_at(
    desk: Desk, hands: Hands, wall: Wall, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    running = [await desk.start(request(f"pod-{number}")) for number in range(5)]
    for number in range(5):
        await asyncio.wait_for(hands.began[f"pod-{number}"].wait(), SOON)
    waiting = await desk.start(request("waiting"))

    told = [await desk.cancel(each.id, "by U2") for each in (running[0], waiting, running[0])]
    async with asyncio.timeout(SOON):
        ends = [await desk.wait(each.id) for each in (running[0], waiting)]
    for each in (running[0], waiting):
        await settled(store, f"{each.id}.cancelled")
    hands.go["pod-1"].set()
    await desk.wait(running[1].id)

    assert told == [True, True, False]
    assert [(each.investigation.state, each.investigation.why) for each in ends if each] == [
        (InvestigationState.CANCELLED, "by U2")
    ] * 2
    assert hands.interrupted == ["pod-0"]
    assert "waiting" not in hands.looks
    assert sorted(wall.roles)[:2] == [("cancelled", "pod-0"), ("cancelled", "waiting")]
    assert not await desk.cancel("nothing")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("raised", "why"),
    [
        (CannotLook("no pod 'api-server' in production"), "no pod 'api-server' in production"),
        (ZeroDivisionError("secret"), "internal error: ZeroDivisionError; the log has more under "),
    ],
)
async def test_a_look_that_fails_is_said_once_with_its_reason(
    desk: Desk, hands: Hands, wall: Wall, store: Store, raised: Exception, why: str
) -> None:
    hands.raises["api-server"] = raised
    hands.go["api-server"].set()

    started = await desk.start(request())
    status = await desk.wait(started.id)
    await settled(store, f"{started.id}.failed")

    assert status is not None
    assert status.investigation.state is InvestigationState.FAILED
    assert status.investigation.why.startswith(why)
    assert [each.investigation.why for each in wall.notes] == [status.investigation.why]


async def test_slack_that_fails_is_tried_again_until_it_is_said(
    desk: Desk, hands: Hands, wall: Wall, store: Store
) -> None:
    hands.go["api-server"].set()
    wall.fails = [ConnectionError("down")]

    started = await desk.start(request())

    assert await settled(store, f"{started.id}.verdict") is MessageState.POSTED
    assert wall.roles == [("verdict", "api-server")]


async def test_a_post_whose_answer_was_lost_is_found_and_not_posted_again(
    desk: Desk, hands: Hands, wall: Wall, store: Store
) -> None:
    hands.go["api-server"].set()
    wall.deaf = True

    started = await desk.start(request())

    assert await settled(store, f"{started.id}.verdict") is MessageState.POSTED
    assert (wall.roles, wall.asked) == ([("verdict", "api-server")], 1)


async def test_what_can_never_be_posted_is_given_up(desk: Desk, hands: Hands, wall: Wall, store: Store) -> None:
    hands.go["api-server"].set()
    wall.fails = [CannotPost("channel_not_found")]

    started = await desk.start(request())

    assert await settled(store, f"{started.id}.verdict") is MessageState.GIVEN_UP
    assert wall.notes == []


async def test_a_desk_that_closes_and_opens_again_carries_on_and_says_it_once(
    url: str, store: Store, hands: Hands, wall: Wall
) -> None:
    async with open_desk(url, hands.look, wall) as desk:
        started = await desk.start(request())
        await hands.began["api-server"].wait()
    unsaid = list(wall.notes)

    hands.go["api-server"].set()
    async with open_desk(url, hands.look, wall) as desk, asyncio.timeout(SOON):
        status = await desk.wait(started.id)
        await settled(store, f"{started.id}.verdict")

    assert unsaid == []
    assert status is not None
    assert status.investigation.state is InvestigationState.CONCLUDED
    assert hands.looks == ["api-server", "api-server"]
    assert wall.roles == [("verdict", "api-server")]


async def test_what_was_admitted_and_never_queued_is_looked_into_by_the_next_desk(
    url: str, store: Store, hands: Hands, wall: Wall
) -> None:
    from bot.store import Ceiling
    from tests.bot.store.words import NOW

    hands.go["api-server"].set()
    await store.investigations.admit(request(), "orphan", NOW, Ceiling())

    async with open_desk(url, hands.look, wall) as desk, asyncio.timeout(SOON):
        status = await desk.wait("orphan")

    assert status is not None
    assert status.investigation.state is InvestigationState.CONCLUDED


async def test_what_another_version_began_is_marked_and_said_once(
    url: str, store: Store, hands: Hands, wall: Wall, tmp_path: Path
) -> None:
    async with open_desk(url, hands.look, wall) as desk:
        started = await desk.start(request())
        await hands.began["api-server"].wait()
    with sqlite3.connect(tmp_path / "kai-journal.db") as journal:
        journal.execute("UPDATE workflow_status SET application_version = 'kai-desk-0'")

    async with open_desk(url, hands.look, wall) as desk, asyncio.timeout(SOON):
        status = await desk.wait(started.id)
        await settled(store, f"{started.id}.lost")

    assert status is not None
    assert (status.investigation.state, status.investigation.why) == (
        InvestigationState.LOST,
        "it was begun by another version of KAI; ask again",
    )
    assert hands.looks == ["api-server"]
    assert wall.roles == [("lost", "api-server")]


async def test_watchers_hear_of_every_answer_and_one_that_fails_harms_nothing(
    url: str, hands: Hands, wall: Wall
) -> None:
    heard: list[str] = []

    def watching(it: Investigation) -> Watcher:
        async def watch(moment: Saw | Concluded) -> None:
            heard.append(moment.id if isinstance(moment, Saw) else moment.diagnosis.cause_class)
            raise ValueError("a card that cannot be edited")

        return watch

    hands.go["api-server"].set()
    async with open_desk(url, walking(hands), wall, watching) as desk:
        status = await desk.wait((await desk.start(request())).id)

    assert heard == [*DENIED.evidence, DENIED.cause_class]
    assert status is not None
    assert (status.investigation.state, status.answered) == (InvestigationState.CONCLUDED, len(DENIED.evidence))


async def test_a_second_process_on_the_same_file_is_turned_away(url: str, desk: Desk, hands: Hands, wall: Wall) -> None:
    with pytest.raises(Occupied, match=r"^another process works on this database"):
        async with open_desk(url, hands.look, wall, patience=0):
            pass


async def test_a_look_that_never_ends_is_ended(url: str, hands: Hands, wall: Wall) -> None:
    async with open_desk(url, hands.look, wall, overtime=0.05) as desk:
        status = await desk.wait((await desk.start(request())).id)

    assert status is not None
    assert (status.investigation.state, status.investigation.why) == (
        InvestigationState.FAILED,
        "the look did not end within 0 s",
    )


async def test_what_is_forgotten_is_gone_from_the_journal_too(desk: Desk, hands: Hands, store: Store) -> None:
    from dbos import DBOS

    hands.go["api-server"].set()
    started = await desk.start(request())
    await settled(store, f"{started.id}.verdict")

    async def quiet() -> bool:
        return await DBOS.list_workflows_async(status="PENDING") == []

    await until(quiet)

    count = await desk.forget(timedelta(seconds=-1))

    assert count == 1
    assert await desk.status(started.id) == ()
    assert await DBOS.list_workflows_async() == []


def walking(hands: Hands) -> LookFor:
    """The look as the engine does it: a watcher that fails is logged there, and harms nothing."""

    async def look(it: Investigation, watcher: Watcher) -> LookResult:
        async def careful(moment: Saw | Concluded) -> None:
            await asyncio.gather(watcher(moment), return_exceptions=True)

        return await hands.look(it, careful)

    return look
