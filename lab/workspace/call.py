"""One call of the Web API: who calls, with which arguments."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.workspace.channel import Channel
from lab.workspace.people import App
from lab.workspace.refusal import MethodRefusal
from lab.workspace.sockets import Sockets
from lab.workspace.state import WorkspaceState

Json = dict[str, Any]
_PAGE = 100
_SCOPE = {"channel": "channels", "group": "groups", "im": "im"}
"""How scopes name the kinds of channels."""


@dataclass(frozen=True, slots=True)
class MethodCall:
    world: WorkspaceState
    sockets: Sockets
    app: App
    args: Mapping[str, Any]

    def text(self, name: str, default: str = "") -> str:
        value = self.args.get(name)
        return default if value is None else str(value)

    def need(self, name: str) -> str:
        """Raises `invalid_arguments`."""
        value = self.text(name)
        if not value:
            missing = f"[ERROR] missing required field: {name}"
            raise MethodRefusal("invalid_arguments", response_metadata={"messages": [missing]})
        return value

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in ("true", "1")

    def structure(self, name: str, error: str = "invalid_arguments") -> Any:
        """An argument that is JSON: as such, or as text inside a form."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            raise MethodRefusal(error) from None

    def channel(self, name: str = "channel") -> Channel:
        """Raises `channel_not_found`; a private channel without the bot does not exist for it."""
        wanted = self.need(name)
        if wanted in self.world.users:
            return self.world.direct(self.app, wanted)
        channel = self.world.channel(wanted)
        if channel.kind != "channel" and self.app.bot_user not in channel.members:
            raise MethodRefusal("channel_not_found")
        return channel

    def scoped(self, channel: Channel, verb: str) -> Channel:
        """The channel, where the app may `read` or see the `history` of its kind. Raises `missing_scope`."""
        self.needs(f"{_SCOPE[channel.kind]}:{verb}")
        return channel

    def needs(self, scope: str) -> None:
        """Raises `missing_scope`."""
        if scope not in self.app.scopes:
            raise MethodRefusal("missing_scope", needed=scope, provided=",".join(sorted(self.app.scopes)))

    def joined(self, name: str = "channel") -> Channel:
        """A channel that the bot is in; raises `not_in_channel` or `is_archived`."""
        channel = self.channel(name)
        if self.app.bot_user not in channel.members:
            raise MethodRefusal("not_in_channel")
        if channel.archived:
            raise MethodRefusal("is_archived")
        return channel

    def page(self, things: list[Json], name: str) -> Json:
        """One page of a long list, and the cursor of the next."""
        start = int(self.text("cursor", "0") or 0)
        size = min(int(self.text("limit") or _PAGE), 1000)
        rest = len(things) > start + size
        cursor = str(start + size) if rest else ""
        return {name: things[start : start + size], "response_metadata": {"next_cursor": cursor}, "has_more": rest}


Method = Callable[[MethodCall], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """A method, the scopes of which one is needed, its rate tier, and whether an app-level token opens it."""

    answer: Method
    scopes: tuple[str, ...] = ()
    tier: int = 3
    app_level: bool = False
    open: bool = False  # needs no token
