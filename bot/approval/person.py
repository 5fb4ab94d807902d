"""Identifies a person who clicked: by Slack at this very moment, and by the API server's name for them.

Everything is compared, and whatever is missing is a no: a button is shown to everybody in the channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.approval.proposal import KubeUser, ProposalLocation

Json = Mapping[str, Any]

TERMINAL = "terminal:"
"""How a person begins who acts with their own kubeconfig, and so past whatever a stolen account of Slack may do."""


@dataclass(frozen=True, slots=True)
class ApprovalRefusal:
    """Refusal of an approval. `code` is one word for the audit and the tests, `sentence` what the person is told."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Click:
    """Fields of a button press. `user_team` is `user.team_id`; an absent field is an empty string.

    Never use Bolt's `context.actor_team_id` here: for buttons and modals it names the app's own team.
    """

    user: str
    user_team: str
    team: str
    app: str
    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Installation:
    """Our own app in our own workspace. `app` is the id that Slack gave it, learnt from `auth.test` or settings."""

    team: str
    app: str


def click_of(body: Json) -> Click:
    """From the body of a `block_actions` request."""
    user, container = _map(body.get("user")), _map(body.get("container"))
    message = _map(body.get("message"))
    return Click(
        user=_text(user.get("id")),
        user_team=_text(user.get("team_id")),
        team=_text(_map(body.get("team")).get("id")),
        app=_text(body.get("api_app_id")),
        channel=_text(_map(body.get("channel")).get("id") or container.get("channel_id")),
        ts=_text(container.get("message_ts") or message.get("ts")),
    )


def misplaced(
    click: Click, ours: Installation, place: ProposalLocation, *, in_modal: bool = False
) -> ApprovalRefusal | None:
    """Is it our app, our workspace, and the very message in which the proposal stands?

    A modal stands in no message; the press that opened it was compared with the message.
    """
    if not (ours.app and click.app == ours.app):
        return ApprovalRefusal("other_app", "This button is not one of this KAI: nothing was done.")
    if not (ours.team and click.team == ours.team == place.team):
        return ApprovalRefusal("other_team", "This button was pressed in another workspace: nothing was done.")
    if in_modal:
        return None
    if not (place.channel and click.channel == place.channel):
        return ApprovalRefusal("other_channel", "The proposal stands in another channel: nothing was done.")
    if not (place.ts and click.ts == place.ts):
        return ApprovalRefusal("other_message", "This is not the message of the proposal: nothing was done.")
    return None


def stranger(click: Click, told: Json | None, ours: Installation) -> ApprovalRefusal | None:
    """Is this person a full, active member of this workspace? `told` is a fresh `users.info`; None: no answer."""
    if not click.user or not click.user_team:
        return ApprovalRefusal("no_identity", "Slack did not say who pressed the button: nothing was done.")
    if told is None or told.get("id") != click.user:
        return ApprovalRefusal(
            "unknown_person", "Slack did not say who you are just now, so nothing was done: try again."
        )
    if told.get("deleted") or told.get("is_bot") or told.get("is_app_user"):
        return ApprovalRefusal("not_a_person", "Only active people of this workspace may decide about a change.")
    if told.get("is_stranger") or not _is_ours(click.user_team, told, ours):
        return ApprovalRefusal("other_company", "Only members of this workspace may decide about a change.")
    if told.get("is_restricted") or told.get("is_ultra_restricted"):
        return ApprovalRefusal("guest", "Guests of this workspace may not decide about a change.")
    return None


def _is_ours(user_team: str, told: Json, ours: Installation) -> bool:
    """By the press and by `users.info`; on Enterprise Grid a member of the same organisation belongs here."""
    teams = {_text(told.get("team_id")), *map(_text, _map(told.get("enterprise_user")).get("teams") or ())}
    return ours.team in teams and user_team in teams


@dataclass(frozen=True, slots=True)
class Directory:
    """Slack users as Kubernetes users: a static map first, then verified e-mail addresses of allowed domains.

    E-mail is off while `domains` is empty. It is only as good as the workspace's sign-on: without SSO people can
    change their own address.
    """

    people: Mapping[str, KubeUser] = field(default_factory=dict)
    domains: frozenset[str] = frozenset()
    prefix: str = "slack:"
    groups: tuple[str, ...] = ()

    def kube_user(self, user: str, told: Json) -> KubeUser | ApprovalRefusal:
        known = self.people.get(user)
        if known is not None:
            return known
        if not self.domains:
            return ApprovalRefusal("unmapped", "You are not known as a Kubernetes user here (approvals: people:).")
        return self._by_email(told)

    def _by_email(self, told: Json) -> KubeUser | ApprovalRefusal:
        email = _text(_map(told.get("profile")).get("email"))
        if told.get("is_email_confirmed") is not True or not email:
            return ApprovalRefusal("no_email", "Slack does not vouch for your e-mail address, so you cannot be mapped.")
        name, at, domain = email.rpartition("@")
        plain = email.isascii() and email.isprintable() and " " not in email and email.count("@") == 1
        if not (name and at and plain and domain.lower() in self.domains):
            return ApprovalRefusal(
                "other_domain", "Your e-mail address is of no domain that may decide about a change."
            )
        return KubeUser(f"{self.prefix}{email.lower()}", self.groups)


def _map(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
