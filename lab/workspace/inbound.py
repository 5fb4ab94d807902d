"""Addresses that apps post to without a token: response_url, incoming webhooks, uploads and the files themselves."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from lab.workspace.attachments import stored
from lab.workspace.limits import check_message
from lab.workspace.people import App
from lab.workspace.refusal import MethodRefusal, refuse
from lab.workspace.state import WorkspaceState
from lab.workspace.tickets import ReplyHook

Json = dict[str, Any]
_CONTENT = ("text", "blocks", "attachments", "metadata")


class Inbound:
    def __init__(self, world: WorkspaceState) -> None:
        self._world = world

    async def reply(self, request: web.Request) -> web.Response:
        """A `response_url`: five answers within thirty minutes, then 404."""
        try:
            hook = self._world.hooks.use(request.match_info["key"])
        except MethodRefusal as refusal:
            return web.json_response(refusal.body, status=404)
        try:
            self.answered(hook, await _payload(request))
        except MethodRefusal as refusal:
            return web.json_response(refusal.body, status=400)
        return web.Response(text="ok")

    def answered(self, hook: ReplyHook, body: Json) -> None:
        """Takes an app's words to a `response_url` or in its ack of a command: for one person, unless `in_channel`."""
        if body.get("delete_original"):
            self._delete(hook)
            return
        content = _content(body)
        refuse(check_message(content))
        if body.get("replace_original") and hook.message:
            self._replace(hook, content)
        elif body.get("response_type") == "in_channel":
            thread = body.get("thread_ts") or None
            self._world.post(self._world.channel(hook.channel), self._app(hook).author(), content, thread)
        else:
            thread = {"thread_ts": hook.thread} if hook.thread else {}
            self._world.post_ephemeral(hook.user, hook.channel, {**self._app(hook).author(), **content, **thread})

    async def webhook(self, request: web.Request) -> web.Response:
        """An incoming webhook, the way Alertmanager's default configuration speaks to Slack."""
        app = self._world.apps.get(request.match_info["app"])
        if app is None:
            return web.Response(status=404, text="no_service")
        try:
            body = await _payload(request)
            content = _content(body)
            refuse(check_message(content))
            channel = self._world.channel(body.get("channel") or "alerts")
        except MethodRefusal as refusal:
            status = 404 if refusal.body["error"] == "channel_not_found" else 400
            return web.Response(status=status, text=refusal.body["error"])
        self._world.post(channel, app.author(body.get("username") or app.name), content)
        return web.Response(text="ok")

    async def upload(self, request: web.Request) -> web.Response:
        upload = self._world.uploads.get(request.match_info["file"])
        if upload is None:
            raise web.HTTPNotFound
        upload.content = await _bytes(request)
        upload.filled = True
        return web.Response(text=f"OK - {len(upload.content)}")

    async def download(self, request: web.Request) -> web.Response:
        """A picture as such, all else as plain text: whatever was uploaded, the browser does not run it."""
        upload = self._world.uploads.get(request.match_info["file"])
        if upload is None:
            raise web.HTTPNotFound
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        charset = None if upload.mimetype.startswith("image/") else "utf-8"
        return web.Response(body=upload.content, content_type=upload.mimetype, charset=charset, headers=headers)

    def _app(self, hook: ReplyHook) -> App:
        return self._world.apps[hook.app]

    def _delete(self, hook: ReplyHook) -> None:
        if hook.message is None:
            return
        if message := self._world.ephemeral_at(hook.user, hook.message):
            self._world.delete_ephemeral(message)
        elif hook.message in self._world.channel(hook.channel).messages:
            self._world.remove(self._world.channel(hook.channel), hook.message)

    def _replace(self, hook: ReplyHook, content: Json) -> None:
        message = str(hook.message)
        if shown := self._world.ephemeral_at(hook.user, message):
            self._world.update_ephemeral(shown, content)
        else:
            self._world.edit(self._world.channel(hook.channel), message, content, self._app(hook).bot_user)


def _content(body: Json) -> Json:
    content = {name: body[name] for name in _CONTENT if body.get(name) is not None}
    content.setdefault("text", "")
    if isinstance(content.get("attachments"), list):
        content["attachments"] = stored(content["attachments"])
    return content


async def _payload(request: web.Request) -> Json:
    try:
        text = await request.text()
        if request.content_type == "application/x-www-form-urlencoded":
            text = str((await request.post()).get("payload", ""))
        body = json.loads(text)
    except ValueError:
        raise MethodRefusal("invalid_payload") from None
    if not isinstance(body, dict):
        raise MethodRefusal("invalid_payload")
    return body


async def _bytes(request: web.Request) -> bytes:
    if request.content_type != "multipart/form-data":
        return await request.read()
    parts = (await request.post()).values()
    return next((part.file.read() for part in parts if isinstance(part, web.FileField)), b"")
