"""Payloads that Slack sends for a typed command, a pressed button, or a sent form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lab.workspace.channel import Channel
from lab.workspace.people import DOMAIN, TEAM, App, SlackUser
from lab.workspace.state import EphemeralMessage, WorkspaceState, team

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class InteractionSource:
    """Source of an interaction: a message (`ephemeral` or not) in a channel, or a view."""

    channel: Channel | None = None
    message: Json | None = None
    view: Json | None = None
    ephemeral: bool = False

    @property
    def blocks(self) -> list[Json]:
        return list((self.view or self.message or {}).get("blocks") or ())

    @classmethod
    def of_ephemeral(cls, channel: Channel, message: EphemeralMessage) -> InteractionSource:
        return cls(channel, {"type": "message", "ts": message.ts, **message.body}, ephemeral=True)


def command(world: WorkspaceState, app: App, user: SlackUser, channel: Channel, name: str, text: str, key: str) -> Json:
    """All values are text, as in the form that HTTP mode sends."""
    names = {"channel": channel.name, "group": "privategroup", "im": "directmessage"}
    return {
        "token": "lab",
        "team_id": TEAM,
        "team_domain": DOMAIN,
        "channel_id": channel.id,
        "channel_name": names[channel.kind],
        "user_id": user.id,
        "user_name": user.name,
        "command": name,
        "text": text,
        "api_app_id": app.id,
        "is_enterprise_install": "false",
        "response_url": f"{world.base_url}/commands/{TEAM}/{key}",
        "trigger_id": world.triggers.new(app.id, user.id),
    }


def block_actions(
    world: WorkspaceState, app: App, user: SlackUser, place: InteractionSource, action: Json, state: Json
) -> Json:
    return {
        **_from(world, app, user, "block_actions", place),
        **_where(place),
        "trigger_id": _trigger(world, app, user, place),
        "state": {"values": state},
        "actions": [action],
        **_answerable(world, app, user, place),
    }


def block_suggestion(
    world: WorkspaceState, app: App, user: SlackUser, place: InteractionSource, block: Json, element: Json, query: str
) -> Json:
    """The view as the app has last made it: what stands in its fields by now is not told (bolt-js issue 1146)."""
    known = place if place.view is None else replace(place, view={**place.view, "state": {"values": {}}})
    return {
        **_from(world, app, user, "block_suggestion", known),
        **_where(known),
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "value": query,
    }


def message_action(
    world: WorkspaceState, app: App, user: SlackUser, place: InteractionSource, callback_id: str
) -> Json:
    message = place.message or {}
    return {
        **_from(world, app, user, "message_action", place),
        "callback_id": callback_id,
        "trigger_id": _trigger(world, app, user, place),
        "message_ts": message["ts"],
        "message": message,
        "channel": _channel(place),
        "action_ts": world.now_ts(),
        **_answerable(world, app, user, place),
    }


def shortcut(world: WorkspaceState, app: App, user: SlackUser, callback_id: str) -> Json:
    body = _from(world, app, user, "shortcut", InteractionSource())
    return {
        **body,
        "callback_id": callback_id,
        "trigger_id": world.triggers.new(app.id, user.id),
        "action_ts": world.now_ts(),
    }


def view_submission(world: WorkspaceState, app: App, user: SlackUser, view: Json, state: Json) -> Json:
    place = InteractionSource(view=view)
    return {
        **_from(world, app, user, "view_submission", place),
        "trigger_id": _trigger(world, app, user, place),
        "view": {**view, "state": {"values": state}},
        "response_urls": [],
    }


def view_closed(world: WorkspaceState, app: App, user: SlackUser, view: Json, cleared: bool) -> Json:
    return {**_from(world, app, user, "view_closed", InteractionSource()), "view": view, "is_cleared": cleared}


def home_opened(world: WorkspaceState, user: SlackUser, channel: Channel, view: Json | None) -> Json:
    event = {"type": "app_home_opened", "user": user.id, "channel": channel.id, "tab": "home"}
    return {**event, "event_ts": world.now_ts(), **({"view": view} if view else {})}


def _from(world: WorkspaceState, app: App, user: SlackUser, kind: str, place: InteractionSource) -> Json:
    return {
        "type": kind,
        "user": user.brief(),
        "api_app_id": app.id,
        "token": "lab",
        "team": team(),
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _where(place: InteractionSource) -> Json:
    if place.view is not None:
        return {"container": {"type": "view", "view_id": place.view["id"]}, "view": place.view}
    message = place.message or {}
    container = {
        "type": "message",
        "message_ts": message["ts"],
        "channel_id": _channel(place)["id"],
        "is_ephemeral": place.ephemeral,
        **({"thread_ts": message["thread_ts"]} if "thread_ts" in message else {}),
    }
    shown = {} if place.ephemeral else {"message": message}  # Slack does not send ephemeral messages back
    return {"container": container, "channel": _channel(place), **shown}


def _channel(place: InteractionSource) -> Json:
    if place.channel is None:
        return {}
    private = {"group": "privategroup", "im": "directmessage"}
    return {"id": place.channel.id, "name": private.get(place.channel.kind, place.channel.name)}


def _trigger(world: WorkspaceState, app: App, user: SlackUser, place: InteractionSource) -> str:
    return world.triggers.new(app.id, user.id, place.view["id"] if place.view else None)


def _answerable(world: WorkspaceState, app: App, user: SlackUser, place: InteractionSource) -> Json:
    if place.channel is None or place.message is None:
        return {}
    thread = place.message.get("thread_ts")
    key = world.hooks.new(app.id, user.id, place.channel.id, place.message["ts"], thread)
    return {"response_url": f"{world.base_url}/actions/{TEAM}/{key}"}
