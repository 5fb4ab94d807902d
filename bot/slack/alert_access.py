"""Asks Slack what KAI may do in the channels of alerts: its scopes, and whether it may read each of them."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError

from bot.alerts.access import ChannelAccess
from bot.slack.api_error import error_of, scopes_in
from bot.slack.connection import Client, web_client
from bot.slack.shared_channels import SharedChannels


async def channel_access(
    token: str, api_url: str, channels: Sequence[str], consented: frozenset[str] = frozenset()
) -> ChannelAccess:
    """Never raises: what Slack does not say is in `why`."""
    client = web_client(token, api_url, patient=False)
    shared = SharedChannels(client, consented)
    try:
        said = await client.auth_test()
        refusals = {each: await _refusal(client, each) for each in channels}
        silent = {each: await shared.why_not(each) for each in channels}
    except SlackApiError as why:
        return ChannelAccess(why=f"Slack does not take SLACK_BOT_TOKEN: {error_of(why) or 'no JSON'}")
    except (ClientError, TimeoutError, OSError) as why:
        return ChannelAccess(why=f"Slack does not answer ({type(why).__name__})")
    return ChannelAccess(scopes_in(said.headers), refusals, silent=silent)


async def _refusal(client: Client, channel: str) -> str:
    try:
        await client.conversations_history(channel=channel, limit=1)
    except SlackApiError as why:
        return error_of(why) or "no JSON"
    return ""
