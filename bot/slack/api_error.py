"""Reads Slack's refusal of a call. Something between it and us may have answered instead, and not in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError

FOR_NOW = frozenset(
    {"", "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
"""Says nothing of the call itself: the same may be taken in a moment."""


def error_of(why: SlackApiError) -> str:
    """Slack's word for it; empty when the answer was not of Slack's making."""
    return str(body_of(why).get("error") or "")


def body_of(why: SlackApiError) -> Mapping[str, Any]:
    """The answer; empty when it was not JSON."""
    data = getattr(why.response, "data", why.response)
    return data if isinstance(data, Mapping) else {}


SCOPES_HEADER = "x-oauth-scopes"
"""The header of each answer that lists the token's scopes. Source: docs.slack.dev, authentication/oauth scopes."""


def scopes_in(headers: Any) -> frozenset[str]:
    """The scopes of a token, from the headers of an answer."""
    said = next((str(value) for name, value in headers.items() if str(name).lower() == SCOPES_HEADER), "")
    return frozenset(each.strip() for each in said.split(",") if each.strip())
