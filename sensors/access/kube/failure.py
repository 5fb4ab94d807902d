"""Says in one line why a read did not succeed, and what would help: rights, credentials, network, the server itself.

Pure, apart from looking at the types of errors. Nothing here repeats a request: those carry credentials.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from typing import Any

from sensors.kit.kinds import Kind
from sensors.kit.objects import one_line, text


def resource_of(kind: Kind) -> str:
    """The resource as RBAC and kubectl name it: `pods`, `networkpolicies.networking.k8s.io`."""
    return f"{plural_of(kind)}.{kind.group}" if kind.group else plural_of(kind)


def plural_of(kind: Kind) -> str:
    """The resource's name in URLs; case folders tell apart what two API groups call the same."""
    return kind.plural.partition(".")[0]


def in_words(namespace: str | None) -> str:
    return f"in namespace {namespace}" if namespace else "in all namespaces"


def no_right(verb: str, resource: str, namespace: str | None, body: bytes) -> str:
    """403: who lacks what, and where the right comes from. The server's answer names the user."""
    said = status_of(body)
    user = _between(text(said, "message"), 'User "', '"')
    role = "a Role there" if namespace else "a ClusterRole"
    needs = f"{one_line(user)} needs" if user else "needed is"
    place = in_words(namespace)
    return f"no right to {verb} {resource} {place}: {needs} {role} with the verb {verb} on {resource}"


def refused(status: int, body: bytes, what: str) -> str:
    """Any other answer that is not what was asked for."""
    understood = status_of(body)
    said = text(understood, "message") if understood else body[:400].decode(errors="replace")
    return f"{what}: the API server answered {status}{f' ({one_line(said, 200)})' if said else ''}"


def not_accepted(place: str) -> str:
    """401."""
    return f"the API server does not accept the credentials of {place} (401): expired or wrong; log in again"


def status_of(body: bytes) -> Mapping[str, Any]:
    """The Status object in an error's body, or nothing."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _between(line: str, before: str, after: str) -> str:
    _, found, rest = line.partition(before)
    return rest.partition(after)[0] if found else ""


# -- the way to the server ---------------------------------------------------------------------------------------------


def unreachable(error: Exception, server: str) -> str:
    """The reason why no answer came: the name, the port, the certificate, or silence."""
    return f"the API server {server} cannot be reached: {_because(error)}"


def _because(error: Exception) -> str:
    import aiohttp

    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"its name {error.host} cannot be resolved"
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not trusted (x509: {_certificate(error.certificate_error)})"
        case aiohttp.ClientConnectorSSLError():
            return f"no TLS connection ({_tls(error.os_error)})"
        case aiohttp.ClientProxyConnectionError():
            return f"its proxy does not answer ({_system(error.os_error)})"
        case aiohttp.ClientConnectorError():
            return _system(error.os_error)
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return "it broke the connection off"
        case OSError():
            return _system(error)
        case aiohttp.InvalidURL():
            return "that is not a URL"
    return one_line(str(error)) or type(error).__name__


def _system(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "it refuses the connection; is it running?"
    if error.errno == errno.ECONNRESET:
        return "it broke the connection off"
    return one_line(error.strerror or str(error))


def _certificate(error: Exception) -> str:
    return one_line(getattr(error, "verify_message", "") or str(error))


def _tls(error: OSError) -> str:
    return one_line(str(getattr(error, "reason", "") or error)).replace("_", " ").lower()
