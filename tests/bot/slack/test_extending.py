"""The buttons below "it is taken back at …": whoever presses is examined as on the proposal itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.approval.person import Directory, Installation
from bot.approval.proposal import KubeUser, Proposal, ProposalLocation
from bot.approval.rules import Approvals, Rules
from bot.approval.states import ProposalState
from bot.change.expiry import ExpiringNote, as_it_stands, role_of
from bot.report.blocks import Said
from bot.slack import proposal_blocks as ids
from bot.slack.approving import Approving
from bot.slack.button import Press
from bot.slack.ephemeral import Asker
from bot.slack.extending import ExtendPresses
from bot.slack.limits import problems
from bot.slack.notes import ThreadReply
from bot.slack.renderer import render
from bot.store import OriginKind, Posted
from bot.store.messages import owe
from bot.store.store import Store
from tests.bot.approval.making import MEMBER, PLACE
from tests.bot.change.playing import Play
from tests.bot.change.test_expiry import END, KEY, applied, asked
from tests.bot.slack.test_approving import BODY, Changes, Slack

HERE = {"container": {"message_ts": "9.0"}}


class Stage:
    """A change that ends soon, and the message that says so, at C1 9.0."""

    def __init__(self, play: Play) -> None:
        self.play, self.slack, self.kai = play, Slack(), play.process()
        self.slack.people["U2BOB"] = {**MEMBER, "id": "U2BOB"}
        directory = Directory({"U1ALICE": KubeUser("alice"), "U2BOB": KubeUser("bob")})
        changes: Any = Changes(play)
        slack: Any = self.slack
        self.approving = Approving(changes, slack, slack, directory, Installation("T1", "A1"), slack.checked)
        self.presses = ExtendPresses(changes, self.approving, self._show_end)
        self.edited: list[tuple[str, ProposalLocation]] = []
        self.it: Proposal

    async def _show_end(self, change: str, place: ProposalLocation) -> None:
        self.edited.append((change, place))

    async def begin(self) -> None:
        await asked(self.play)
        self.it = await applied(self.play, self.kai, place=PLACE)
        role, store = role_of(self.it, END), self.play.store
        async with store.database.writing() as connection:
            await owe(connection, "inv1", role, self.play.time.at)
        await store.messages.note("inv1", role, Posted("C1", "9.0", "hash"), self.play.time.at)

    async def press(self, what: str = "extend", value: str = "", **changes: Any) -> str:
        body = {**BODY, **HERE, **changes}
        who = Asker(str((body.get("user") or {}).get("id") or ""), "C1", "key", OriginKind.MENTION)
        await getattr(self.presses, what)(Press(who, value or self.it.id, body))
        return self.slack.told[-1]

    async def note(self) -> ExpiringNote:
        store = self.play.store
        (message,) = await store.messages.of("inv1")
        it = await store.investigations.get("inv1")
        assert it is not None
        note = await as_it_stands(message, it, store)
        assert note is not None
        return note

    async def said(self) -> Said:
        (reply,) = render(await self.note())
        assert isinstance(reply, ThreadReply)
        return reply.said

    def end(self) -> object:
        return self.play.server.objects[KEY]["metadata"]["annotations"].get("kai.dev/expires")


@pytest.fixture
async def stage(store: Store) -> Stage:
    found = Stage(Play(store, seed=1))
    await found.begin()
    return found


def actions(said: Said) -> list[str]:
    return [each["action_id"] for block in said.blocks if block["type"] == "actions" for each in block["elements"]]


async def test_alice_extends_it_and_the_message_says_until_when_it_stays(stage: Stage):
    before = await stage.said()

    await stage.press()

    after = await stage.said()
    assert actions(before) == [ids.EXTEND, ids.KEEP, ids.LET_GO]
    assert stage.end() == "2027-01-28"
    assert after.text.startswith("✔ NetworkPolicy shop/kai-allow-1 stays to the end of 2027-01-28 UTC")
    assert actions(after) == []
    assert not list(problems(before))
    assert not list(problems(after))


async def test_alice_makes_it_permanent(stage: Stage):
    await stage.press("keep")

    assert stage.end() is None
    assert (await stage.said()).text.startswith("✔ NetworkPolicy shop/kai-allow-1 stays for good")


@pytest.mark.parametrize("what", ["extend", "keep", "let_go"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"api_app_id": "A9"}, "not one of this KAI"),
        ({"team": {"id": "T9"}}, "another workspace"),
        ({"channel": {"id": "C9"}}, "no such proposal"),
        ({"container": {"message_ts": "2.0"}}, "no such proposal"),
        ({"container": {}}, "no such proposal"),
        ({"user": {"id": "U1ALICE", "team_id": "T9"}}, "members of this workspace"),
        ({"user": {"id": "U1ALICE"}}, "did not say who"),
    ],
    ids=str,
)
async def test_a_press_that_does_not_belong_here_does_nothing(
    stage: Stage, what: str, change: dict[str, Any], words: str
):
    asked_before = len(stage.play.server.requests)

    said = await stage.press(what, **change)

    assert words in said
    assert len(stage.play.server.requests) == asked_before
    assert stage.end() == "2026-12-28"
    assert (await stage.play.events(stage.it))[-1] == "refused"
    assert (await stage.note()).let_go_by == ""


@pytest.mark.parametrize("told", [{"is_restricted": True}, {"deleted": True}, {"is_stranger": True}], ids=str)
async def test_guests_leavers_and_strangers_keep_nothing(stage: Stage, told: dict[str, Any]):
    stage.slack.people["U1ALICE"] |= told

    await stage.press()

    assert stage.end() == "2026-12-28"
    assert await stage.play.store.proposals.extensions(stage.it.id) == ()


async def test_bob_without_rights_is_told_so_in_kubernetes_words(stage: Stage):
    stage.play.server.rights.discard(("bob", "shop"))

    said = await stage.press(user={"id": "U2BOB", "team_id": "T1"})

    assert "Kubernetes does not let bob change NetworkPolicy shop/kai-allow-1" in said
    assert stage.end() == "2026-12-28"


async def test_where_two_are_needed_the_message_itself_asks_the_second(stage: Stage):
    stage.play.rules = Approvals(everywhere=Rules(two_persons=True))
    await stage.press()
    waiting = await stage.said()
    mine = (await stage.play.store.proposals.extensions(stage.it.id))[-1]

    who = Asker("U2BOB", "C1", "key", OriginKind.MENTION)
    await stage.approving.approve(Press(who, mine.id, {**BODY, **HERE, "user": {"id": "U2BOB", "team_id": "T1"}}))

    assert actions(waiting) == [ids.APPROVE, ids.REJECT]
    assert "2027-01-28" in str(waiting.blocks)
    assert stage.end() == "2027-01-28"
    assert actions(await stage.said()) == []


async def test_a_rejected_extension_leaves_the_choice(stage: Stage):
    stage.play.rules = Approvals(everywhere=Rules(two_persons=True))
    await stage.press()
    mine = (await stage.play.store.proposals.extensions(stage.it.id))[-1]

    await stage.kai.reject(mine, "U2BOB", "not needed")

    said = await stage.said()
    assert actions(said) == [ids.EXTEND, ids.KEEP, ids.LET_GO]
    assert "not needed" in str(said.blocks)


async def test_let_go_names_who_has_seen_it_and_leaves_the_others_their_choice(stage: Stage):
    await stage.press("let_go")

    said = await stage.said()
    assert "<@U1ALICE> lets it go" in said.text
    assert actions(said) == [ids.EXTEND, ids.KEEP]
    assert stage.edited == [(stage.it.id, replace(PLACE, ts="9.0"))]
    assert stage.end() == "2026-12-28"


async def test_what_was_taken_back_has_no_buttons_any_more(stage: Stage):
    await stage.kai.undo(stage.it)

    said = await stage.said()

    assert await stage.play.state(stage.it) is ProposalState.ROLLED_BACK
    assert said.text.startswith("↩ NetworkPolicy shop/kai-allow-1 is not kept: the change is rolled back")
    assert actions(said) == []


async def test_the_button_carries_the_id_and_nothing_else(stage: Stage):
    blocks = (await stage.said()).blocks

    values = {each["value"] for block in blocks if block["type"] == "actions" for each in block["elements"]}

    assert values == {stage.it.id}
