"""A hubble-relay that answers from recorded flows, over real gRPC, with the failures a real one has.

Order and shape of the answers are those of Cilium's pkg/hubble/relay/observer, compared with what a real relay said
(tests/captures/hubble/28b and 28c): which nodes are connected, which are not, then the flows by time, and at the end
the nodes that failed on the way. With `is_agent` it is one node's own observer instead.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from lab.observer.filters import BadFilter
from lab.observer.recording import messages_of, rings_of
from lab.observer.ring import CAPACITY, NodeFails, Ring, masked
from sensors.hubble.pb.cilium.observer import observer_pb2 as hubble
from sensors.hubble.pb.cilium.relay.relay_pb2 import NODE_CONNECTED, NODE_ERROR, NODE_UNAVAILABLE, NodeStatusEvent

SERVER_VERSION = "v1.19.6+glab"
SERVING = b"\x08\x01"  # grpc.health.v1.HealthCheckResponse{status: SERVING}
GARBAGE = b"\x0a\xff\xff\xff\xff\x7fnot a message"

Code = grpc.StatusCode


@dataclass(slots=True)
class Node:
    """One node behind the relay. `delay` in seconds before it answers; `fails_after` so many messages with an error."""

    ring: Ring
    is_connected: bool = True
    version: str = f"cilium {SERVER_VERSION}"
    delay: float = 0.0
    fails_after: int | None = None
    failure: str = "rpc error: code = Unavailable desc = error reading from server: EOF"

    @property
    def name(self) -> str:
        return self.ring.node


@dataclass(frozen=True, slots=True)
class Manners:
    """Behaviour of the server besides answering; the defaults are those of a healthy relay.

    is_agent       one node's observer: no node states, no GetNodes.
    is_foreign     a gRPC server that has never heard of Hubble.
    refuses        this status for every question about flows, with `because`.
    is_mute        takes questions and never answers.
    garbage_every  each so manieth answer is bytes that are no message.
    hangs_up_after so many answers the call is aborted with UNAVAILABLE.
    idle_limit     seconds without news after which a call that follows is ended with DEADLINE_EXCEEDED.
    """

    version: str = f"hubble-relay {SERVER_VERSION}"
    is_agent: bool = False
    is_foreign: bool = False
    refuses: Any = None
    because: str = ""
    is_mute: bool = False
    garbage_every: int = 0
    hangs_up_after: int = 0
    idle_limit: float | None = None


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM of the server's certificate and key; with `client_authorities` clients must show one of theirs (mTLS)."""

    certificate: bytes
    key: bytes
    client_authorities: bytes | None = None

    def credentials(self) -> Any:
        asks = self.client_authorities is not None
        return grpc.ssl_server_credentials([(self.key, self.certificate)], self.client_authorities, asks)


@dataclass(slots=True)
class ObserverServer:
    """The server. Use it as `async with ObserverServer(nodes) as server:` and connect to `server.address`.

    `open_calls` counts the GetFlows calls that run at this moment (wait for a number with `until_open`), `requests`
    keeps all that were asked.
    """

    nodes: list[Node]
    manners: Manners = field(default_factory=Manners)
    tls: ServerTls | None = None
    port: int = 0
    host: str = "127.0.0.1"
    open_calls: int = 0
    requests: list[Any] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _followers: dict[asyncio.Queue[Any], Any] = field(default_factory=dict)
    _server: Any = None
    _since: float = field(default_factory=time.monotonic)

    async def start(self) -> int:
        """Begin to listen; the port, chosen by the system where none was given."""
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers(tuple(self._handlers()))
        where = self.address
        if self.tls:
            self.port = self._server.add_secure_port(where, self.tls.credentials())
        else:
            self.port = self._server.add_insecure_port(where)
        await self._server.start()
        return self.port

    async def stop(self) -> None:
        await self._server.stop(None)

    async def __aenter__(self) -> ObserverServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def until_open(self, calls: int) -> None:
        """Wait until exactly so many calls for flows run."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.open_calls == calls)

    @property
    def address(self) -> str:
        """Address of the server, as `--server` takes it; with a `unix:…` host there is no port."""
        if self.host.startswith("unix:"):
            return self.host
        return f"{self.host}:{self.port}"

    def push(self, message: Any) -> None:
        """A node sees something new: it goes into the node's ring, and to everyone who follows."""
        node = next(each for each in self.nodes if each.name == message.node_name)
        node.ring.messages.append(message)
        for queue, request in self._followers.items():
            if node.is_connected and node.ring.matches(message, request):
                queue.put_nowait(masked(message, node.ring.mask(request)))

    # -- calls --------------------------------------------------------------------------------------------------------

    def _handlers(self) -> Iterator[Any]:
        yield grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": _unary(self._health, bytes)})
        if self.manners.is_foreign:
            return
        calls = {
            "ServerStatus": _unary(self._status, hubble.ServerStatusRequest.FromString),
            "GetNamespaces": _unary(self._namespaces, hubble.GetNamespacesRequest.FromString),
            "GetFlows": grpc.unary_stream_rpc_method_handler(self._flows, hubble.GetFlowsRequest.FromString, _bytes),
        }
        if not self.manners.is_agent:
            calls["GetNodes"] = _unary(self._nodes, hubble.GetNodesRequest.FromString)
        yield grpc.method_handlers_generic_handler("observer.Observer", calls)

    async def _health(self, request: bytes, context: Any) -> bytes:
        return SERVING

    async def _status(self, request: Any, context: Any) -> Any:
        await self._begin(context)
        rings, away = self._connected(), [each.name for each in self.nodes if not each.is_connected]
        flows = sum(_flows_in(each.ring) for each in rings)
        answer = hubble.ServerStatusResponse(
            num_flows=flows, max_flows=CAPACITY * len(rings), seen_flows=flows, uptime_ns=self._uptime()
        )
        answer.version = self.nodes[0].version if self.manners.is_agent else self.manners.version
        answer.flows_rate = sum(_rate(each.ring) for each in rings)
        if not self.manners.is_agent:
            answer.num_connected_nodes.value, answer.num_unavailable_nodes.value = len(rings), len(away)
            answer.unavailable_nodes.extend(away[:10])
        return answer

    async def _nodes(self, request: Any, context: Any) -> Any:
        await self._begin(context)
        return hubble.GetNodesResponse(nodes=[self._node(each) for each in self.nodes])

    def _node(self, node: Node) -> Any:
        told = hubble.Node(name=node.name, state=NODE_CONNECTED if node.is_connected else NODE_UNAVAILABLE)
        told.tls.SetInParent()
        if node.is_connected:
            told.version, told.max_flows, told.uptime_ns = node.version, CAPACITY, self._uptime()
            told.num_flows = told.seen_flows = _flows_in(node.ring)
        return told

    async def _namespaces(self, request: Any, context: Any) -> Any:
        await self._begin(context)
        flows = [each.flow for node in self._connected() for each in node.ring.messages if each.HasField("flow")]
        names = {side.namespace for flow in flows for side in (flow.source, flow.destination)} - {""}
        return hubble.GetNamespacesResponse(namespaces=[hubble.Namespace(namespace=name) for name in sorted(names)])

    async def _flows(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.requests.append(request)
        await self._count(1)
        try:
            await self._begin(context)
            if request.first and request.follow:
                await context.abort(Code.INVALID_ARGUMENT, "first cannot be specified with follow")
            if self.manners.refuses:
                await context.abort(self.manners.refuses, self.manners.because)
            count = 0
            async for answer in self._answers(request, context):
                count += 1
                yield GARBAGE if self.manners.garbage_every and count % self.manners.garbage_every == 0 else answer
                if count == self.manners.hangs_up_after:
                    await context.abort(Code.UNAVAILABLE, "the server is going away")
        finally:
            await self._count(-1)

    async def _count(self, change: int) -> None:
        async with self._changed:
            self.open_calls += change
            self._changed.notify_all()

    async def _begin(self, context: Any) -> None:
        header = "hubble-server-version" if self.manners.is_agent else "hubble-relay-version"
        await context.send_initial_metadata(((header, self.manners.version),))
        if self.manners.is_mute:
            await asyncio.Event().wait()

    # -- what a relay makes of its nodes ------------------------------------------------------------------------------

    def _connected(self) -> list[Node]:
        return [each for each in self.nodes if each.is_connected]

    def _uptime(self) -> int:
        return int((time.monotonic() - self._since) * 1e9)

    async def _answers(self, request: Any, context: Any) -> AsyncIterator[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        if request.follow:
            self._followers[queue] = request
        try:
            for each in () if self.manners.is_agent else self._states():
                yield each
            async for each in self._remembered(request, context):
                yield each
            while request.follow:
                async with asyncio.timeout(self.manners.idle_limit):
                    news = await queue.get()
                yield news
        except TimeoutError:
            await context.abort(Code.DEADLINE_EXCEEDED, "no news")
        finally:
            self._followers.pop(queue, None)

    def _states(self) -> Iterator[Any]:
        here = [each.name for each in self.nodes if each.is_connected]
        away = [each.name for each in self.nodes if not each.is_connected]
        if here:
            yield self._state(NODE_CONNECTED, here)
        if away:
            yield self._state(NODE_UNAVAILABLE, away)

    def _state(self, state: Any, nodes: Iterable[str], message: str = "") -> Any:
        told = NodeStatusEvent(state_change=state, node_names=nodes, message=message)
        answer = hubble.GetFlowsResponse(node_name=self.nodes[0].name, node_status=told)
        answer.time.GetCurrentTime()
        return answer

    async def _remembered(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """Nodes that are equally fast by time together, the slower ones after them, failures last."""
        failures: dict[str, list[str]] = {}
        waited = 0.0
        for delay, nodes in groupby(sorted(self._connected(), key=_delay), key=_delay):
            await asyncio.sleep(delay - waited)
            waited = delay
            for each in heapq.merge(*(_of_node(node, request, failures) for node in nodes), key=_when):
                yield each
        if failures and self.manners.is_agent:
            await context.abort(Code.UNKNOWN, next(iter(failures)))
        for message, names in failures.items():
            yield self._state(NODE_ERROR, names, message)


def _of_node(node: Node, request: Any, failures: dict[str, list[str]]) -> Iterator[Any]:
    """Answers of one node until it ends or fails; failures are kept by their message, as a relay merges them."""
    try:
        for count, each in enumerate(node.ring.answer(request)):
            if count == node.fails_after:
                raise NodeFails(node.failure)
            yield each
        if node.fails_after is not None:
            raise NodeFails(node.failure)
    except (NodeFails, BadFilter) as why:
        failures.setdefault(str(why), []).append(node.name)


def _delay(node: Node) -> float:
    return node.delay


def _when(message: Any) -> tuple[int, int]:
    return message.time.seconds, message.time.nanos


def _flows_in(ring: Ring) -> int:
    return sum(each.HasField("flow") for each in ring.messages)


def _rate(ring: Ring) -> float:
    """Flows per second over the whole ring, whose messages lie in order of time."""
    if not ring.messages:
        return 0.0
    first, last = (each.time.ToDatetime() for each in (ring.messages[0], ring.messages[-1]))
    seconds = (last - first).total_seconds()
    return _flows_in(ring) / seconds if seconds > 0 else 0.0


def _unary(call: Any, read: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(call, read, _bytes)


def _bytes(message: Any) -> bytes:
    return message if isinstance(message, bytes) else bytes(message.SerializeToString())


def nodes_of(path: Path) -> list[Node]:
    """The nodes of a recording (a case folder or a file of flows), all of them connected."""
    return [Node(ring) for ring in rings_of(messages_of(path))]
