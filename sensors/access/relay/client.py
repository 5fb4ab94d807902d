"""Asks hubble-relay for what happened to a pod: live first, then the drops, then the context, all within seconds.

The live question starts before the others, so that nothing falls between "what was" and "what is". All are asked at
once and each may be late or fail for itself: what came is handed on, what is missing is said (node states, and an
incomplete reading). A relay that never stops talking, talks nonsense or falls silent costs a bounded time and memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from sensors.access.relay.accounting import CONNECTED, NO_ANSWER, Books
from sensors.access.relay.channel import Calls, connected
from sensors.access.relay.config import RelayConfig
from sensors.access.relay.conversion import NODE_STATES, read_response
from sensors.access.relay.failure import printable, why_not
from sensors.access.relay.following import follow_policy_drops
from sensors.access.relay.inbox import MessageQueue
from sensors.access.relay.listening import listening
from sensors.access.relay.questions import GetFlowsCall, calls_for, mask_for
from sensors.hubble.lines import FlowQuestion
from sensors.hubble.records import HubbleFlow, HubbleMessage, NodeStatus
from sensors.kit.model import Blind
from sensors.text import counted

Code = grpc.StatusCode
BAD_MASK = "fieldmask"  # "invalid fieldmask" says a node that does not know a path; a relay reports it as NODE_ERROR


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """Limits of time and size. Seconds; `most_messages` and `most_bytes` are per call, `waiting_bytes` for a look.

    follow          how long to listen to what happens now. 0 = do not.
    within          the whole look; what has not come by then is missing.
    greeting        for the relay's own state, before the flows.
    settling        how long the other questions wait until the live one is sure to be running.
    echo            how long the flows of what the look itself did may take: a relay sorts for up to a second.
    """

    follow: float = 2.0
    within: float = 8.0
    greeting: float = 2.0
    settling: float = 0.3
    echo: float = 1.1
    most_messages: int = 50_000
    most_bytes: int = 256 << 20
    waiting_bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class HubbleNode:
    """A node as the relay knows it. `flows` of `most_flows` are in its ring; 0 where it did not answer."""

    name: str
    state: str
    version: str = ""
    flows: int = 0
    most_flows: int = 0


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """The relay's state. `is_agent`: it is no relay but one node's agent, which sees only its own node.

    `rate` is flows per second of all nodes together (0.0 before Cilium 1.15). `unavailable` may be an excerpt where the
    nodes themselves could not be listed.
    """

    server: str
    version: str
    nodes: tuple[HubbleNode, ...] = ()
    connected: int = 0
    unavailable: tuple[str, ...] = ()
    flows: int = 0
    most_flows: int = 0
    rate: float = 0.0
    is_agent: bool = False

    @property
    def memory_s(self) -> float | None:
        """About how many seconds the rings reach back; None when nobody can tell."""
        return self.flows / self.rate if self.rate > 0 else None

    def summary(self) -> str:
        """One sentence: who answers, for how many nodes, and how far back they remember."""
        fill = f"rings hold {self.flows} of {self.most_flows} flows"
        reach = f", about {self.memory_s:.0f} s at {self.rate:.1f} flows/s" if self.memory_s is not None else ""
        return f"{self.server}: {self.version or 'version not reported'}, {self._who()}; {fill}{reach}"

    def _who(self) -> str:
        if self.is_agent:
            return "the agent of one node, not the relay: other nodes are not seen"
        out = f", {len(self.unavailable)} unavailable ({', '.join(self.unavailable[:5])})" if self.unavailable else ""
        return f"{counted(self.connected, 'node')} connected{out}"


@dataclass(frozen=True, slots=True)
class Relay:
    """Hubble's relay (or one agent) as a source of flows. Holds no connection: each look opens and closes its own."""

    config: RelayConfig
    pace: RelayLimits = field(default_factory=RelayLimits)

    async def status(self) -> RelayStatus:
        """Health of the relay and its nodes. Raises `Blind` with one sentence that says what to do next."""
        async with connected(self.config) as calls:
            greeting = await _greet(calls, self.config, self.pace)
        if not greeting.has_answered:
            raise await why_not(self.config, _NoReply(), self.pace.greeting)
        return greeting.status

    def policy_drops(self, heard: Callable[[], None]) -> AsyncGenerator[HubbleFlow, None]:
        """As `follow_policy_drops`."""
        return follow_policy_drops(self.config, heard)

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[list[HubbleMessage]]:
        """As `Cluster.hubble_flows`: batches of messages, ended by a `FlowReading`, within `pace.within` seconds.

        Raises `Blind` when nothing at all can be had.
        """
        async with connected(self.config) as calls:
            ends = asyncio.get_running_loop().time() + self.pace.within
            greeting = await _greet(calls, self.config, self.pace)
            look = _Look(self, calls, greeting, question, ends)
            asking = asyncio.create_task(look.ask())
            try:
                while batch := await look.inbox.take():
                    yield batch
                await asking
            finally:
                asking.cancel()
                await asyncio.wait([asking])
            await look.refuse_if_blind()
            yield [look.books.reading()]


# -- the relay's own state --------------------------------------------------------------------------------------------


class _NoReply:
    """Stands in for a gRPC error where a call simply did not come back."""

    def code(self) -> Any:
        return Code.DEADLINE_EXCEEDED

    def details(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class _Greeting:
    status: RelayStatus
    mask: tuple[str, ...] = ()
    has_answered: bool = True

    def messages(self) -> list[HubbleMessage]:
        """The nodes' states as the stream itself would tell them."""
        nodes = self.status.nodes
        good = tuple(each.name for each in nodes if each.state == CONNECTED)
        bad = [NodeStatus(each.state, (each.name,)) for each in nodes if each.state != CONNECTED]
        return [NodeStatus(CONNECTED, good), *bad] if good else [*bad]


async def _greet(calls: Calls, config: RelayConfig, pace: RelayLimits) -> _Greeting:
    """Identifies the server and its nodes. A relay that is there but slow is asked on, without knowing."""
    both = asyncio.gather(calls.status(pace.greeting), calls.nodes(pace.greeting), return_exceptions=True)
    status, nodes = await both
    if isinstance(status, grpc.aio.AioRpcError):
        if status.code() is not Code.DEADLINE_EXCEEDED or not calls.is_connected:
            raise await why_not(config, status, pace.greeting)
        return _Greeting(RelayStatus(config.server, ""), has_answered=False)
    for each in (status, nodes):
        if isinstance(each, BaseException) and not isinstance(each, grpc.aio.AioRpcError):
            raise each
    return _greeting(config, status, nodes)


def _greeting(config: RelayConfig, status: Any, answer: Any) -> _Greeting:
    is_agent = isinstance(answer, grpc.aio.AioRpcError) and answer.code() is Code.UNIMPLEMENTED
    nodes = () if isinstance(answer, grpc.aio.AioRpcError) else tuple(_node(each) for each in answer.nodes)
    unavailable = tuple(each.name for each in nodes if each.state != CONNECTED)
    told = RelayStatus(
        config.server,
        printable(status.version),
        nodes,
        sum(each.state == CONNECTED for each in nodes) if nodes else status.num_connected_nodes.value,
        unavailable if nodes else tuple(printable(each) for each in status.unavailable_nodes),
        status.num_flows,
        status.max_flows,
        status.flows_rate,
        is_agent,
    )
    versions = [each.version for each in nodes if each.state == CONNECTED]
    return _Greeting(told, mask_for([status.version, *versions]) if nodes or is_agent else ())


def _node(said: Any) -> HubbleNode:
    state = NODE_STATES.get(said.state, str(said.state) if said.state else "UNKNOWN_NODE_STATE")
    return HubbleNode(said.name, state, printable(said.version), said.num_flows, said.max_flows)


# -- one look ---------------------------------------------------------------------------------------------------------


class _Look:
    """The calls of one look, and what has come of them."""

    def __init__(self, relay: Relay, calls: Calls, greeting: _Greeting, question: FlowQuestion, ends: float) -> None:
        self.config, self.pace, self.calls, self.ends = relay.config, relay.pace, calls, ends
        self.greeting, self.question, self.mask = greeting, question, greeting.mask
        self.inbox = MessageQueue(relay.pace.waiting_bytes)
        self.books = Books(question)
        self.books.searched = greeting.status.flows
        self.answered = 0
        self.errors: list[Any] = []
        self.missing: list[str] = []
        self._is_live = asyncio.Event()

    async def ask(self) -> None:
        """Ask everything; ends when all is answered, failed or out of time."""
        try:
            await self._tell(self.greeting.messages())
            first, *others = self._calls()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(first))
                await self._settle(first)
                for call in others:
                    tasks.create_task(self._ask(call))
            await self._tell_unheard()
        finally:
            self.inbox.close()

    def _calls(self) -> tuple[GetFlowsCall, ...]:
        calls = calls_for(self.question, self.mask)
        return calls if self.pace.follow > 0 else tuple(each for each in calls if not each.is_live)

    async def _settle(self, live: GetFlowsCall) -> None:
        """Wait until the relay has surely taken the live question: it answers at once with its nodes, an agent not."""
        if not live.is_live:
            return
        try:
            async with asyncio.timeout(self.pace.settling):
                await self._is_live.wait()
        except TimeoutError:
            pass  # an agent says nothing before its first flow

    async def _ask(self, call: GetFlowsCall) -> None:
        """One call to its end; once more without a mask where a node does not know our mask."""
        if not self.mask:
            call = call.without_mask()
        if await self._stream(call) == BAD_MASK:
            self.mask = ()
            await self._stream(call.without_mask())
        self._is_live.set()

    async def _stream(self, call: GetFlowsCall) -> str:
        rest = max(self.ends - asyncio.get_running_loop().time(), 0.01)
        stream = self.calls.flows(call.request, rest)
        try:
            async with asyncio.timeout(None) as patience:
                with self._listening(patience, rest) if call.is_live else nullcontext():
                    complaint = await self._receive(call, stream)
            self.answered += not complaint
            return complaint
        except TimeoutError:
            self.answered += 1  # the live question ends when we hang up
        except grpc.aio.AioRpcError as error:
            return self._ended(call, error)
        finally:
            stream.cancel()
        return ""

    def _listening(self, patience: asyncio.Timeout, rest: float) -> AbstractContextManager[None]:
        return listening(patience, min(self.pace.follow, rest), self.pace.echo, self.question.enough)

    async def _receive(self, call: GetFlowsCall, stream: Any) -> str:
        """Take what comes. Returns the reason when the call had to be given up."""
        messages = size = 0
        async for raw in stream:
            self._is_live.set()
            read = read_response(raw)
            if call.request.HasField("field_mask") and _refuses_mask(read):
                return BAD_MASK
            messages, size = messages + 1, size + len(raw)
            news = self.books.take(read, is_live=call.is_live, is_about_memory=call.is_about_memory)
            await self.inbox.put(news, len(raw))
            if messages >= self.pace.most_messages or size >= self.pace.most_bytes:
                self._misses(call, f"more than we take, {messages} messages came")
                return ""
        return ""

    def _ended(self, call: GetFlowsCall, error: Any) -> str:
        """Meaning of a call that ended with an error."""
        if error.code() is Code.DEADLINE_EXCEEDED and call.is_live:
            self.answered += 1
        elif BAD_MASK in (error.details() or "") and call.request.HasField("field_mask"):
            return BAD_MASK
        elif error.code() is Code.DEADLINE_EXCEEDED:
            self._misses(call, f"not answered to the end within {self.pace.within:g} s")
        else:
            self.errors.append(error)
            self._misses(call, f"{error.code().name}: {printable(error.details() or '')}")
        return ""

    def _misses(self, call: GetFlowsCall, why: str) -> None:
        if call.is_vital:
            self.books.is_incomplete = True
        self.missing.append(f"{call.name}: {why}")

    async def _tell(self, messages: Iterable[HubbleMessage]) -> None:
        for each in messages:
            await self.inbox.put(self.books.take([each]))

    async def _tell_unheard(self) -> None:
        if self.books.is_incomplete and self.books.unheard:
            why = "; ".join(self.missing)
            await self._tell([NodeStatus(NO_ANSWER, self.books.unheard, why)])

    async def refuse_if_blind(self) -> None:
        """Raise `Blind` where not even a part of an answer came."""
        if self.books.flows or self.books.heard:
            return
        if self.errors and not self.answered:
            raise await why_not(self.config, self.errors[0], self.pace.greeting)
        if not self.greeting.has_answered and self.books.is_incomplete:
            raise await why_not(self.config, _NoReply(), self.pace.greeting)
        if self.books.silent:
            raise Blind(
                f"hubble relay {self.config.server}: no flow came within {self.pace.within:g} s, though it reaches "
                f"{printable(', '.join(self.books.silent))}; ask again, or look at the log of the agents there"
            )
        if self.books.is_without_nodes:
            raise Blind(
                f"hubble relay {self.config.server}: none of its nodes is connected; "
                "its log (deploy/hubble-relay) says why, often an expired certificate between relay and agents"
            )


def _refuses_mask(read: Iterable[HubbleMessage] | None) -> bool:
    return any(isinstance(each, NodeStatus) and BAD_MASK in each.message for each in read or ())
