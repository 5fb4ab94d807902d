"""Runs a program in a container over a websocket: an argument list, never a shell, and always an exit code.

Frames are one byte of channel and the rest of data (Kubernetes' v4 and v5.channel.k8s.io): 1 standard output,
2 standard error, 3 the outcome as a Status object, and in v5 255, which closes the channel it names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sensors.access.kube.failure import in_words, not_accepted, status_of, unreachable
from sensors.access.kube.wire import ANYTHING, MIB, ApiConnection, path_of, url_of
from sensors.kit.model import Absent, Blind
from sensors.kit.objects import items, number, one_line, text

if TYPE_CHECKING:
    import aiohttp

STDIN, STDOUT, STDERR, OUTCOME, CLOSE = 0, 1, 2, 3, 255
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
MAX_OUTPUT = MIB
CHUNK = 32 * 1024
CLOSING = 0.5
"""Seconds that a server gets to say good-bye after we have: we have heard enough by then."""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """Result of a program. A program without an exit code is no result: it raises `Blind`."""

    stdout: bytes
    stderr: bytes
    exit_code: int


@dataclass(slots=True)
class Frames:
    """Data received on the channels so far. Pure; `limit` bytes of output in all, more is `Blind`, never cut."""

    limit: int = MAX_OUTPUT
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    outcome: bytearray = field(default_factory=bytearray)

    def take(self, frame: bytes) -> None:
        """One frame; channels that are not ours are passed over."""
        kept = {STDOUT: self.stdout, STDERR: self.stderr, OUTCOME: self.outcome}.get(frame[0]) if frame else None
        if kept is None:
            return
        kept += frame[1:]
        if len(self.stdout) + len(self.stderr) + len(self.outcome) > self.limit:
            raise Blind(f"the program wrote more than {self.limit} bytes")

    def result(self) -> ExecResult:
        """The end. Raises `Blind` when the server did not say how the program ended, or that it never ran."""
        if not self.outcome:
            raise Blind("the connection ended before the program did: there is no exit code")
        return ExecResult(bytes(self.stdout), bytes(self.stderr), exit_code_of(bytes(self.outcome)))


def exit_code_of(outcome: bytes) -> int:
    """The exit code in a Status object. Raises `Blind` with the server's words when the program did not run."""
    said = status_of(outcome)
    if said.get("status") == "Success":
        return 0
    for cause in items(said, "details", "causes"):
        code = number(cause, "message")
        if text(cause, "reason") == "ExitCode" and code is not None:
            return code
    words = text(said, "message") or outcome[:200].decode(errors="replace")
    raise Blind(f"the program could not be run: {one_line(words)}")


@dataclass(frozen=True, slots=True)
class ContainerRef:
    """The container to run in."""

    namespace: str
    pod: str
    container: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.pod} ({self.container})"

    def query(self, argv: Sequence[str], stdin: bool) -> list[tuple[str, str]]:
        """The request's parameters: one `command` for each argument."""
        streams = [("stdin", "true")] if stdin else []
        commands = [("command", each) for each in argv]
        return [("container", self.container), *streams, ("stdout", "true"), ("stderr", "true"), *commands]


async def run(
    wire: ApiConnection, container: ContainerRef, argv: Sequence[str], stdin: bytes | None, within: float, limit: int
) -> ExecResult:
    """Run `argv` and wait for its end. Raises `Absent` (no such pod) or `Blind`."""
    if not argv:
        raise ValueError("an empty argument list runs nothing")
    try:
        async with asyncio.timeout(within):
            return await _run(wire, container, argv, stdin, limit)
    except TimeoutError:
        raise Blind(f"{one_line(argv[0])} in {container} did not end within {within:g} s") from None


async def _run(
    wire: ApiConnection, container: ContainerRef, argv: Sequence[str], stdin: bytes | None, limit: int
) -> ExecResult:
    import aiohttp

    path = path_of("api", "v1", "namespaces", container.namespace, "pods", container.pod, "exec")
    url = url_of(wire.place.server, path, container.query(argv, stdin is not None))
    try:
        async with _session(wire).ws_connect(url, **await _options(wire, stdin is not None)) as socket:
            return await _converse(socket, stdin, limit)
    except aiohttp.WSServerHandshakeError as why:
        raise _refused(why.status, container, wire) from None
    except (aiohttp.ClientError, OSError) as why:
        raise Blind(unreachable(why, wire.place.server)) from None


def _session(wire: ApiConnection) -> aiohttp.ClientSession:
    """The client's own session, with its TLS and proxy settings; it makes one at its first request only."""
    rest = wire.api.rest_client
    if rest.pool_manager is None:
        rest.pool_manager = rest._create_pool_manager()
    session: aiohttp.ClientSession = rest.pool_manager
    return session


async def _options(wire: ApiConnection, stdin: bool) -> dict[str, Any]:
    """Input needs v5: before it nothing could tell a program that its input has ended."""
    import aiohttp

    settings = wire.place.configuration
    options = {
        "proxy": settings.proxy,
        "proxy_headers": settings.proxy_headers,
        "server_hostname": settings.tls_server_name,
    }
    return {
        **{key: value for key, value in options.items() if value},
        "headers": await wire.headers(ANYTHING),
        "protocols": (V5,) if stdin else (V5, V4),
        "timeout": aiohttp.ClientWSTimeout(ws_close=CLOSING),
    }


async def _converse(socket: aiohttp.ClientWebSocketResponse, stdin: bytes | None, limit: int) -> ExecResult:
    import aiohttp

    if stdin is not None:
        await _feed(socket, stdin)
    frames = Frames(limit)
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            frames.take(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            frames.take(message.data.encode())
    return frames.result()


async def _feed(socket: aiohttp.ClientWebSocketResponse, stdin: bytes) -> None:
    if socket.protocol != V5:
        raise Blind(f"the API server cannot close a program's input (it speaks {socket.protocol or 'no channels'})")
    for start in range(0, len(stdin), CHUNK):
        await socket.send_bytes(bytes([STDIN]) + stdin[start : start + CHUNK])
    await socket.send_bytes(bytes([CLOSE, STDIN]))


def _refused(status: int, container: ContainerRef, wire: ApiConnection) -> Absent | Blind:
    if status == 401:
        return Blind(not_accepted(wire.place.name))
    if status == 403:
        needs = "needed are the verbs get and create on pods/exec"  # GET opens the socket, newer servers ask for both
        return Blind(f"no right to run a program in {container}: {needs} {in_words(container.namespace)}")
    if status == 404:
        return Absent(f"there is no pod {container.namespace}/{container.pod}")
    return Blind(f"no program can be run in {container}: the API server answered {status}")
