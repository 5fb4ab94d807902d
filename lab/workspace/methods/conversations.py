"""conversations.*: channels, who is in them, what was said."""

from __future__ import annotations

from typing import Any

from lab.workspace.call import MethodCall, MethodSpec
from lab.workspace.refusal import MethodRefusal

Json = dict[str, Any]


async def info(call: MethodCall) -> Json:
    return {"channel": call.scoped(call.channel(), "read").wire(call.app.bot_user)}


async def listed(call: MethodCall) -> Json:
    kinds = {"public_channel": "channel", "private_channel": "group", "im": "im"}
    wanted = {kinds.get(name.strip()) for name in call.text("types", "public_channel").split(",")}
    for kind, scope in (("channel", "channels:read"), ("group", "groups:read"), ("im", "im:read")):
        if kind in wanted:
            call.needs(scope)
    me = call.app.bot_user
    seen = (one for one in call.world.channels.values() if one.kind == "channel" or me in one.members)
    return call.page([one.wire(me) for one in seen if one.kind in wanted], "channels")


async def history(call: MethodCall) -> Json:
    channel = call.scoped(call.joined(), "history")
    return call.page(_between(call, list(channel.top()))[::-1], "messages")


async def replies(call: MethodCall) -> Json:
    channel, ts = call.scoped(call.joined(), "history"), call.need("ts")
    if ts not in channel.messages:
        raise MethodRefusal("thread_not_found")
    root, *rest = channel.thread(channel.messages[ts].get("thread_ts", ts))
    return call.page([root, *_between(call, rest)], "messages")


async def members(call: MethodCall) -> Json:
    ids = [{"id": user} for user in sorted(call.scoped(call.channel(), "read").members)]
    page = call.page(ids, "members")
    return {**page, "members": [one["id"] for one in page["members"]]}


async def join(call: MethodCall) -> Json:
    channel = call.channel()
    if channel.kind != "channel":
        raise MethodRefusal("method_not_supported_for_channel_type")
    call.world.join(channel, call.app.bot_user)
    return {"channel": channel.wire(call.app.bot_user)}


async def opened(call: MethodCall) -> Json:
    if call.text("channel"):
        return {"channel": {"id": call.channel().id}}
    users = call.need("users").split(",")
    if len(users) != 1:
        raise MethodRefusal("method_not_supported_for_channel_type")
    return {"channel": {"id": call.world.direct(call.app, call.world.user(users[0]).id).id}}


def _between(call: MethodCall, messages: list[Json]) -> list[Json]:
    oldest, latest = float(call.text("oldest") or 0), float(call.text("latest") or "inf")
    if call.flag("inclusive"):
        return [one for one in messages if oldest <= float(one["ts"]) <= latest]
    return [one for one in messages if oldest < float(one["ts"]) < latest]


READ = ("channels:read", "groups:read", "im:read")
HISTORY = ("channels:history", "groups:history", "im:history")
METHODS = {
    "conversations.info": MethodSpec(info, READ),
    "conversations.list": MethodSpec(listed, READ, tier=2),
    "conversations.history": MethodSpec(history, HISTORY),
    "conversations.replies": MethodSpec(replies, HISTORY),
    "conversations.members": MethodSpec(members, READ, tier=4),
    "conversations.join": MethodSpec(join, ("channels:join",)),
    "conversations.open": MethodSpec(opened, ("im:write",)),
}
