"""Hubble's relay as a source of flows: what a live cluster answers with where a recording answers from a file.

The client loads gRPC, a tenth of a second and ten megabytes, when it is first asked for: whoever has no relay, or a
recording, does without. An event loop imports `sensors.access.relay.client` beside itself before.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sensors.access.relay.config import BadRelayConfig, RelayConfig, relay_config

if TYPE_CHECKING:
    from sensors.access.relay.client import HubbleNode, Relay, RelayLimits, RelayStatus

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # else failed handshakes go to our stderr; gRPC reads it on import
os.environ.setdefault("GRPC_DNS_RESOLVER", "native")  # names mean what they mean to everything else in the pod

LATE = ("HubbleNode", "Relay", "RelayLimits", "RelayStatus")


def __getattr__(name: str) -> Any:
    if name not in LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sensors.access.relay import client

    return getattr(client, name)


__all__ = ["BadRelayConfig", "HubbleNode", "Relay", "RelayConfig", "RelayLimits", "RelayStatus", "relay_config"]
