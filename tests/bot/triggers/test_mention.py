"""`@kai …` takes the words of `/kai …`."""

from __future__ import annotations

from bot.store import OriginKind
from bot.triggers.commands import Investigate, StatusCommand
from bot.triggers.mention import TRIGGER
from bot.triggers.trigger import Nothing


def test_a_question_behind_the_name_is_read_as_behind_the_command():
    assert TRIGGER.origin is OriginKind.MENTION
    assert TRIGGER.read({"text": "<@U0KAI> netdebug web shop"}) == Investigate("web", "shop")
    assert TRIGGER.read({"text": "<@U0KAI|kai> status"}) == StatusCommand()


def test_words_that_are_no_command_ask_nothing_and_say_why():
    said = TRIGGER.read({"text": "<@U0KAI> hello there my friend"})

    assert isinstance(said, Nothing)
    assert "hello" in said.why
