"""chat.*: what bots say, change and take back."""

from __future__ import annotations

from typing import Any

from lab.workspace.attachments import stored
from lab.workspace.call import MethodCall, MethodSpec
from lab.workspace.channel import Channel
from lab.workspace.limits import TEXT_OF_A_MESSAGE, check_message, check_update
from lab.workspace.refusal import MethodRefusal, refuse

Json = dict[str, Any]
_STRUCTURES = (
    ("blocks", "invalid_blocks_format"),
    ("attachments", "invalid_attachments"),
    ("metadata", "invalid_metadata_format"),
)


def content(call: MethodCall) -> Json:
    """Text, blocks, attachments and metadata as given; unchecked."""
    parts: Json = {"text": call.text("text")[:TEXT_OF_A_MESSAGE]}
    for name, error in _STRUCTURES:
        if (value := call.structure(name, error)) is not None:
            parts[name] = value
    if isinstance(parts.get("attachments"), list):
        parts["attachments"] = stored(parts["attachments"])
    return parts


def author(call: MethodCall) -> Json:
    return call.app.author(call.text("username"))


def own_message(call: MethodCall, channel: Channel, error: str) -> str:
    """The ts of a message that this bot wrote; raises `message_not_found` or the given error."""
    ts = call.need("ts")
    if ts not in channel.messages:
        raise MethodRefusal("message_not_found")
    if channel.messages[ts].get("bot_id") != call.app.bot_id:
        raise MethodRefusal(error)
    return ts


async def post_message(call: MethodCall) -> Json:
    channel = call.joined()
    parts = content(call)
    refuse(check_message(parts))
    thread = call.text("thread_ts") or None
    message = call.world.post(channel, author(call), parts, thread, call.flag("reply_broadcast"))
    answer = {"channel": channel.id, "ts": message["ts"], "message": message}
    return {**answer, **_warning(call)}


async def update(call: MethodCall) -> Json:
    channel = call.channel()
    ts = own_message(call, channel, "cant_update_message")
    parts = content(call)
    if not parts["text"] and "blocks" in parts:
        parts["text"] = ""
    refuse(check_update(parts))
    message = call.world.edit(channel, ts, parts, call.app.bot_user)
    return {"channel": channel.id, "ts": ts, "text": message["text"], "message": message}


async def delete(call: MethodCall) -> Json:
    channel = call.channel()
    ts = own_message(call, channel, "cant_delete_message")
    call.world.remove(channel, ts)
    return {"channel": channel.id, "ts": ts}


async def post_ephemeral(call: MethodCall) -> Json:
    channel = call.joined()
    user = call.need("user")
    if user not in channel.members:
        raise MethodRefusal("user_not_in_channel")
    parts = content(call)
    refuse(check_message(parts))
    thread = {"thread_ts": call.text("thread_ts")} if call.text("thread_ts") else {}
    message = call.world.post_ephemeral(user, channel.id, {**author(call), **parts, **thread})
    return {"message_ts": message.ts}


async def get_permalink(call: MethodCall) -> Json:
    channel = call.channel()
    ts = call.need("message_ts")
    if ts not in channel.messages:
        raise MethodRefusal("message_not_found")
    return {"channel": channel.id, "permalink": call.world.permalink(channel.id, ts)}


def _warning(call: MethodCall) -> Json:
    if len(call.text("text")) <= TEXT_OF_A_MESSAGE:
        return {}
    return {"warning": "message_truncated", "response_metadata": {"warnings": ["message_truncated"]}}


WRITE = ("chat:write",)
METHODS = {
    "chat.postMessage": MethodSpec(post_message, WRITE, tier=0),
    "chat.update": MethodSpec(update, WRITE, tier=3),
    "chat.delete": MethodSpec(delete, WRITE, tier=3),
    "chat.postEphemeral": MethodSpec(post_ephemeral, WRITE, tier=4),
    "chat.getPermalink": MethodSpec(get_permalink, (), tier=4),
}
