"""Runs a program in a container over a websocket, as the kubelet does behind the API server.

Frames are one byte of channel and the rest of data (`v4` and `v5.channel.k8s.io`): 0 input, 1 output, 2 errors, 3 the
outcome as a Status object; in v5 255 closes the channel it names.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from lab.cluster.refusal import StatusRefusal, bad_request

STDIN, STDOUT, STDERR, OUTCOME, CLOSE = 0, 1, 2, 3, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
CHUNK = 32 * 1024
RunCommand = Callable[[list[str], bytes], tuple[bytes, bytes, int]]


def not_acceptable(request: web.Request) -> web.Response | None:
    """The kubelet's answer to a request that does not take anything: its routes do not say what they produce.

    Word for word what Kubernetes 1.36.2 sent through the API server (go-restful, the router of the kubelet).
    """
    accepted = request.headers.get("Accept") or "*/*"
    if any(each.partition(";")[0].strip() == "*/*" for each in accepted.split(",")):
        return None
    return web.Response(status=406, text="406: Not Acceptable\n\nAvailable representations: ")


async def exec_in(request: web.Request, run: RunCommand) -> web.StreamResponse:
    """The whole conversation. Raises `StatusRefusal` before it began; afterwards refusals are outcomes."""
    argv = request.query.getall("command", [])
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise bad_request("Upgrade request required")
    if not argv:
        raise bad_request("you must specify at least 1 command for the container")
    if refusal := not_acceptable(request):
        return refusal
    socket = web.WebSocketResponse(protocols=PROTOCOLS)
    await socket.prepare(request)
    stdin = await _input(socket) if request.query.get("stdin") in ("1", "true") else b""
    try:
        out, errors, code = run(argv, stdin)
    except StatusRefusal as why:
        await _frame(socket, OUTCOME, json.dumps(why.status).encode())
    else:
        await _stream(socket, STDOUT, out)
        await _stream(socket, STDERR, errors)
        await _frame(socket, OUTCOME, json.dumps(outcome(code)).encode())
    await socket.close()
    return socket


async def _input(socket: web.WebSocketResponse) -> bytes:
    """Input until the client closes the channel (v5), or goes."""
    parts: list[bytes] = []
    async for message in socket:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        if message.data[0] == STDIN:
            parts.append(message.data[1:])
        elif message.data[0] == CLOSE:
            break
    return b"".join(parts)


async def _stream(socket: web.WebSocketResponse, channel: int, data: bytes) -> None:
    for start in range(0, len(data), CHUNK):
        await _frame(socket, channel, data[start : start + CHUNK])


async def _frame(socket: web.WebSocketResponse, channel: int, data: bytes) -> None:
    await socket.send_bytes(bytes([channel]) + data)


def outcome(code: int) -> dict[str, Any]:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
