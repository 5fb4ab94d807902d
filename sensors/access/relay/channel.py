"""Opens the connection to the relay, one for each look: nothing is kept that could grow old, certificates least."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from sensors.access.relay.config import RelayConfig
from sensors.hubble.pb.cilium.observer import observer_pb2
from sensors.kit.model import Blind

SERVICE = "/observer.Observer/"
LARGEST_MESSAGE = 1 << 20  # a hubble flow has 1 to 3 kB
CERTIFICATE_TIMEOUT_S = 3.0  # seconds for looking at a certificate that nobody vouches for


class Calls:
    """The three calls we make. Answers come as bytes: a flow that cannot be read must not end the stream."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._flows = channel.unary_stream(SERVICE + "GetFlows")

    def flows(self, request: Any, seconds: float) -> Any:
        """Serialised responses, one after the other; `cancel()` ends them."""
        return self._flows(request.SerializeToString(), timeout=seconds)

    async def status(self, seconds: float) -> Any:
        return await self._one("ServerStatus", observer_pb2.ServerStatusResponse, seconds)

    async def nodes(self, seconds: float) -> Any:
        return await self._one("GetNodes", observer_pb2.GetNodesResponse, seconds)

    async def _one(self, call: str, answer: Any, seconds: float) -> Any:
        """Raises `AioRpcError`, or `Blind` where the answer is not what Hubble would say."""
        try:
            return answer.FromString(await self._channel.unary_unary(SERVICE + call)(b"", timeout=seconds))
        except DecodeError:
            raise Blind("the hubble server answers with something that is not Hubble's; is it a relay?") from None

    @property
    def is_connected(self) -> bool:
        return bool(self._channel.get_state() is grpc.ChannelConnectivity.READY)


@asynccontextmanager
async def connected(config: RelayConfig) -> AsyncIterator[Calls]:
    """Calls over a fresh connection. Raises `Blind` when a certificate or key file cannot be read."""
    channel = await _channel(config)
    try:
        yield Calls(channel)
    finally:
        await channel.close()


async def _channel(config: RelayConfig) -> Any:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", LARGEST_MESSAGE),
        ("grpc.use_local_subchannel_pool", 1),  # else a failed look makes the next one wait for its back-off
        ("grpc.enable_http_proxy", 0),
    ]
    target = config.server if config.is_local else f"dns:///{config.server}"
    if not config.tls or config.is_local:
        return grpc.aio.insecure_channel(target, options=options)
    if config.allow_insecure:
        authorities, name = await _whatever_it_shows(config)
    else:
        authorities, name = _read_authorities(config), config.expected_name
    key, certificate = _read_own(config)
    credentials = grpc.ssl_channel_credentials(authorities, key, certificate)
    return grpc.aio.secure_channel(target, credentials, options=[*options, ("grpc.ssl_target_name_override", name)])


def _read_authorities(config: RelayConfig) -> bytes | None:
    return b"\n".join(_read("--tls-ca-cert-files", path) for path in config.ca_files) or None


def _read_own(config: RelayConfig) -> tuple[bytes | None, bytes | None]:
    if not config.cert_file:
        return None, None
    return _read("--tls-client-key-file", config.key_file), _read("--tls-client-cert-file", config.cert_file)


def _read(flag: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as why:
        raise Blind(f"hubble relay: {flag} {path} cannot be read ({why.strerror or type(why).__name__})") from None


def tls_context(config: RelayConfig, *, authorities: bytes | None = None) -> ssl.SSLContext:
    """TLS as the relay's settings have it, for looking at a server without gRPC in between.

    Raises `Blind` for files that cannot be read or hold no PEM.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    try:
        found = authorities or _read_authorities(config)
        if found:
            context = ssl.create_default_context(cadata=found.decode("ascii", "replace"))
            context.set_alpn_protocols(["h2"])
        if config.cert_file:
            _read_own(config)  # says which file it is that cannot be read
            context.load_cert_chain(config.cert_file, config.key_file)
    except ssl.SSLError as why:
        raise Blind(f"hubble relay: the TLS files do not fit ({why.reason or 'no PEM in them'})") from None
    return context


async def _whatever_it_shows(config: RelayConfig) -> tuple[bytes | None, str]:
    """The certificate the server shows now, as its own authority, and a name it has; gRPC cannot skip the check."""
    context = tls_context(config)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    shown = await _handshake(config, context)
    pem = ssl.DER_cert_to_PEM_cert(shown.getpeercert(binary_form=True) or b"").encode()
    context = tls_context(config, authorities=pem)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    names = names_in((await _handshake(config, context)).getpeercert())
    return pem, names[0].replace("*", "any") if names else config.expected_name


async def _handshake(config: RelayConfig, context: ssl.SSLContext) -> Any:
    try:
        async with asyncio.timeout(CERTIFICATE_TIMEOUT_S):
            _, writer = await asyncio.open_connection(
                config.host, config.port, ssl=context, server_hostname=config.expected_name
            )
    except ssl.SSLError as why:
        raise Blind(f"hubble relay {config.server}: TLS fails ({why.reason or why.strerror})") from None
    except (OSError, TimeoutError) as why:
        raise Blind(f"hubble relay {config.server}: no connection ({why or 'no answer'})") from None
    writer.close()
    return writer.get_extra_info("ssl_object")


def names_in(certificate: Any) -> tuple[str, ...]:
    """The DNS names and addresses a checked certificate is for, at most five."""
    return tuple(str(value) for _, value in (certificate or {}).get("subjectAltName", ()))[:5]
