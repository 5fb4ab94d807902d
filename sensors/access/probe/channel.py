"""Asks the probe's server on a node: HTTPS with certificates on both sides, one connection for one question.

The server is known by its certificate, whose authority is the chart's own; its address comes from the API server and
proves nothing. The answer is text from a node: bounded here, read by `client.parse_answer`.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensors.access.probe.client import MAX_ANSWER, PROGRAM, ProbeRequest
from sensors.kit.model import Blind
from sensors.kit.objects import one_line

if TYPE_CHECKING:
    import aiohttp

PORT = 4246
LOOK_PATH = "/v1/look"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "kai-netdebug"}


@dataclass(frozen=True, slots=True)
class ProbeChannel:
    """The way to all probes of a cluster. Make one with `probe_channel`."""

    context: ssl.SSLContext
    port: int = PORT

    async def ask(self, address: str, request: ProbeRequest, within: float) -> bytes:
        """The answer as it came, `MAX_ANSWER` bytes at most, within so many seconds. Raises `Blind`."""
        import aiohttp

        where = f"the probe at {address} port {self.port}"
        unhurried = aiohttp.ClientTimeout()  # a busy probe lets the handshake wait, not the question
        try:
            async with asyncio.timeout(within), aiohttp.ClientSession(timeout=unhurried) as session:
                return await self._post(session, address, request)
        except TimeoutError:
            raise Blind(f"{where} did not answer within {within:g} s") from None
        except aiohttp.ClientConnectorCertificateError:
            raise Blind(f"{where} shows a certificate that is not of our authority") from None
        except (aiohttp.ClientError, OSError) as why:
            raise Blind(f"{where} cannot be asked: {_because(why)}") from None

    async def _post(self, session: aiohttp.ClientSession, address: str, request: ProbeRequest) -> bytes:
        host = f"[{address}]" if ":" in address else address
        async with session.post(
            f"https://{host}:{self.port}{LOOK_PATH}",
            data=request.to_json().encode(),
            headers=HEADERS,
            ssl=self.context,
            server_hostname=PROGRAM,
            allow_redirects=False,
        ) as answer:
            return await _whole(answer)


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    said = bytearray()
    async for part in answer.content.iter_chunked(64 * 1024):
        said += part
        if len(said) > MAX_ANSWER:
            raise Blind(f"the probe's answer is larger than {MAX_ANSWER} bytes")
    return bytes(said)


def _because(why: Exception) -> str:
    """A server that does not like our certificate says so after its handshake, by breaking off."""
    import aiohttp

    if isinstance(why, aiohttp.ClientConnectorError):
        return one_line(why.os_error.strerror or str(why.os_error))
    if isinstance(why, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError):
        return "it broke the connection off; does it take our certificate?"
    return one_line(str(why)) or type(why).__name__


def probe_channel(folder: Path, port: int = PORT) -> ProbeChannel:
    """The way to the probes with the certificate in `folder` (ca.crt, tls.crt, tls.key). Raises `Blind`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(folder / "ca.crt")
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    except (OSError, ssl.SSLError) as why:
        raise Blind(f"our certificate for the probes cannot be used ({folder}): {one_line(str(why))}") from None
    return ProbeChannel(context, port)
