"""Services for listeners. Each module of a listener folder has `register(app, services)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.alert_channels import AlertChannels
from bot.slack.approving import Approving
from bot.slack.connection import WorkspaceIdentity
from bot.slack.conversations import Conversations
from bot.slack.dispatch import Dispatch
from bot.slack.ephemeral import Ephemerals
from bot.slack.extending import ExtendPresses
from bot.slack.gate import Gate
from bot.slack.investigating import Investigating
from bot.slack.lookup import StoreLookup
from bot.slack.names import PodSuggestions
from bot.slack.questions import Questions
from bot.store.store import Store


@dataclass(frozen=True, slots=True)
class SlackServices:
    """Filled once by the composition root. `words` understands what is typed; the rest is what it asks for.

    `names`: the pods of the cluster that was named, else of that which a channel speaks of (channel, cluster).

    `approving` and `extending` are None where nobody may approve anything: then no button of a proposal does anything.
    `alerts` is None where no channel is listened to for alerts.
    """

    identity: WorkspaceIdentity
    gate: Gate
    dispatch: Dispatch
    investigating: Investigating
    lookup: StoreLookup
    questions: Questions
    conversations: Conversations
    ephemerals: Ephemerals
    names: Callable[..., PodSuggestions]
    store: Store
    client: AsyncWebClient
    approving: Approving | None = None
    extending: ExtendPresses | None = None
    alerts: AlertChannels | None = None
