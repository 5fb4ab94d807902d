"""Routes events to apps: events, as the Events API words them."""

from __future__ import annotations

from typing import Any

from lab.workspace.channel import Channel
from lab.workspace.event_delivery import EventDelivery
from lab.workspace.people import TEAM, App
from lab.workspace.state import WorkspaceState

Json = dict[str, Any]
_SUBSCRIPTION = {"channel": "message.channels", "group": "message.groups", "im": "message.im"}
_SCOPES = {
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "app_mention": "app_mentions:read",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}
"""Without it Slack takes no subscription to the event."""


class Events:
    """Sends each happening to every app that has subscribed to it and is a member of the channel."""

    def __init__(self, world: WorkspaceState, courier: EventDelivery) -> None:
        self._world, self._courier = world, courier

    def heard(self, event: Json, channel: Channel | None) -> None:
        for app in self._world.apps.values():
            if channel is not None and app.bot_user not in channel.members:
                continue
            for wording, subscription in _wordings(event, channel, app):
                if subscription in app.events and _SCOPES.get(subscription, "") in ("", *app.scopes):
                    self._courier.event(app, self._callback(app, wording, channel))

    def direct(self, app: App, event: Json) -> None:
        """An event for one app alone."""
        if event["type"] in app.events:
            self._courier.event(app, self._callback(app, event, None))

    def _callback(self, app: App, event: Json, channel: Channel | None) -> Json:
        authorization = {"enterprise_id": None, "team_id": TEAM, "user_id": app.bot_user, "is_bot": True}
        return {
            "token": "lab",
            "team_id": TEAM,
            "api_app_id": app.id,
            "event": event,
            "type": "event_callback",
            "event_id": self._world.mint.new("Ev0"),
            "event_time": int(self._world.clock.now()),
            "authorizations": [{**authorization, "is_enterprise_install": False}],
            "is_ext_shared_channel": bool(channel and channel.shared),
            "event_context": self._world.mint.new("context-"),
        }


def _wordings(event: Json, channel: Channel | None, app: App) -> list[tuple[Json, str]]:
    """One happening may be two events: a message that names the bot is an `app_mention`, too."""
    if event["type"] != "message" or channel is None:
        return [(event, event["type"])]
    placed = {**event, "channel": channel.id}
    told = [({**placed, "channel_type": channel.kind}, _SUBSCRIPTION[channel.kind])]
    mentioned = f"<@{app.bot_user}>" in event.get("text", "")
    if mentioned and channel.kind != "im" and "subtype" not in event and event.get("user") != app.bot_user:
        told.append(({**placed, "type": "app_mention"}, "app_mention"))
    return told
