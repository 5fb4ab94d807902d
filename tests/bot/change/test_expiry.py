"""An added policy does not outlive its time unseen: an hour before it is said, and then it is taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.approval.proposal import Proposal
from bot.approval.states import ProposalState
from bot.change.expiry import ExpiringNote, Expiry, approved_end, note_of
from bot.change.marks import EXPIRES
from bot.slack.notes import ThreadReply
from bot.slack.renderer import render
from bot.slack.renderers.expiring import permanent
from bot.store import Ceiling, OriginKind, Request
from sensors.kit import Target
from tests.bot.change.playing import Kai, Play, policy

KEY = policy(name="kai-allow-1")
END = datetime(2026, 12, 29, tzinfo=UTC)


def of_time(play: Play, said: str = "2026-12-28", name: str = "kai-allow-1") -> Any:
    part = play.part(policy(name=name), make=True)
    meta = {**part.body[0]["metadata"], "annotations": {EXPIRES: said}}
    return replace(part, body=({**part.body[0], "metadata": meta},))


async def applied(play: Play, kai: Kai, **changes: Any) -> Proposal:
    it = await play.propose(of_time(play), **changes)
    await kai.approve(it)
    assert KEY in play.server.objects
    return it


def expiry(play: Play, kai: Kai) -> Expiry:
    return Expiry(play.store, kai.client, kai.pipeline, kai.deciding.clock)


async def look(play: Play, kai: Kai, it: Expiry, at: datetime) -> None:
    play.time.at = at
    await it.look()
    await kai.restart()


def annotate(play: Play, said: str | None) -> None:
    """Somebody does as the card says, with kubectl."""
    thing = play.server.objects[KEY]
    notes = {**thing["metadata"]["annotations"], **({EXPIRES: said} if said else {})}
    if said is None:
        notes.pop(EXPIRES)
    meta = {**thing["metadata"], "annotations": notes, "resourceVersion": play.server.next_version()}
    play.server.objects[KEY] = {**thing, "metadata": meta}


async def test_only_what_adds_objects_ends_by_itself(play):
    assert approved_end(await play.propose(of_time(play))) == END
    assert approved_end(await play.propose(of_time(play), play.part())) is None
    assert approved_end(await play.propose(play.part(make=True))) is None


async def test_when_its_time_is_up_it_is_taken_back_with_the_rights_of_the_approver(play):
    kai = play.process()
    it = await applied(play, kai)

    await look(play, kai, expiry(play, kai), END)

    assert KEY not in play.server.objects
    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert [each.who for each in play.server.writes] == ["alice", "alice"]
    assert await play.why(it) == "its time was up at 2026-12-29 00:00 UTC"
    assert play.shown[it.id] == "rolled_back"
    assert "expired" in await play.events(it)


async def test_a_minute_before_nothing_is_taken_back(play):
    kai = play.process()
    it = await applied(play, kai)

    await look(play, kai, expiry(play, kai), END - timedelta(minutes=1))

    assert await play.state(it) is ProposalState.VERIFIED
    assert KEY in play.server.objects


async def test_when_the_approver_s_rights_are_gone_it_says_who_must_act_and_is_not_tried_again(play):
    kai = play.process()
    it = await applied(play, kai)
    play.server.rights.discard(("alice", "shop"))
    looking = expiry(play, kai)

    await look(play, kai, looking, END)
    tried = len(await play.store.proposals.children(it.id))
    await look(play, kai, looking, END + timedelta(hours=2))

    assert await play.state(it) is ProposalState.STUCK
    why = await play.why(it)
    assert "Kubernetes does not let alice" in why
    assert f"a person with rights on it has to press Undo or run kai undo {it.id}" in why
    assert len(await play.store.proposals.children(it.id)) == tried
    assert KEY in play.server.objects


async def test_what_was_extended_stays_until_its_new_end_and_is_taken_back_then(play):
    kai = play.process()
    it = await applied(play, kai)
    annotate(play, "2027-01-27")
    looking = expiry(play, kai)

    await look(play, kai, looking, END)
    state = await play.state(it)
    await look(play, kai, looking, datetime(2027, 1, 28, tzinfo=UTC))

    assert state is ProposalState.VERIFIED
    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert KEY not in play.server.objects


async def test_what_was_made_permanent_stays(play):
    kai = play.process()
    it = await applied(play, kai)
    annotate(play, None)
    looking = expiry(play, kai)

    for days in range(3):
        await look(play, kai, looking, END + timedelta(days=days))

    assert await play.state(it) is ProposalState.VERIFIED
    assert KEY in play.server.objects


async def test_an_end_that_says_no_time_makes_nothing_permanent(play):
    kai = play.process()
    it = await applied(play, kai)
    annotate(play, "when we are done")

    await look(play, kai, expiry(play, kai), END)

    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert KEY not in play.server.objects


async def test_what_somebody_has_changed_is_not_deleted(play):
    kai = play.process()
    it = await applied(play, kai)
    thing = play.server.objects[KEY]
    play.server.objects[KEY] = {**thing, "spec": {"egress": ["theirs"]}}

    await look(play, kai, expiry(play, kai), END)

    assert await play.state(it) is ProposalState.STUCK
    assert play.server.objects[KEY]["spec"] == {"egress": ["theirs"]}


async def test_what_cannot_be_read_is_looked_at_again_a_minute_later(play):
    kai = play.process()
    it = await applied(play, kai)
    looking = expiry(play, kai)
    play.server.blind = True
    await look(play, kai, looking, END)
    unread = await play.state(it)
    play.server.blind = False

    await look(play, kai, looking, END + timedelta(seconds=61))

    assert unread is ProposalState.VERIFIED
    assert await play.state(it) is ProposalState.ROLLED_BACK


async def test_one_whose_time_cannot_be_reckoned_with_holds_up_no_other(play):
    kai = play.process()
    odd = await play.propose(of_time(play, "0001-01-01T00:00:00", "kai-allow-0"))
    await kai.approve(odd)
    it = await applied(play, kai)

    await look(play, kai, expiry(play, kai), END)

    assert await play.state(odd) is ProposalState.VERIFIED
    assert await play.state(it) is ProposalState.ROLLED_BACK


async def test_the_desk_s_sweep_looks_at_once_and_then_every_half_minute(play):
    kai = play.process()
    looking, looks = expiry(play, kai), 0
    journal: Any = None

    async def look() -> None:
        nonlocal looks
        looks += 1

    looking.look = look  # type: ignore[method-assign]
    for _ in range(61):
        await looking.sweep(journal)

    assert looks == 3


async def test_of_two_replicas_one_takes_it_back(play):
    kai, other = play.process(), play.process()
    it = await applied(play, kai)
    play.time.at = END

    await kai.at_once(expiry(play, kai).look(), expiry(play, other).look())
    await kai.at_once(kai.restart(), other.restart())

    assert await play.state(it) is ProposalState.ROLLED_BACK
    assert len(await play.store.proposals.children(it.id)) == 1
    assert len(play.server.writes) == 2


# -- the card ----------------------------------------------------------------------------------------------------------


async def asked(play: Play, channel: str = "C1") -> None:
    request = Request(Target("web-1", "shop"), "flow.x", OriginKind.SLASH, "U3CAROL", channel=channel)
    await play.store.investigations.admit(request, "inv1", play.time.at, Ceiling())


async def notes(play: Play) -> list[ExpiringNote]:
    it = await play.store.investigations.get("inv1")
    assert it is not None
    found = [await note_of(each, it, play.store) for each in await play.store.messages.of("inv1")]
    return [each for each in found if isinstance(each, ExpiringNote)]


async def test_an_hour_before_its_end_it_is_said_once_with_how_to_keep_it(play):
    await asked(play)
    kai = play.process()
    await applied(play, kai)

    await look(play, kai, expiry(play, kai), END - timedelta(minutes=61))
    early = await notes(play)
    await look(play, kai, expiry(play, kai), END - timedelta(minutes=59))
    await look(play, kai, expiry(play, kai), END - timedelta(minutes=58))

    assert early == []
    (note,) = await notes(play)
    (reply,) = render(note)
    assert isinstance(reply, ThreadReply)
    assert reply.said.text.startswith("⏳ NetworkPolicy shop/kai-allow-1 is taken back at")
    assert "2026-12-29 00:00 UTC" in reply.said.text
    words = str(reply.said.blocks)
    assert "*Extend* writes `kai.dev/expires: 2027-01-28` with your own rights" in words
    assert all(each in words for each in ("kai_extend", "kai_keep", "kai_let_go"))


async def test_the_manifest_for_the_repository_is_the_one_that_was_applied_without_its_end(play):
    it = await play.propose(of_time(play))

    said = permanent(it.parts[0].body[0])

    assert said["spec"] == it.parts[0].body[0]["spec"]
    assert said["metadata"] == {"namespace": "shop", "name": "kai-allow-1"}


async def test_after_it_was_extended_its_new_end_is_said_too(play):
    await asked(play)
    kai = play.process()
    await applied(play, kai)
    looking = expiry(play, kai)
    await look(play, kai, looking, END - timedelta(minutes=30))
    annotate(play, "2027-01-27")
    await look(play, kai, looking, END)

    await look(play, kai, looking, datetime(2027, 1, 27, 23, 30, tzinfo=UTC))

    assert [each.at for each in await notes(play)] == [END, datetime(2027, 1, 28, tzinfo=UTC)]


async def test_nothing_is_said_any_more_of_what_was_undone_meanwhile(play):
    await asked(play)
    kai = play.process()
    it = await applied(play, kai)
    await look(play, kai, expiry(play, kai), END - timedelta(minutes=30))

    await kai.undo(it)

    assert await notes(play) == []


async def test_where_it_was_asked_in_a_terminal_nothing_is_said_and_it_ends_all_the_same(play):
    await asked(play, channel="")
    kai = play.process()
    it = await applied(play, kai)
    looking = expiry(play, kai)

    await look(play, kai, looking, END - timedelta(minutes=30))
    said = await play.store.messages.of("inv1")
    await look(play, kai, looking, END)

    assert said == ()
    assert await play.state(it) is ProposalState.ROLLED_BACK
