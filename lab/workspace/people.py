"""Members of the workspace: people, guests, strangers from a shared channel, groups, and the apps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

TEAM = "T0LAB"
DOMAIN = "kai-lab"
PARTNER_TEAM = "T0PARTNER"


@dataclass(frozen=True, slots=True)
class SlackUser:
    """A person or a bot user. `email` is empty for people of another company: Slack does not tell it."""

    id: str
    name: str
    real_name: str
    email: str = ""
    team: str = TEAM
    title: str = ""
    guest: bool = False
    bot: bool = False
    deleted: bool = False
    colour: str = "4a154b"

    @property
    def stranger(self) -> bool:
        """Of another company, met in a shared channel."""
        return self.team != TEAM

    def wire(self) -> Json:
        """The user as `users.info` tells it."""
        return {
            "id": self.id,
            "team_id": self.team,
            "name": self.name,
            "real_name": self.real_name,
            "deleted": self.deleted,
            "color": self.colour,
            "tz": "Etc/UTC",
            "tz_label": "Coordinated Universal Time",
            "tz_offset": 0,
            "profile": self._profile(),
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": self.guest,
            "is_ultra_restricted": False,
            "is_bot": self.bot,
            "is_app_user": False,
            "updated": 1_700_000_000,
            **({"is_stranger": True} if self.stranger else {}),
        }

    def brief(self) -> Json:
        """The user as payloads of interactions tell it."""
        return {"id": self.id, "username": self.name, "name": self.name, "team_id": self.team}

    def _profile(self) -> Json:
        profile = {
            "real_name": self.real_name,
            "real_name_normalized": self.real_name,
            "display_name": self.name,
            "display_name_normalized": self.name,
            "title": self.title,
            "team": self.team,
            "image_48": "",
        }
        return {**profile, "email": self.email} if self.email else profile


@dataclass(slots=True)
class UserGroup:
    """A user group, as `usergroups.list` tells it."""

    id: str
    handle: str
    name: str
    users: tuple[str, ...]

    def wire(self, with_users: bool = False) -> Json:
        body = {
            "id": self.id,
            "team_id": TEAM,
            "is_usergroup": True,
            "name": self.name,
            "handle": self.handle,
            "description": "",
            "user_count": len(self.users),
            "date_delete": 0,
        }
        return {**body, "users": list(self.users)} if with_users else body


APP_SCOPES = frozenset(
    {
        *("commands", "chat:write", "app_mentions:read", "im:history", "im:read", "im:write"),
        *("users:read", "users:read.email", "usergroups:read", "team:read", "assistant:write"),
        *("channels:read", "channels:history", "channels:join", "groups:read", "groups:history"),
        *("files:write", "reactions:read", "reactions:write"),
    }
)
EVENTS = frozenset(
    {
        *("app_mention", "app_home_opened", "message.im", "message.channels", "message.groups"),
        *("member_joined_channel", "reaction_added", "reaction_removed", "subteam_members_changed"),
        *("app_uninstalled", "tokens_revoked"),
    }
)


@dataclass(slots=True)
class App:
    """A Slack app: its bot, its secrets, what it may do and what it hears.

    With a `request_url` Slack speaks to it by signed HTTP, without one by Socket Mode.
    """

    id: str
    name: str
    bot_user: str
    bot_id: str
    bot_token: str
    app_token: str
    signing_secret: str
    scopes: frozenset[str] = APP_SCOPES
    events: frozenset[str] = EVENTS
    commands: dict[str, str] = field(default_factory=dict)  # "/kai": usage hint
    shortcuts: dict[str, str] = field(default_factory=dict)  # callback_id of message shortcuts: title
    request_url: str | None = None

    def author(self, username: str = "") -> Json:
        """Author of a bot's message; under a name of its own it is a `bot_message` without a user."""
        body = {"bot_id": self.bot_id, "app_id": self.id, "team": TEAM}
        if username:
            return {"subtype": "bot_message", "username": username, **body}
        return {"user": self.bot_user, **body, "bot_profile": self.profile()}

    def profile(self) -> Json:
        return {
            "id": self.bot_id,
            "app_id": self.id,
            "user_id": self.bot_user,
            "name": self.name,
            "icons": {},
            "deleted": False,
            "updated": 1_700_000_000,
            "team_id": TEAM,
        }


KAI = App(
    id="A0KAI",
    name="KAI",
    bot_user="U0KAI",
    bot_id="B0KAI",
    bot_token="xoxb-kai",  # noqa: S106  known to everybody: this workspace guards nothing
    app_token="xapp-kai",  # noqa: S106
    signing_secret="kai-signing-secret",  # noqa: S106
    commands={"/kai": "netdebug <pod> <namespace>"},
    shortcuts={"kai_investigate": "Investigate with KAI"},
)
ALERTMANAGER = App(
    id="A0ALERTS",
    name="Alertmanager",
    bot_user="U0ALERTS",
    bot_id="B0ALERTS",
    bot_token="xoxb-alertmanager",  # noqa: S106
    app_token="xapp-alertmanager",  # noqa: S106
    signing_secret="alertmanager-signing-secret",  # noqa: S106
    events=frozenset(),
)
NOTES = App(
    id="A0NOTES",
    name="Notes",
    bot_user="U0NOTES",
    bot_id="B0NOTES",
    bot_token="xoxb-notes",  # noqa: S106
    app_token="xapp-notes",  # noqa: S106
    signing_secret="notes-signing-secret",  # noqa: S106
    events=frozenset(),
)
"""Whoever else posts by an incoming webhook: not a sender of alerts."""

CAST = (
    SlackUser("U0ALICE", "alice", "Alice Adler", "alice@example.com", title="On-call", colour="2eb67d"),
    SlackUser("U0BOB", "bob", "Bob Brandt", "bob@example.com", title="Developer", colour="1264a3"),
    SlackUser("U0CAROL", "carol", "Carol Cho", "carol@example.com", title="On-call", colour="e01e5a"),
    SlackUser(
        "U0GRACE", "grace", "Grace Guest", "grace@contractor.example", title="Contractor", guest=True, colour="ecb22e"
    ),
    SlackUser("U0MALLORY", "mallory", "Mallory Moss", team=PARTNER_TEAM, title="Partner Ltd", colour="8d3fbf"),
)
BOTS = (
    SlackUser("U0KAI", "kai", "KAI", bot=True, colour="4a154b"),
    SlackUser("U0ALERTS", "alertmanager", "Alertmanager", bot=True, colour="a30200"),
    SlackUser("U0NOTES", "notes", "Notes", bot=True, colour="757575"),
    SlackUser("USLACKBOT", "slackbot", "Slackbot", bot=True, colour="757575"),
)
GROUPS = (UserGroup("S0ONCALL", "oncall", "On-call", ("U0ALICE", "U0CAROL")),)
