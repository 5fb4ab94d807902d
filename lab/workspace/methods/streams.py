"""chat.*Stream: a message that grows while it is written. Slack forgets a stream after about five minutes."""

from __future__ import annotations

from typing import Any

from lab.workspace.call import MethodCall, MethodSpec
from lab.workspace.channel import Channel
from lab.workspace.limits import check_message
from lab.workspace.methods.chat import WRITE, author, own_message
from lab.workspace.refusal import MethodRefusal, refuse

Json = dict[str, Any]
LIFETIME_SECONDS = 300.0  # undocumented, measured by users of slack-sdk


async def start(call: MethodCall) -> Json:
    channel = call.joined()
    thread = call.need("thread_ts")
    for name in ("recipient_user_id", "recipient_team_id") if channel.kind != "im" else ():
        if not call.text(name):
            raise MethodRefusal(f"missing_{name}")
    content = _grown({"text": "", "blocks": []}, call)
    message = call.world.post(channel, author(call), {**content, "streaming_state": "in_progress"}, thread)
    return {"channel": channel.id, "ts": message["ts"]}


async def append(call: MethodCall) -> Json:
    channel, ts = _streaming(call)
    grown = _grown(channel.messages[ts], call)
    call.world.edit(channel, ts, grown, call.app.bot_user)
    return {"channel": channel.id, "ts": ts}


async def stop(call: MethodCall) -> Json:
    channel, ts = _streaming(call)
    grown = _grown(channel.messages[ts], call)
    grown["blocks"] = [*grown["blocks"], *(call.structure("blocks") or ())]
    refuse(check_message({"text": " ", **grown}))
    message = call.world.edit(channel, ts, {**grown, "streaming_state": "completed"}, call.app.bot_user)
    return {"channel": channel.id, "ts": ts, "message": message}


def _streaming(call: MethodCall) -> tuple[Channel, str]:
    channel = call.channel()
    ts = own_message(call, channel, "message_not_owned_by_app")
    old = call.world.clock.now() - float(ts) > LIFETIME_SECONDS
    if old or channel.messages[ts].get("streaming_state") != "in_progress":
        raise MethodRefusal("message_not_in_streaming_state")
    return channel, ts


def _grown(message: Json, call: MethodCall) -> Json:
    chunks = call.structure("chunks") or []
    if call.text("markdown_text"):
        chunks = [{"type": "markdown_text", "text": call.text("markdown_text")}, *chunks]
    blocks: list[Json] = [dict(block) for block in message["blocks"]]
    for chunk in chunks:
        _grow(blocks, chunk)
    grown = {"text": "".join(b["text"] for b in blocks if b["type"] == "markdown"), "blocks": blocks}
    refuse(check_message({**grown, "text": " "}))
    return grown


def _grow(blocks: list[Json], chunk: Json) -> None:
    if chunk.get("type") == "markdown_text":
        if blocks and blocks[-1]["type"] == "markdown":
            blocks[-1]["text"] += chunk["text"]
        else:
            blocks.append({"type": "markdown", "text": chunk["text"]})
    elif chunk.get("type") == "task_update":
        _task(_plan(blocks), {name: chunk[name] for name in chunk.keys() - {"type", "id"}}, chunk["id"])
    elif chunk.get("type") == "plan_update":
        _plan(blocks)["title"] = chunk["title"]
    elif chunk.get("type") == "blocks":
        blocks.extend(chunk["blocks"])
    else:
        raise MethodRefusal("invalid_chunks")


def _plan(blocks: list[Json]) -> Json:
    for block in blocks:
        if block["type"] == "plan":
            return block
    blocks.append({"type": "plan", "title": "Working", "tasks": []})
    return blocks[-1]


def _task(plan: Json, parts: Json, name: str) -> None:
    for text in ("details", "output"):
        if isinstance(parts.get(text), str):
            section = {"type": "rich_text_section", "elements": [{"type": "text", "text": parts[text]}]}
            parts[text] = {"type": "rich_text", "elements": [section]}
    old = next((task for task in plan["tasks"] if task["task_id"] == name), None)
    if old is None:
        plan["tasks"] = [*plan["tasks"], {"type": "task_card", "task_id": name, **parts}]
    else:
        old.update(parts)


METHODS = {
    "chat.startStream": MethodSpec(start, WRITE, tier=2),
    "chat.appendStream": MethodSpec(append, WRITE, tier=4),
    "chat.stopStream": MethodSpec(stop, WRITE, tier=2),
}
