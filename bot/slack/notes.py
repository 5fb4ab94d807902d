"""The kinds of messages there are in a conversation about an investigation: one class for each.

`bot.slack.delivery` brings each to Slack by the same stages. A new kind that is a reply in the thread is a
`ThreadReply` with a role of its own; a note of the desk becomes its messages in `bot.slack.renderers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from bot.report.blocks import Said
from bot.slack.outbox import FIRST, LATER

ROOT_ROLE = "card"
"""The role of the root message in the store, as every version of KAI has written it."""

REST = "reply.rest"
"""The role of the reply with what passed and what was not decided."""


@dataclass(frozen=True, slots=True)
class Root:
    """The root message as it is opened; what stands already is left, since progress edits it. `instead`: a person."""

    said: Said
    channel: str
    thread: str
    instead: str = ""
    role: str = ROOT_ROLE
    lane: int = FIRST


@dataclass(frozen=True, slots=True)
class RootState:
    """State of the root message from now on: how it ended, that a change was verified, …"""

    said: Said
    role: str = ROOT_ROLE
    lane: int = FIRST


@dataclass(frozen=True, slots=True)
class ThreadReply:
    """A reply in the thread; said again under the same role, it is edited."""

    role: str
    said: Said
    lane: int = LATER


@dataclass(frozen=True, slots=True)
class Picture:
    """A file in the thread. `draw` makes it, in a thread of its own; it may fail, and then `said` stands alone.

    `said` is the text above the picture; `words` is what it shows, for those who cannot see it.
    """

    name: str
    draw: Callable[[], bytes]
    title: str
    words: str
    said: Said
    role: str = "picture"
    lane: int = LATER


@dataclass(frozen=True, slots=True)
class ThreadAnswer:
    """An answer in a thread. It has no role: when it is lost in a crash, the person asks again."""

    said: Said
    channel: str
    thread: str
    lane: int = LATER


Kept: TypeAlias = Root | RootState | ThreadReply | Picture
"""Messages of an investigation that are remembered by their role."""

SlackNote: TypeAlias = Kept | ThreadAnswer
