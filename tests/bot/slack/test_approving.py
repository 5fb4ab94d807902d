"""The attacks on an approve button, each at the door where a press comes in: nothing is asked of the cluster then."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.approval.person import Directory, Installation
from bot.approval.proposal import KubeUser, Proposal
from bot.approval.states import ProposalState
from bot.slack.approving import Approving, read_change
from bot.slack.button import Press
from bot.slack.ephemeral import Asker
from bot.store import OriginKind
from bot.store.store import Store
from tests.bot.approval.making import MEMBER, PLACE, part
from tests.bot.change.playing import Play

BODY: dict[str, Any] = {
    "api_app_id": "A1",
    "team": {"id": "T1"},
    "user": {"id": "U1ALICE", "team_id": "T1"},
    "channel": {"id": "C1"},
    "container": {"message_ts": "2.0"},
}


class Slack:
    """As much of Slack as is asked: `users.info`, each time anew."""

    def __init__(self) -> None:
        self.people: dict[str, Any] = {"U1ALICE": dict(MEMBER)}
        self.asked: list[str] = []
        self.told: list[str] = []

    async def users_info(self, user: str) -> dict[str, Any]:
        self.asked.append(user)
        if user not in self.people:
            raise TimeoutError
        return {"user": self.people[user]}

    async def tell(self, who: Asker, sentence: str) -> None:
        self.told.append(sentence)

    async def checked(self, it: Proposal, line: str) -> None:
        self.told.append(line)


class Changes:
    """As much of `bot.change.changes` as is asked, on the stage of the pipeline's tests."""

    def __init__(self, play: Play) -> None:
        kai = play.process()
        self.deciding, self.pipeline, self.store, self.clock = (
            kai.deciding,
            kai.pipeline,
            play.store,
            kai.deciding.clock,
        )

    async def push(self, proposal: str) -> None:
        await self.pipeline.carry_on(proposal)


class Stage:
    def __init__(self, play: Play) -> None:
        self.play, self.slack = play, Slack()
        directory = Directory({"U1ALICE": KubeUser("alice"), "U2BOB": KubeUser("bob")})
        changes: Any = Changes(play)
        slack: Any = self.slack
        self.approving = Approving(changes, slack, slack, directory, Installation("T1", "A1"), slack.checked)

    async def press(self, it: Proposal, **changes: Any) -> str:
        """What the person is told."""
        body = {**BODY, **changes}
        who = Asker(str((body.get("user") or {}).get("id") or ""), "C1", "key", OriginKind.MENTION)
        await self.approving.approve(Press(who, it.id, body))
        return self.slack.told[-1]


@pytest.fixture
def stage(store: Store) -> Stage:
    return Stage(Play(store, seed=1))


async def placed(stage: Stage, **changes: Any) -> Proposal:
    return await stage.play.propose(place=PLACE, **changes)


async def refused(store: Store, it: Proposal) -> list[str]:
    links = [each.entry async for each in store.audit.links(it.id)]
    return [each for each in links if '"event":"refused"' in each]


async def test_alice_in_her_own_workspace_on_the_message_itself_may(stage):
    it = await placed(stage)

    await stage.press(it)

    assert await stage.play.state(it) is ProposalState.VERIFIED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"api_app_id": "A9"}, "not one of this KAI"),
        ({"api_app_id": None}, "not one of this KAI"),
        ({"team": {"id": "T9"}}, "another workspace"),
        ({"team": None}, "another workspace"),
        ({"channel": {"id": "C9"}}, "another channel"),
        ({"container": {"message_ts": "9.9"}}, "not the message"),
        ({"container": {}}, "not the message"),
        ({"user": {"id": "U1ALICE", "team_id": "T9"}}, "members of this workspace"),
        ({"user": {"id": "U1ALICE"}}, "did not say who"),
    ],
)
async def test_a_press_that_does_not_belong_here_asks_nothing_of_the_cluster(stage, change, words):
    it = await placed(stage)

    said = await stage.press(it, **change)

    assert words in said
    assert stage.play.server.requests == []
    assert await stage.play.state(it) is ProposalState.PROPOSED
    assert len(await refused(stage.play.store, it)) == 1


@pytest.mark.parametrize(
    "told",
    [
        {"is_stranger": True, "team_id": "T9"},
        {"is_restricted": True},
        {"is_ultra_restricted": True},
        {"is_bot": True},
        {"deleted": True},
        {"id": "U2BOB"},
        {"team_id": ""},
    ],
)
async def test_guests_strangers_bots_and_leavers_are_refused_before_any_call(stage, told):
    it = await placed(stage)
    stage.slack.people["U1ALICE"] |= told

    await stage.press(it)

    assert stage.play.server.requests == []
    assert len(await refused(stage.play.store, it)) == 1


async def test_somebody_who_left_two_seconds_ago_is_not_known_from_before(stage):
    it = await placed(stage)
    stage.play.rules = replace(stage.play.rules, everywhere=replace(stage.play.rules.everywhere, needed=2))
    await stage.press(it)
    stage.slack.people["U1ALICE"]["deleted"] = True

    await stage.press(it)

    assert stage.slack.asked == ["U1ALICE", "U1ALICE"]
    assert "active people" in stage.slack.told[-1]


async def test_when_slack_does_not_answer_nobody_may(stage):
    it = await placed(stage)
    stage.slack.people.clear()

    assert "did not say who you are" in await stage.press(it)
    assert stage.play.server.requests == []


async def test_a_member_who_is_nobody_in_kubernetes_may_not(stage):
    it = await placed(stage)
    stage.slack.people["U3CAROL"] = {**MEMBER, "id": "U3CAROL"}

    assert "not known as a Kubernetes user" in await stage.press(it, user={"id": "U3CAROL", "team_id": "T1"})
    assert stage.play.server.requests == []


async def test_the_value_of_another_proposal_pressed_on_this_message_does_nothing(stage):
    await placed(stage)
    other = await stage.play.propose(place=replace(PLACE, ts="7.7"))

    assert "not the message" in await stage.press(other)
    assert await stage.play.state(other) is ProposalState.PROPOSED


async def test_a_made_up_value_does_nothing_and_is_written_down(stage):
    it = replace(await placed(stage), id="' OR 1=1 --")

    assert "no such proposal" in await stage.press(it)
    assert len(await refused(stage.play.store, it)) == 1


async def test_what_could_not_be_shown_whole_is_not_approved_whatever_was_pressed(stage):
    body = ({"op": "add", "path": "/spec/egress/-", "value": {"x": "\u202e"}},)
    it = await placed(stage)
    odd = await stage.play.propose(part(body=body), place=PLACE)

    assert "in a terminal" in await stage.press(odd)
    assert await stage.play.state(odd) is ProposalState.PROPOSED
    assert await stage.play.state(it) is ProposalState.PROPOSED


@pytest.mark.parametrize("told", [{"is_restricted": True}, {"deleted": True}, {"is_stranger": True, "team_id": "T9"}])
@pytest.mark.parametrize("button", ["approve", "undo", "show_fix", "check", "open_edit", "open_reject"])
async def test_no_button_of_a_proposal_obeys_a_stranger(stage, button, told):
    it = await placed(stage)
    if button == "undo":
        await stage.press(it)
    before, asked = await stage.play.state(it), len(stage.play.server.requests)
    stage.slack.people["U1ALICE"] |= told

    who = Asker("U1ALICE", "C1", "key", OriginKind.MENTION)
    await getattr(stage.approving, button)(Press(who, it.id, BODY))

    assert await stage.play.state(it) is before
    assert len(stage.play.server.requests) == asked
    assert len(await refused(stage.play.store, it)) == 1


async def test_ten_presses_at_once_write_once(stage):
    it = await placed(stage)

    await asyncio.gather(*(stage.press(it) for _ in range(10)))

    assert len(stage.play.server.writes) == 1
    assert len(await refused(stage.play.store, it)) == 9


# -- modals: they stand in no message, so all else must hold -----------------------------------------------------------


async def sent(stage: Stage, it: Proposal, what: str, text: str, **changes: Any) -> str:
    """What the person is told who sends the modal of a proposal."""
    values = {"text0": {"text": {"type": "plain_text_input", "value": text}}}
    body = {**BODY, "view": {"private_metadata": it.id, "state": {"values": values}}, **changes}
    body = {key: each for key, each in body.items() if key not in ("channel", "container")}
    who = Asker(str((body.get("user") or {}).get("id") or ""), "", "key", OriginKind.FORM)
    await getattr(stage.approving, what)(body, who)
    return stage.slack.told[-1]


EDITED = '[{"op": "add", "path": "/spec/egress/-", "value": {"to": []}}]'


async def test_alice_may_send_a_modal_and_her_edit_is_a_proposal_of_its_own(stage):
    it = await placed(stage)

    assert "Edited and proved anew" in await sent(stage, it, "edited", EDITED)
    assert await stage.play.state(it) is ProposalState.SUPERSEDED


@pytest.mark.parametrize("what", ["edited", "rejected"])
@pytest.mark.parametrize(
    "change",
    [
        {"api_app_id": "A9"},
        {"team": {"id": "T9"}},
        {"team": None},
        {"user": {"id": "U1ALICE", "team_id": "T9"}},
        {"user": {"id": "U1ALICE"}},
        {"user": {"id": "U3CAROL", "team_id": "T1"}},
    ],
    ids=str,
)
async def test_a_modal_of_somebody_who_does_not_belong_here_does_nothing(stage, what, change):
    it = await placed(stage)

    await sent(stage, it, what, EDITED, **change)

    assert await stage.play.state(it) is ProposalState.PROPOSED
    assert len(await refused(stage.play.store, it)) == 1
    assert stage.play.server.requests == []


@pytest.mark.parametrize("told", [{"is_restricted": True}, {"deleted": True}, {"is_stranger": True}], ids=str)
async def test_guests_leavers_and_strangers_edit_and_reject_nothing(stage, told):
    it = await placed(stage)
    stage.slack.people["U1ALICE"] |= told

    await sent(stage, it, "edited", EDITED)
    await sent(stage, it, "rejected", "no")

    assert await stage.play.state(it) is ProposalState.PROPOSED


async def test_an_edit_of_a_proposal_that_was_decided_meanwhile_does_nothing(stage):
    it = await placed(stage)
    await stage.press(it)

    assert "nothing was done" in await sent(stage, it, "edited", EDITED)
    assert len(stage.play.server.writes) == 1


@pytest.mark.parametrize("text", ["a: !!binary aGk=", "a: .nan", "a: !!set {b, c}", "a: !!timestamp 2026-12-28"])
def test_an_edit_that_json_cannot_hold_is_refused_in_words(text):
    assert "JSON" in read_change(text)


def test_an_edit_that_is_nested_deeper_than_it_can_be_shown_is_refused_in_words():
    def nested(levels: int) -> str:
        return f'{{"kind": "NetworkPolicy", "spec": {"[" * levels}{"]" * levels}}}'

    assert read_change(nested(200)) == "it is nested deeper than 64 levels"
    assert isinstance(read_change(nested(60)), list)
    assert isinstance(read_change(nested(1400)), str)


def test_an_edit_whose_aliases_double_with_each_line_is_refused_at_once():
    lines = ["l0: &l0 [x, x]", *(f"l{each}: &l{each} [*l{each - 1}, *l{each - 1}]" for each in range(1, 40))]

    assert read_change("\n".join(lines)) == "it is neither YAML nor JSON (line 2)"


@pytest.mark.parametrize(
    "text", ["", "just words", "[1, 2]", "- {1: 2}", "[", "&a [*a]", "!!python/object:os.system x"]
)
def test_an_edit_that_is_no_change_is_refused_in_words(text):
    assert isinstance(read_change(text), str)


def test_a_date_in_an_edit_is_the_word_that_stands_there():
    assert read_change("metadata: {annotations: {kai.dev/expires: 2026-12-28}}") == [
        {"metadata": {"annotations": {"kai.dev/expires": "2026-12-28"}}}
    ]


def test_an_edit_is_a_list_of_operations_or_a_manifest():
    assert read_change('[{"op": "remove", "path": "/spec/x"}]') == [{"op": "remove", "path": "/spec/x"}]
    assert read_change("kind: NetworkPolicy") == [{"kind": "NetworkPolicy"}]
