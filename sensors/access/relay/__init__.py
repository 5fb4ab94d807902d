"""Hubble's relay as a source of flows: what a live cluster answers with where a recording answers from a file.

Importing this loads gRPC, a tenth of a second: import it where a live look begins, not at the top of a command line.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # else failed handshakes go to our stderr; gRPC reads it on import
os.environ.setdefault("GRPC_DNS_RESOLVER", "native")  # names mean what they mean to everything else in the pod

from sensors.access.relay.client import HubbleNode, Relay, RelayLimits, RelayStatus
from sensors.access.relay.config import BadRelayConfig, RelayConfig, relay_config

__all__ = ["BadRelayConfig", "HubbleNode", "Relay", "RelayConfig", "RelayLimits", "RelayStatus", "relay_config"]
