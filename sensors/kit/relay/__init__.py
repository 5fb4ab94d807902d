"""Hubble's relay as a source of flows: what a live cluster answers with where a recording answers from a file."""

from __future__ import annotations

from sensors.kit.relay.client import HubbleNode, Pace, Relay, RelayStatus
from sensors.kit.relay.config import BadRelayConfig, RelayConfig, relay_config

__all__ = ["BadRelayConfig", "HubbleNode", "Pace", "Relay", "RelayConfig", "RelayStatus", "relay_config"]
