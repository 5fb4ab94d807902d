"""reactions.*: emoji on messages."""

from __future__ import annotations

from typing import Any

from lab.workspace.call import MethodCall, MethodSpec
from lab.workspace.channel import Channel
from lab.workspace.refusal import MethodRefusal

Json = dict[str, Any]


def _message(call: MethodCall) -> tuple[Channel, str]:
    channel, ts = call.joined(), call.need("timestamp")
    if ts not in channel.messages:
        raise MethodRefusal("message_not_found")
    return channel, ts


async def add(call: MethodCall) -> Json:
    channel, ts = _message(call)
    call.world.react(channel, ts, call.need("name").strip(":"), call.app.bot_user, add=True)
    return {}


async def remove(call: MethodCall) -> Json:
    channel, ts = _message(call)
    call.world.react(channel, ts, call.need("name").strip(":"), call.app.bot_user, add=False)
    return {}


METHODS = {
    "reactions.add": MethodSpec(add, ("reactions:write",)),
    "reactions.remove": MethodSpec(remove, ("reactions:write",), tier=2),
}
