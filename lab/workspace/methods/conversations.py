"""conversations.*: channels, who is in them, what was said."""

from __future__ import annotations

from typing import Any

from lab.workspace.call import Call, Door
from lab.workspace.refusal import Refusal

Json = dict[str, Any]


async def info(call: Call) -> Json:
    return {"channel": call.scoped(call.channel(), "read").wire(call.app.bot_user)}


async def listed(call: Call) -> Json:
    kinds = {"public_channel": "channel", "private_channel": "group", "im": "im"}
    wanted = {kinds.get(name.strip()) for name in call.text("types", "public_channel").split(",")}
    for kind, scope in (("channel", "channels:read"), ("group", "groups:read"), ("im", "im:read")):
        if kind in wanted:
            call.needs(scope)
    me = call.app.bot_user
    seen = (one for one in call.world.channels.values() if one.kind == "channel" or me in one.members)
    return call.page([one.wire(me) for one in seen if one.kind in wanted], "channels")


async def history(call: Call) -> Json:
    channel = call.scoped(call.joined(), "history")
    return call.page(_between(call, list(channel.top()))[::-1], "messages")


async def replies(call: Call) -> Json:
    channel, ts = call.scoped(call.joined(), "history"), call.need("ts")
    if ts not in channel.messages:
        raise Refusal("thread_not_found")
    root, *rest = channel.thread(channel.messages[ts].get("thread_ts", ts))
    return call.page([root, *_between(call, rest)], "messages")


async def members(call: Call) -> Json:
    ids = [{"id": user} for user in sorted(call.scoped(call.channel(), "read").members)]
    page = call.page(ids, "members")
    return {**page, "members": [one["id"] for one in page["members"]]}


async def join(call: Call) -> Json:
    channel = call.channel()
    if channel.kind != "channel":
        raise Refusal("method_not_supported_for_channel_type")
    call.world.join(channel, call.app.bot_user)
    return {"channel": channel.wire(call.app.bot_user)}


async def opened(call: Call) -> Json:
    if call.text("channel"):
        return {"channel": {"id": call.channel().id}}
    users = call.need("users").split(",")
    if len(users) != 1:
        raise Refusal("method_not_supported_for_channel_type")
    return {"channel": {"id": call.world.direct(call.app, call.world.user(users[0]).id).id}}


def _between(call: Call, messages: list[Json]) -> list[Json]:
    oldest, latest = float(call.text("oldest") or 0), float(call.text("latest") or "inf")
    if call.flag("inclusive"):
        return [one for one in messages if oldest <= float(one["ts"]) <= latest]
    return [one for one in messages if oldest < float(one["ts"]) < latest]


READ = ("channels:read", "groups:read", "im:read")
HISTORY = ("channels:history", "groups:history", "im:history")
METHODS = {
    "conversations.info": Door(info, READ),
    "conversations.list": Door(listed, READ, tier=2),
    "conversations.history": Door(history, HISTORY),
    "conversations.replies": Door(replies, HISTORY),
    "conversations.members": Door(members, READ, tier=4),
    "conversations.join": Door(join, ("channels:join",)),
    "conversations.open": Door(opened, ("im:write",)),
}
