"""The Web API over HTTP: tokens, arguments in each of the forms that Slack takes, rate limits, refusals."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from lab.workspace.call import MethodCall, MethodSpec
from lab.workspace.methods import METHODS
from lab.workspace.people import App
from lab.workspace.rates import Rates
from lab.workspace.refusal import MethodRefusal
from lab.workspace.sockets import Sockets
from lab.workspace.state import WorkspaceState

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Called:
    """One call, for the record."""

    app: str
    method: str
    args: Json
    answer: Json


class WebApi:
    def __init__(self, world: WorkspaceState, sockets: Sockets, rates: Rates) -> None:
        self._world, self._sockets, self._rates = world, sockets, rates
        self.log: deque[Called] = deque(maxlen=5000)

    async def handle(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        args = await _arguments(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip() or str(args.pop("token", ""))
        try:
            spec = _method_spec(method)
            app = self._caller(spec, token)
        except MethodRefusal as refusal:
            return web.json_response(refusal.body)
        wait = self._rates.wait(app.id, method, spec.tier, str(args.get("channel", "")))
        if wait is not None:
            return self._too_many(app, method, args, wait)
        answer = await self._answer(spec, MethodCall(self._world, self._sockets, app, args))
        self._note(Called(app.id, method, args, answer))
        return web.json_response(answer, headers={"X-OAuth-Scopes": ",".join(sorted(app.scopes))})

    def _too_many(self, app: App, method: str, args: Json, wait: int) -> web.Response:
        answer = {"ok": False, "error": "ratelimited"}
        self._note(Called(app.id, method, args, answer))
        return web.json_response(answer, status=429, headers={"Retry-After": str(wait)})

    def _note(self, called: Called) -> None:
        self.log.append(called)
        self._world.changed()

    async def _answer(self, spec: MethodSpec, call: MethodCall) -> Json:
        try:
            return {"ok": True, **await spec.answer(call)}
        except MethodRefusal as refusal:
            return refusal.body

    def _caller(self, spec: MethodSpec, token: str) -> App:
        apps = self._world.apps.values()
        if spec.open and not token:
            return next(iter(apps))
        if not token:
            raise MethodRefusal("not_authed")
        bot = next((app for app in apps if app.bot_token == token), None)
        app_level = next((app for app in apps if app.app_token == token), None)
        if bot is None and app_level is None:
            raise MethodRefusal("invalid_auth")
        found = app_level if spec.app_level else bot
        if found is None:
            raise MethodRefusal("not_allowed_token_type")
        if spec.scopes and not found.scopes & set(spec.scopes):
            raise MethodRefusal("missing_scope", needed=spec.scopes[0], provided=",".join(sorted(found.scopes)))
        return found


def _method_spec(method: str) -> MethodSpec:
    if method not in METHODS:
        raise MethodRefusal("unknown_method", req_method=method)
    return METHODS[method]


async def _arguments(request: web.Request) -> Json:
    """Query, form, multipart and JSON; what cannot be read is no argument."""
    args: Json = dict(request.query)
    if request.content_type == "application/json":
        args |= _object(await request.text())
    elif request.method == "POST":
        args |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    return args


def _object(text: str) -> Json:
    try:
        body = json.loads(text or "{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
