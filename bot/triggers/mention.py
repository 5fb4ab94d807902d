"""`@kai …`: the same words as behind `/kai`, in a message."""

from __future__ import annotations

from bot.store import OriginKind
from bot.triggers.slash import read
from bot.triggers.trigger import Trigger

TRIGGER = Trigger("mention", OriginKind.MENTION, read)
