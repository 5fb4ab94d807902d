"""KAI's own address: health for the kubelet, Slack's requests, webhooks, metrics. Each route says how much it reads."""

from __future__ import annotations

from bot.web.server import HttpRoute, listening

__all__ = ["HttpRoute", "listening"]
