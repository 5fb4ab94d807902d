"""Follows the packets that policies drop, in the whole cluster: one call to the relay, for as long as it is read."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import grpc.aio

from sensors.access.relay.channel import connected
from sensors.access.relay.config import RelayConfig
from sensors.access.relay.conversion import read_response
from sensors.access.relay.failure import why_not
from sensors.hubble.pb.cilium.flow.flow_pb2 import DROPPED, FlowFilter
from sensors.hubble.pb.cilium.observer.observer_pb2 import GetFlowsRequest
from sensors.hubble.records import HubbleFlow
from sensors.hubble.signs import POLICY_VERDICT

POLICY_REASONS = (133, 181)
"""Denied because nothing allows it (POLICY_DENIED), and because a rule denies it (POLICY_DENY)."""

MAX_FOLLOW_S = 24 * 3600.0
REASON_TIMEOUT_S = 2.0


async def follow_policy_drops(config: RelayConfig) -> AsyncGenerator[HubbleFlow, None]:
    """Each dropped packet from now on, once. Raises `Blind`.

    It ends when the relay ends it; what was dropped in between is not told by the next call.
    """
    async with connected(config) as calls:
        stream = calls.flows(_question(), MAX_FOLLOW_S)
        try:
            async for raw in stream:
                for each in read_response(raw) or ():
                    if isinstance(each, HubbleFlow) and is_policy_drop(each):
                        yield each
        except grpc.aio.AioRpcError as error:
            raise await why_not(config, error, REASON_TIMEOUT_S) from None
        finally:
            stream.cancel()


def is_policy_drop(flow: HubbleFlow) -> bool:
    """A packet that a policy refused; the policy's own word about it is reported besides and does not count."""
    return flow.verdict == "DROPPED" and flow.event != POLICY_VERDICT and flow.drop_reason in POLICY_REASONS


def _question() -> GetFlowsRequest:
    """Filtered again on our side: a server ignores filters that it does not know."""
    dropped = FlowFilter(verdict=[DROPPED], drop_reason_desc=["POLICY_DENIED", "POLICY_DENY"])
    return GetFlowsRequest(follow=True, whitelist=[dropped])
