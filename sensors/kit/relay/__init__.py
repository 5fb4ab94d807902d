"""Hubble's relay as a source of flows: what a live cluster answers with where a recording answers from a file."""

from __future__ import annotations

import os

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # else failed handshakes go to our stderr; gRPC reads it on import

from sensors.kit.relay.client import HubbleNode, Pace, Relay, RelayStatus
from sensors.kit.relay.config import BadRelayConfig, RelayConfig, relay_config

__all__ = ["BadRelayConfig", "HubbleNode", "Pace", "Relay", "RelayConfig", "RelayStatus", "relay_config"]
