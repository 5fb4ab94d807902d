"""Follows the packets that policies drop, in the whole cluster: one call to the relay, for as long as it is read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable

import grpc.aio

from sensors.access.relay.channel import Calls, connected
from sensors.access.relay.config import RelayConfig
from sensors.access.relay.conversion import read_response
from sensors.access.relay.failure import why_not
from sensors.hubble.pb.cilium.flow.flow_pb2 import DROPPED, FlowFilter
from sensors.hubble.pb.cilium.observer.observer_pb2 import GetFlowsRequest
from sensors.hubble.records import HubbleFlow, NodeStatus
from sensors.hubble.signs import POLICY_VERDICT
from sensors.kit.model import Blind

log = logging.getLogger(__name__)

POLICY_REASONS = (133, 181)
"""Denied because nothing allows it (POLICY_DENIED), and because a rule denies it (POLICY_DENY)."""

MAX_FOLLOW_S = 24 * 3600.0
REASON_TIMEOUT_S = 2.0
ALIVE_TIMEOUT_S = 10.0
ALIVE_PAUSE_S = 30.0
"""Seconds between two questions whether the relay is still there: a connection that died says nothing by itself."""


async def follow_policy_drops(
    config: RelayConfig, heard: Callable[[], None], alive_pause_s: float = ALIVE_PAUSE_S
) -> AsyncGenerator[HubbleFlow, None]:
    """Each dropped packet from now on, once. Raises `Blind`.

    `heard` is called when the relay has answered, and again when a node comes or goes: what was dropped before is not
    known. The stream ends when the relay ends it; what was dropped in between is not told by the next call.
    """
    async with connected(config) as calls:
        stream = calls.flows(_question(), MAX_FOLLOW_S)
        alive: asyncio.Task[None] | None = None
        try:
            await _answered(calls)
            heard()
            alive = asyncio.create_task(_end_when_silent(calls, stream, alive_pause_s))
            async for raw in stream:
                for each in read_response(raw) or ():
                    if isinstance(each, NodeStatus):
                        heard()
                    elif isinstance(each, HubbleFlow) and is_policy_drop(each):
                        yield each
        except grpc.aio.AioRpcError as error:
            raise await why_not(config, error, REASON_TIMEOUT_S) from None
        except asyncio.CancelledError:
            if alive is None or not alive.done():
                raise
            raise Blind(f"hubble relay {config.server}: no answer any more on an open connection") from None
        finally:
            if alive is not None:
                alive.cancel()
            stream.cancel()


async def _answered(calls: Calls) -> None:
    status = await calls.status(ALIVE_TIMEOUT_S)
    if away := status.num_unavailable_nodes.value:
        log.warning("the relay cannot reach %d nodes: what policies drop there is not heard", away)


async def _end_when_silent(calls: Calls, stream: grpc.aio.UnaryStreamCall[bytes, bytes], pause_s: float) -> None:
    """Ends the stream, and itself, when the relay does not answer any more."""
    while True:
        await asyncio.sleep(pause_s)
        try:
            await calls.status(ALIVE_TIMEOUT_S)
        except (grpc.aio.AioRpcError, Blind):
            stream.cancel()
            return


def is_policy_drop(flow: HubbleFlow) -> bool:
    """A packet that a policy refused; the policy's own word about it is reported besides and does not count."""
    return flow.verdict == "DROPPED" and flow.event != POLICY_VERDICT and flow.drop_reason in POLICY_REASONS


def _question() -> GetFlowsRequest:
    """Filtered again on our side: a server ignores filters that it does not know."""
    dropped = FlowFilter(verdict=[DROPPED], drop_reason_desc=["POLICY_DENIED", "POLICY_DENY"])
    return GetFlowsRequest(follow=True, whitelist=[dropped])
