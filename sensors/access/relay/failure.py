"""Says in one sentence why the relay could not be asked, and what to do about it.

gRPC's own words for a failed connection differ between versions and hide the reason. So the connection is tried once
more by hand, step by step (name, TCP, TLS, protocol), and the first step that fails gives the sentence.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from typing import Any

import grpc

from sensors.access.relay.channel import names_in, tls_context
from sensors.access.relay.config import RelayConfig
from sensors.kit.model import Blind

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # what every HTTP/2 client says first
HOSTNAME_MISMATCH, EXPIRED, NOT_YET = 62, 10, 9  # X509_V_ERR_*
CLIENT_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE", "UNKNOWN_CA")
MAX_REASON_CHARS = 200

Code = grpc.StatusCode


async def why_not(config: RelayConfig, error: Any, patience: float) -> Blind:
    """The reason behind a gRPC error, as something to raise. `patience` in seconds is for each step of looking."""
    code, details = error.code(), printable(error.details() or "")
    if code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED) and not config.is_local:
        found = await _first_obstacle(config, patience)
        if found:
            return Blind(f"hubble relay {config.server}: {found}")
    return Blind(f"hubble relay {config.server}: {_by_code(code, details)}")


def printable(text: str) -> str:
    """Foreign text on one line, without control characters, cut to what a person reads."""
    clean = re.sub(r"[^\x20-\x7e]+", " ", text).strip()
    return clean if len(clean) <= MAX_REASON_CHARS else clean[:MAX_REASON_CHARS] + " …"


def _by_code(code: Any, details: str) -> str:
    if code is Code.UNIMPLEMENTED:
        return "speaks gRPC but is not Hubble; the Service is called hubble-relay and listens on 80 (with TLS on 443)"
    if code is Code.DEADLINE_EXCEEDED:
        return "accepts connections and gave no answer in time; its log (deploy/hubble-relay) names nodes it waits for"
    if code in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED):
        return f"does not let us ask ({code.name}: {details}); does it want a client certificate (--tls-client-…)?"
    if code is Code.RESOURCE_EXHAUSTED:
        return f"sends more than we take ({details})"
    if code is Code.UNAVAILABLE:
        return f"the connection fails ({details or 'no reason given'})"
    return f"the question failed ({code.name}: {details or 'no reason given'})"


async def _first_obstacle(config: RelayConfig, patience: float) -> str:
    """The first step to the relay that fails; empty when all of them work."""
    steps = (_name, _tcp_reachability, _tls if config.tls else _plain)
    for step in steps:
        try:
            async with asyncio.timeout(patience):
                found = await step(config)
        except TimeoutError:
            return _no_answer(step is _tls or step is _plain)
        if found:
            return found
    return ""


def _no_answer(is_connected: bool) -> str:
    if is_connected:
        return "accepts the connection and then says nothing; is it a relay, and is its pod healthy?"
    return "no answer at all; does a network policy let us out to the relay's pods (port 4245)?"


async def _name(config: RelayConfig) -> str:
    try:
        await asyncio.get_running_loop().getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return "no such name; is the relay installed (hubble.relay.enabled), and in which namespace? See --server"
    return ""


async def _tcp_reachability(config: RelayConfig) -> str:
    try:
        _, writer = await asyncio.open_connection(config.host, config.port)
    except ConnectionRefusedError:
        return "connection refused, nothing listens there; is the port right (4245 on a pod, 80 or 443 on the Service)?"
    except OSError as why:
        return f"cannot be reached ({why.strerror or type(why).__name__})"
    writer.close()
    return ""


async def _plain(config: RelayConfig) -> str:
    """A server that speaks HTTP/2 answers the preface with a frame of its own."""
    answer = await _converse(config, None)
    if answer.startswith(b"HTTP/1"):
        return "answers HTTP/1, not gRPC; is it a web server? The Service is called hubble-relay"
    if answer[3:4] == b"\x04":  # SETTINGS
        return ""
    if await _speaks_tls(config):
        return "speaks TLS and we do not: add --tls (HUBBLE_TLS=true) and its authority (--tls-ca-cert-files)"
    return "closes the connection without a word of gRPC; is it a relay?"


async def _converse(config: RelayConfig, context: ssl.SSLContext | None) -> bytes:
    """Answer of the server to an HTTP/2 client, at most 64 bytes."""
    name = config.expected_name if context else None
    reader, writer = await asyncio.open_connection(config.host, config.port, ssl=context, server_hostname=name)
    try:
        writer.write(PREFACE)
        return await reader.read(64)
    except ssl.SSLError:
        raise
    except OSError:
        return b""
    finally:
        writer.close()


async def _speaks_tls(config: RelayConfig) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(config.host, config.port, ssl=context)
    except ssl.SSLError as why:
        return why.reason not in ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING")
    except OSError:
        return False
    writer.close()
    return True


async def _tls(config: RelayConfig) -> str:
    context = tls_context(config)
    if config.allow_insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        answer = await _converse(config, context)
    except ssl.SSLCertVerificationError as why:
        return await _certificate(config, why)
    except ssl.SSLError as why:
        return _handshake(config, why.reason or "")
    except OSError as why:
        return f"breaks off the TLS handshake ({why.strerror or type(why).__name__})"
    return "" if answer else _without_word(config)


_WANTS_CERTIFICATE = (
    "asks for a client certificate (mTLS) and hangs up without one: "
    "give --tls-client-cert-file and --tls-client-key-file"
)


def _handshake(config: RelayConfig, reason: str) -> str:
    if reason in ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "RECORD_LAYER_FAILURE"):
        return "does not speak TLS and we do: leave out --tls (HUBBLE_TLS), or take the Service's TLS port (443)"
    if not any(each in reason for each in CLIENT_CERTIFICATE):
        return f"the TLS handshake fails ({reason.lower().replace('_', ' ') or 'no reason given'})"
    return _without_word(config)


def _without_word(config: RelayConfig) -> str:
    """The server took the handshake and hung up before a word of gRPC: it does so over the client's certificate."""
    if config.cert_file:
        return f"refuses the client certificate in {config.cert_file}; is it of the authority the relay trusts?"
    return _WANTS_CERTIFICATE


async def _certificate(config: RelayConfig, why: ssl.SSLCertVerificationError) -> str:
    if why.verify_code == HOSTNAME_MISMATCH:
        names = ", ".join(await _names(config)) or "no name at all"
        return (
            f"its certificate is for {printable(names)} and not for {config.expected_name}: "
            "say one of these names with --tls-server-name"
        )
    if why.verify_code in (EXPIRED, NOT_YET):
        return f"its certificate is not valid now ({why.verify_message}): renew it, or look at the clocks"
    known = f"the authorities in {', '.join(config.ca_files)}" if config.ca_files else "the public authorities"
    return f"{known} do not vouch for its certificate: give the one that signed it (ca.crt) with --tls-ca-cert-files"


async def _names(config: RelayConfig) -> tuple[str, ...]:
    """The names in a certificate that is fine but for its name."""
    context = tls_context(config)
    context.check_hostname = False
    try:
        _, writer = await asyncio.open_connection(
            config.host, config.port, ssl=context, server_hostname=config.expected_name
        )
    except OSError:
        return ()
    writer.close()
    return names_in(writer.get_extra_info("peercert"))
