"""A channel and its messages: order, threads, who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.workspace.people import TEAM

Json = dict[str, Any]
ChannelKind = Literal["channel", "group", "im"]


@dataclass(slots=True)
class Channel:
    """A public channel, a private one (`group`) or a direct message (`im`). `shared`: with another company."""

    id: str
    name: str
    members: set[str]
    kind: ChannelKind = "channel"
    shared: bool = False
    archived: bool = False
    topic: str = ""
    messages: dict[str, Json] = field(default_factory=dict)

    def wire(self, for_user: str) -> Json:
        """The channel as `conversations.info` tells it to the bot of that user id."""
        if self.kind == "im":
            other = next((name for name in self.members if name != for_user), for_user)
            return {"id": self.id, "created": 1_700_000_000, "is_im": True, "user": other, "is_archived": False}
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_im": False,
            "is_mpim": False,
            "is_private": self.kind == "group",
            "created": 1_700_000_000,
            "is_archived": self.archived,
            "is_general": False,
            "is_shared": self.shared,
            "is_ext_shared": self.shared,
            "is_org_shared": False,
            "is_pending_ext_shared": False,
            "is_member": for_user in self.members,
            "context_team_id": TEAM,
            "topic": {"value": self.topic, "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "num_members": len(self.members),
        }

    def top(self) -> Iterator[Json]:
        """Messages of the channel itself, oldest first: no replies, but those that were also sent to the channel."""
        return (self.seen(ts) for ts, one in self.messages.items() if not _hidden(one))

    def thread(self, ts: str) -> list[Json]:
        """The parent and its replies, oldest first."""
        return [self.seen(ts), *(dict(one) for one in self._replies(ts))]

    def seen(self, ts: str) -> Json:
        """A message with what Slack adds to the parent of a thread."""
        message = self.messages[ts]
        replies = list(self._replies(ts))
        if not replies:
            return dict(message)
        users = list(dict.fromkeys(_author(one) for one in replies))
        return {
            **message,
            "thread_ts": ts,
            "reply_count": len(replies),
            "reply_users_count": len(users),
            "reply_users": users[:5],
            "latest_reply": replies[-1]["ts"],
            "is_locked": False,
            "subscribed": True,
        }

    def _replies(self, ts: str) -> Iterator[Json]:
        return (one for one in self.messages.values() if one.get("thread_ts") == ts and one["ts"] != ts)


def _hidden(message: Json) -> bool:
    reply = message.get("thread_ts") not in (None, message["ts"])
    return reply and message.get("subtype") != "thread_broadcast"


def _author(message: Json) -> str:
    return str(message.get("user") or message.get("bot_id"))
