"""reactions.*: emoji on messages."""

from __future__ import annotations

from typing import Any

from lab.workspace.call import Call, Door
from lab.workspace.channel import Channel
from lab.workspace.refusal import Refusal

Json = dict[str, Any]


def _message(call: Call) -> tuple[Channel, str]:
    channel, ts = call.joined(), call.need("timestamp")
    if ts not in channel.messages:
        raise Refusal("message_not_found")
    return channel, ts


async def add(call: Call) -> Json:
    channel, ts = _message(call)
    call.world.react(channel, ts, call.need("name").strip(":"), call.app.bot_user, add=True)
    return {}


async def remove(call: Call) -> Json:
    channel, ts = _message(call)
    call.world.react(channel, ts, call.need("name").strip(":"), call.app.bot_user, add=False)
    return {}


METHODS = {
    "reactions.add": Door(add, ("reactions:write",)),
    "reactions.remove": Door(remove, ("reactions:write",), tier=2),
}
