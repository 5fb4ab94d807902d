"""The web page: what one person sees, sent anew at each change, and what he does, handed to the driver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from lab.workspace.channel import Channel
from lab.workspace.driver import InteractionReply, Person
from lab.workspace.people import SlackUser
from lab.workspace.refusal import MethodRefusal
from lab.workspace.state import WorkspaceState

Json = dict[str, Any]
STATIC = Path(__file__).parent / "static"
CALM_SECONDS = 0.03  # changes that come together are shown together
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Page:
    def __init__(self, world: WorkspaceState, person: Callable[[str], Person]) -> None:
        self._world, self._person = world, person
        self._tabs: set[asyncio.Event] = set()
        world.on_change(self._changed)

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/", self._index)
        app.router.add_get("/archives/{channel}/{message}", self._index)
        app.router.add_get("/page/live", self._live)
        app.router.add_post("/page/do", self._do)
        app.router.add_static("/static/", STATIC)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html", headers=HEADERS)

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: the whole picture of one person, at once and after each change."""
        try:
            user = self._world.user(request.query.get("user", "alice"))
        except MethodRefusal as nobody:
            raise web.HTTPNotFound(text=str(nobody)) from nobody
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        changed = asyncio.Event()
        self._tabs.add(changed)
        try:
            while True:
                changed.clear()
                await response.write(f"data: {json.dumps(self.picture(user))}\n\n".encode())
                await changed.wait()
                await asyncio.sleep(CALM_SECONDS)
        except (ConnectionError, asyncio.CancelledError):
            return response
        finally:
            self._tabs.discard(changed)

    async def _do(self, request: web.Request) -> web.Response:
        """One act of a person. JSON only: another site's form cannot send that."""
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        body = await request.json()
        try:
            person = self._person(str(body["user"]))
            answer = await ACTS[body["act"]](person, body)
        except (MethodRefusal, LookupError) as error:
            return web.json_response({"error": str(error)}, status=409)
        return web.json_response(answer)

    def picture(self, user: SlackUser) -> Json:
        """Everything that this person sees."""
        app = self._person(user.id).app
        self._world.direct(app, user.id)
        rooms = [room for room in self._world.channels.values() if user.id in room.members]
        return {
            "me": user.id,
            "bot": app.bot_user,
            "users": {one.id: _card(one) for one in self._world.users.values()},
            "groups": {one.id: {"id": one.id, "name": one.handle} for one in self._world.groups.values()},
            "commands": app.commands,
            "shortcuts": app.shortcuts,
            "channels": [self._room(room, user) for room in rooms],
            "views": self._world.modals.stack(user.id),
            "home": self._world.modals.home(user.id, app),
        }

    def _room(self, room: Channel, user: SlackUser) -> Json:
        ephemerals = [
            {"type": "message", **one.body, "ts": one.ts, "ephemeral": True}
            for one in self._world.ephemerals
            if one.user == user.id and one.channel == room.id
        ]
        seen = [room.seen(ts) for ts in room.messages]
        return {
            "id": room.id,
            "name": room.name,
            "kind": room.kind,
            "shared": room.shared,
            "topic": room.topic,
            "members": len(room.members),
            "messages": sorted([*seen, *ephemerals], key=lambda one: float(one["ts"])),
        }

    def _changed(self) -> None:
        for tab in self._tabs:
            tab.set()


def _card(user: SlackUser) -> Json:
    return {
        "id": user.id,
        "name": user.real_name,
        "handle": user.name,
        "title": user.title,
        "bot": user.bot,
        "guest": user.guest,
        "stranger": user.stranger,
        "colour": user.colour,
    }


# ---- what a person can do on the page: every act is one method of the driver ----------------------------------------


async def _say(person: Person, body: Json) -> Json:
    await person.say(body["text"], body["channel"], body.get("thread_ts"))
    return {}


async def _command(person: Person, body: Json) -> Json:
    return _told(await person.command(body["text"], body["channel"]))


async def _press(person: Person, body: Json) -> Json:
    named = {"block_id": body["block_id"], "state": _typed(body)}
    return _told(await person.press(body["where"], body["action_id"], body.get("value"), **named))


async def _suggest(person: Person, body: Json) -> Json:
    options = await person.suggest(body["where"], body["action_id"], body["query"], block_id=body["block_id"])
    return {"options": options}


async def _submit(person: Person, body: Json) -> Json:
    return _told(await person.submit(body["where"], _typed(body)))


async def _close(person: Person, body: Json) -> Json:
    await person.close(body["where"])
    return {}


async def _shortcut(person: Person, body: Json) -> Json:
    return _told(await person.shortcut(body["ts"], body["callback_id"]))


async def _home(person: Person, body: Json) -> Json:
    await person.open_home()
    return {}


async def _react(person: Person, body: Json) -> Json:
    await person.react(body["ts"], body["emoji"], body["add"])
    return {}


ACTS: dict[str, Callable[[Person, Json], Awaitable[Json]]] = {
    "say": _say,
    "command": _command,
    "press": _press,
    "suggest": _suggest,
    "submit": _submit,
    "close": _close,
    "shortcut": _shortcut,
    "home": _home,
    "react": _react,
}


def _typed(body: Json) -> dict[tuple[str, str], Any]:
    """Values of the page's fields: `{block: {action: value}}`."""
    return {(block, action): value for block, row in body["state"].items() for action, value in row.items()}


def _told(reply: InteractionReply) -> Json:
    error = reply.error if not reply.acked or reply.error not in ("", "errors") else ""
    return {"acked": reply.acked, "error": error, "errors": dict(reply.errors)}
