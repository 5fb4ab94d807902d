"""A wire that breaks: forwards TCP to a server and resets the connection after so many bytes of answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LINGER_ZERO = struct.pack("ii", 1, 0)  # SO_LINGER 0: close with RST instead of FIN


@asynccontextmanager
async def cut_after(size: int, host: str, port: int) -> AsyncIterator[str]:
    """The address of a wire to `host:port` that is reset when the server has said `size` bytes."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await asyncio.open_connection(host, port)
        asking = asyncio.create_task(_copy(reader, ahead))
        with contextlib.suppress(OSError):
            await _copy(behind, writer, size)
        asking.cancel()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        writer.transport.abort()
        ahead.close()

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None = None) -> None:
    sent = 0
    while chunk := await reader.read(4096):
        writer.write(chunk if most is None else chunk[: most - sent])
        await writer.drain()
        sent += len(chunk)
        if most is not None and sent >= most:
            return
