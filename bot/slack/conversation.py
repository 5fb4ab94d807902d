"""Messages about one investigation that this process knows; all that matters can be found again in the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bot.slack.progress import Progress


@dataclass(frozen=True, slots=True)
class RootLocation:
    """Location of the root message and its thread. `direct`: to the asker, because KAI is not in the channel."""

    channel: str
    ts: str
    thread: str
    direct: bool = False


@dataclass(slots=True)
class Conversation:
    """`root` and `progress` are there while the investigation is live; `replies` stand where, by their roles.

    `tried`: an earlier try to say how it ended failed somewhere on the way.
    """

    root: RootLocation | None = None
    progress: Progress | None = None
    replies: dict[str, tuple[str, str]] = field(default_factory=dict)
    tried: bool = False
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
