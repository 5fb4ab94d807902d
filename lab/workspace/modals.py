"""The modals in front of each person: a stack of at most three, and the home tabs."""

from __future__ import annotations

import json
from typing import Any

from lab.workspace.ids import Mint
from lab.workspace.kit import with_ids
from lab.workspace.people import TEAM, App
from lab.workspace.refusal import MethodRefusal

Json = dict[str, Any]
DEPTH = 3
_KEPT = ("type", "title", "submit", "close", "blocks", "private_metadata", "callback_id", "external_id")
_FLAGS = ("clear_on_close", "notify_on_close", "submit_disabled")


class Modals:
    """Views are JSON as Slack tells them. One stack per user: a second app's modal would go on top of the first's."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._stacks: dict[str, list[Json]] = {}
        self._homes: dict[tuple[str, str], Json] = {}

    def stack(self, user: str) -> list[Json]:
        return list(self._stacks.get(user, ()))

    def home(self, user: str, app: App) -> Json | None:
        return self._homes.get((user, app.id))

    def open(self, user: str, app: App, view: Json) -> Json:
        new = self._new(app, view, previous=None)
        self._stacks[user] = [new]
        return new

    def push(self, user: str, app: App, view: Json) -> Json:
        stack = self._stacks.setdefault(user, [])
        if not stack:
            raise MethodRefusal("view_not_found")
        if len(stack) >= DEPTH:
            raise MethodRefusal("push_limit_reached")
        stack.append(self._new(app, view, previous=stack[-1]))
        return stack[-1]

    def publish(self, user: str, app: App, view: Json, hash_: str | None) -> Json:
        old = self._homes.get((user, app.id))
        _same(old, hash_)
        new = self._new(app, view, previous=None)
        self._homes[(user, app.id)] = {**new, "id": old["id"] if old else new["id"]}
        return self._homes[(user, app.id)]

    def update(
        self, app: App, view: Json, *, view_id: str = "", external_id: str = "", hash_: str | None = None
    ) -> Json:
        """Replaces an open view in place; raises `not_found` or `hash_conflict`."""
        user, old = self.find(app, view_id, external_id)
        _same(old, hash_)
        new = {**self._new(app, view, previous=None), **{name: old[name] for name in _IDENTITY}}
        new["state"]["values"] = {**new["state"]["values"], **_still_there(old, new)}
        stack = self._stacks[user]
        stack[stack.index(old)] = new
        return new

    def find(self, app: App, view_id: str = "", external_id: str = "") -> tuple[str, Json]:
        for user, stack in self._stacks.items():
            for view in stack:
                named = view["id"] == view_id or (external_id and view["external_id"] == external_id)
                if named and view["app_id"] == app.id:
                    return user, view
        raise MethodRefusal("not_found")

    def close(self, user: str, view_id: str) -> None:
        """Closes one view and those above it."""
        stack = self._stacks.get(user, [])
        at = next((index for index, view in enumerate(stack) if view["id"] == view_id), len(stack))
        del stack[at:]

    def clear(self, user: str) -> None:
        self._stacks.pop(user, None)

    def remember(self, user: str, view_id: str, values: Json) -> None:
        """Keeps the values typed so far; an update by the app keeps it."""
        for view in self._stacks.get(user, ()):
            if view["id"] == view_id:
                view["state"] = {"values": values}

    def _new(self, app: App, view: Json, previous: Json | None) -> Json:
        name = self._mint.new("V0VIEW")
        kept = {key: json.loads(json.dumps(view.get(key))) for key in _KEPT}
        return {
            **{key: value if value is not None else _empty(key) for key, value in kept.items()},
            **{key: bool(view.get(key)) for key in _FLAGS},
            "id": name,
            "team_id": TEAM,
            "app_id": app.id,
            "app_installed_team_id": TEAM,
            "bot_id": app.bot_id,
            "hash": self._mint.new("1700000000.hash"),
            "root_view_id": previous["root_view_id"] if previous else name,
            "previous_view_id": previous["id"] if previous else None,
            "blocks": with_ids(kept["blocks"] or [], self._mint),
            "state": {"values": {}},
        }


_IDENTITY = ("id", "root_view_id", "previous_view_id")


def _empty(key: str) -> Any:
    return "" if key in ("private_metadata", "callback_id", "external_id") else None


def _same(old: Json | None, hash_: str | None) -> None:
    if hash_ and old and hash_ != old["hash"]:
        raise MethodRefusal("hash_conflict")


def _still_there(old: Json, new: Json) -> Json:
    blocks = {block["block_id"] for block in new["blocks"]}
    return {name: values for name, values in old["state"]["values"].items() if name in blocks}
