"""Every kind of message goes through the same stages: none is said twice, none is forgotten."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.desk import Note
from bot.report.blocks import Said
from bot.slack import conversations as module
from bot.slack.conversation import Conversation, RootLocation
from bot.slack.conversations import Conversations
from bot.slack.delivery import DeliveryStages, PendingMessage
from bot.slack.notes import Picture, Root, RootState, SlackNote, ThreadAnswer, ThreadReply
from bot.slack.outbox import Unwelcome, Vanished
from bot.store import Investigation, Posted
from bot.store.store import Store
from tests.bot.store.words import NOW, admitted, request

PLACE = RootLocation("C1", "1.0", "1.0")
WORDS, OTHER = Said("evidence of dns"), Said("dns is at fault")


@dataclass
class Box:
    """An outbox that keeps what was done. `refuses` channels; `gone` messages cannot be edited."""

    done: list[tuple[Any, ...]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    async def post(self, channel: str, said: Any, thread: str = "", key: str = "", lane: int = 0) -> tuple[str, str]:
        if channel in self.refuses:
            raise Unwelcome("not_in_channel")
        self.done.append(("post", channel, thread, key, (said() if callable(said) else said).text))
        return channel, f"{len(self.done)}.1"

    async def update(self, channel: str, ts: str, said: Said, lane: int = 0) -> None:
        if ts in self.gone:
            raise Vanished("message_not_found")
        self.done.append(("update", channel, ts, said.text))

    async def upload(
        self, channel: str, thread: str, name: str, content: bytes, title: str, alt: str, comment: str
    ) -> None:
        self.done.append(("upload", channel, thread, name, content))

    @property
    def verbs(self) -> list[str]:
        return [each[0] for each in self.done]


@dataclass
class Slack:
    """What Slack could be asked after a crash."""

    posted: dict[str, tuple[str, str]] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    asked: int = 0

    async def message(self, channel: str, thread: str, key: str, since: float) -> tuple[str, str] | None:
        self.asked += 1
        return self.posted.get(key)

    async def file(self, channel: str, thread: str, name: str, since: float) -> bool:
        self.asked += 1
        return name in self.files


@dataclass
class Post:
    """A delivery with everything around it."""

    store: Store
    it: Investigation
    box: Box = field(default_factory=Box)
    slack: Slack = field(default_factory=Slack)
    conversation: Conversation = field(default_factory=Conversation)

    def __post_init__(self) -> None:
        self.delivery = DeliveryStages(self.store, self.box, self.slack, lambda: NOW)  # type: ignore[arg-type]

    async def deliver(self, note: SlackNote, *, doubtful: bool = False) -> tuple[str, str]:
        return await self.delivery.deliver(PendingMessage(note, self.it, self.conversation, PLACE, doubtful))

    async def kept(self, role: str) -> Posted | None:
        message = await self.store.messages.get(f"{self.it.id}.{role}")
        return None if message is None else message.posted


@pytest.fixture
async def post(store: Store) -> Post:
    return Post(store, await admitted(store, asked=request(channel="C1", thread="")))


def test_the_stages_stand_in_their_order(post: Post):
    names = [each.__name__ for each in post.delivery.stages]  # type: ignore[attr-defined]

    assert names == ["deduplicate", "find_after_crash", "render", "send", "remember"]


async def test_a_reply_is_posted_once_and_the_same_words_are_not_sent_again(post: Post):
    first = await post.deliver(ThreadReply("reply.dns", WORDS))
    again = await post.deliver(ThreadReply("reply.dns", WORDS))

    assert post.box.done == [("post", "C1", "1.0", "i1.reply.dns", WORDS.text)]
    assert first == again


async def test_other_words_under_one_role_edit_what_stands(post: Post):
    _, ts = await post.deliver(ThreadReply("reply.dns", WORDS))
    await post.deliver(ThreadReply("reply.dns", OTHER))

    assert post.box.done[1:] == [("update", "C1", ts, OTHER.text)]


async def test_what_somebody_deleted_is_posted_again(post: Post):
    _, ts = await post.deliver(ThreadReply("reply.dns", WORDS))
    post.box.gone.add(ts)
    await post.deliver(ThreadReply("reply.dns", OTHER))

    assert post.box.verbs == ["post", "post"]
    assert (await post.kept("reply.dns")).ts != ts  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("note", "then"),
    [
        (ThreadReply("reply.dns", WORDS), ["update"]),
        (Root(WORDS, "C1", ""), []),
    ],
)
async def test_what_was_posted_before_a_crash_is_found_and_not_posted_again(post: Post, note: Any, then: list[str]):
    post.slack.posted[f"i1.{note.role}"] = ("C1", "0.5")

    assert await post.deliver(note, doubtful=True) == ("C1", "0.5")
    assert post.box.verbs == then
    assert (await post.kept(note.role)).ts == "0.5"  # type: ignore[union-attr]


async def test_nobody_is_asked_where_no_crash_can_have_been(post: Post):
    await post.deliver(ThreadReply("reply.dns", WORDS))

    assert post.slack.asked == 0


async def test_a_picture_is_drawn_and_uploaded_once(post: Post):
    drawn = []
    picture = Picture("kai-i1.png", lambda: drawn.append(1) or b"png", "Where it breaks", "in words", WORDS)  # type: ignore[func-returns-value]
    await post.deliver(picture)
    await post.deliver(picture)

    assert (post.box.done, drawn) == ([("upload", "C1", "1.0", "kai-i1.png", b"png")], [1])


async def test_pictures_of_one_moment_are_drawn_one_after_the_other(post: Post):
    drawing, most = [0], [0]

    def draw() -> bytes:
        drawing[0] += 1
        most[0] = max(most[0], drawing[0])
        os.sched_yield()
        drawing[0] -= 1
        return b"png"

    pictures = [Picture(f"kai-{each}.png", draw, "", "", WORDS) for each in range(20)]
    await asyncio.gather(
        *(post.delivery.render(PendingMessage(each, post.it, Conversation(), PLACE)) for each in pictures)
    )

    assert most == [1]


async def test_a_picture_that_a_crash_left_behind_is_neither_drawn_nor_uploaded(post: Post):
    post.slack.files.add("kai-i1.png")
    await post.deliver(Picture("kai-i1.png", lambda: 1 / 0, "", "", WORDS), doubtful=True)  # type: ignore[arg-type,return-value]

    assert post.box.done == []
    assert await post.kept("picture") is not None


async def test_a_root_that_is_not_welcome_goes_to_who_asked_and_to_nobody_without_one(post: Post):
    post.box.refuses.add("C1")

    with pytest.raises(Unwelcome):
        await post.deliver(Root(WORDS, "C1", ""))
    assert (await post.deliver(Root(WORDS, "C1", "", instead="U1")))[0] == "U1"


async def test_a_root_changes_in_its_place_and_is_posted_anew_where_it_was_deleted(post: Post):
    await post.deliver(RootState(WORDS))
    post.box.gone.add(PLACE.ts)
    channel, ts = await post.deliver(RootState(OTHER))

    assert post.box.done == [("update", "C1", "1.0", WORDS.text), ("post", "C1", "", "i1.card", OTHER.text)]
    assert await post.kept("card") == Posted(channel, ts, "")
    assert await post.store.seen.value_of(f"thread C1 {ts}", NOW) == "i1"


async def test_an_answer_is_sent_and_nothing_is_kept_of_it(post: Post):
    await post.deliver(ThreadAnswer(WORDS, "C1", "1.0"))

    assert post.box.done == [("post", "C1", "1.0", "", WORDS.text)]
    assert [each.role for each in await post.store.messages.of("i1")] == []


async def test_a_new_kind_of_note_is_one_class_and_one_renderer(post: Post, monkeypatch: pytest.MonkeyPatch):
    class ProposalNote(Note):
        pass

    def render(note: Note) -> tuple[ThreadReply, RootState]:
        return ThreadReply(note.role, WORDS), RootState(OTHER)

    monkeypatch.setattr(module, "render", render)
    conversations = Conversations(post.store, post.box, post.slack, {}, {}, now=lambda: NOW)  # type: ignore[arg-type]
    note = ProposalNote("i1.proposal.1", post.it)

    first = await conversations.post(note)

    assert post.box.verbs == ["post", "post", "update"]
    assert [each[3] for each in post.box.done if each[0] == "post"] == ["i1.card", "i1.proposal.1"]
    assert await conversations.find(note) == first
