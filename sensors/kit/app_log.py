"""Reads error lines in an application's log: what kind of failure, towards which host, how often.

Pure, and deliberately shallow: it recognises the words in which curl, Go, glibc, Java, Node.js and web servers say
that they could not talk. What the lines mean for the network is for a rule to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sensors.kit.objects import one_line, parse_time

MAX_LOG_LINE_CHARS = 2000  # characters of a line that are looked at


class LogTrouble(StrEnum):
    """Kind of failure in a log line. `connect`: no connection, and the line does not say why (curl 7);
    `no_port`: the kernel had no local address or port left for a connection (EADDRNOTAVAIL)."""

    RESOLVE = "resolve"
    TLS = "tls"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    TIMEOUT = "timeout"
    NO_PORT = "no_port"
    CONNECT = "connect"
    HTTP = "http"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class LogError:
    """A kind of error line in the target's log: its newest text (redacted), how often, and what the line names.

    `code` is the HTTP status of an `http` line, else curl's exit code; `host` and `port` are where the line says it
    wanted to go; `time` is the line's own timestamp.
    """

    container: str
    trouble: LogTrouble
    text: str
    count: int
    code: int | None = None
    host: str = ""
    port: int | None = None
    time: datetime | None = None


TROUBLE_PATTERNS = tuple(
    (trouble, re.compile(pattern, re.IGNORECASE))
    for trouble, pattern in (
        (
            LogTrouble.RESOLVE,
            r"could(?:n't| not) resolve|no such host|name or service not known|name resolution|resolving timed out"
            r"|nxdomain|servfail|eai_again|eai_noname|enotfound|getaddrinfo|unknownhost|server misbehaving",
        ),
        (LogTrouble.NO_PORT, r"^(?!.*\b(?:bind|listen)\b).*(?:cannot assign requested address|eaddrnotavail)"),
        (LogTrouble.TLS, r"x509:|certificate|tls handshake|tls: |ssl_error|ssl routines|sslhandshake|curl: \(35\)"),
        (LogTrouble.REFUSED, r"connection refused|econnrefused"),
        (
            LogTrouble.UNREACHABLE,
            r"no route to host|host is unreachable|network is unreachable|ehostunreach|enetunreach"
            r"|operation not permitted|eperm\b",
        ),
        (LogTrouble.RESET, r"connection reset|econnreset|broken pipe|empty reply|unexpected eof|socket hang up"),
        (LogTrouble.TIMEOUT, r"timed[ -]?out|i/o timeout|etimedout|deadline exceeded|timeoutexception"),
        (LogTrouble.CONNECT, r"failed to connect|couldn't connect|connection failed|cannot connect"),
    )
)
CALM_LEVEL = re.compile(r"""(?i)\blevel["']?\s*[=:]\s*["']?(?:info|debug|trace)|^\[?(?:info|debug|trace)\b""")
LOUD = re.compile(
    r"""(?i)\blevel["']?\s*[=:]\s*["']?(?:error|err|fatal|panic|critical)|\b(?:ERROR|FATAL|panic:|Traceback)"""
)
STATUS = re.compile(
    r"""(?i)(?:\bstatus(?:[ _]?code)?["']?\s*[=:]\s*["']?|\bHTTP(?:/[12](?:\.[01])?"?)?\s|response:|returned error: )"""
    r"([45]\d\d)\b"
)
CURL = re.compile(r"curl: \((\d{1,3})\)")
CURL_HTTP_ERROR = "22"
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
URL = re.compile(
    r"\b(https?|wss?|tcp|redis|amqp|postgres(?:ql)?)://(?:[^\s/@\"']*@)?(\[[0-9a-fA-F:]+\]|[\w.-]+)(?::(\d{1,5}))?"
)
HOST_PORT = re.compile(
    r"(?i)(?:resolve host: |lookup |connect(?:ing)? to (?!(?:\w+ )?server\b)|dial (?:tcp|udp) "
    r"|connect E(?:CONNREFUSED|TIMEDOUT|HOSTUNREACH|NETUNREACH|ADDRNOTAVAIL) |server (?:at|on|running on host) [\"'])"
    r"(\[[0-9a-f:]+\]|[\w.-]+)(?:(?::| port |[\"'](?: \([^)]{1,64}\))?, port )(\d{1,5}))?"
)
"""In the words of curl, Go, Node.js, redis-py, and of the clients of PostgreSQL (libpq) and MySQL."""
SCHEME_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def log_errors(container: str, log: str, limit: int = 8) -> tuple[LogError, ...]:
    """Up to `limit` kinds of error line of a container's log, most frequent first."""
    kinds: dict[tuple[object, ...], LogError] = {}
    for each in (error for line in log.splitlines() if (error := read_line(container, line[:MAX_LOG_LINE_CHARS]))):
        key = (each.trouble, each.code, each.host, each.port, re.sub(r"\d+", "#", each.text))
        before = kinds.get(key)
        kinds[key] = replace(each, count=before.count + 1) if before else each
    return tuple(sorted(kinds.values(), key=lambda each: -each.count)[:limit])


def read_line(container: str, line: str) -> LogError | None:
    """Failure in one line, or None where there is none."""
    trouble, code = _trouble(line)
    if trouble is None:
        return None
    host, port = host_port_in(line)
    return LogError(container, trouble, one_line(line), 1, code, host, port, time_in(line))


def hosts_in(log: str, limit: int = 8) -> tuple[str, ...]:
    """The hosts that a log names in URLs and connection errors, most recent first."""
    lines = (host_port_in(line[:MAX_LOG_LINE_CHARS])[0] for line in reversed(log.splitlines()))
    return tuple(dict.fromkeys(host for host in lines if host))[:limit]


def last_line(log: str) -> str:
    """The newest line that carries a time, else the newest that says anything: `curl -w` leaves tails without one."""
    lines = [line[:MAX_LOG_LINE_CHARS] for line in reversed(log.splitlines()) if line.strip()]
    return one_line(next((line for line in lines if TIME.search(line)), lines[0] if lines else ""))


def time_in(line: str) -> datetime | None:
    found = TIME.search(line)
    return parse_time(found.group().replace(",", ".").replace(" ", "T")) if found else None


def host_port_in(line: str) -> tuple[str, int | None]:
    """The host and port a line speaks of; the port of the scheme where a URL has none."""
    if url := URL.search(line):
        scheme, host, port = url.groups()
        return host.strip("[]"), _port(port) or SCHEME_PORTS.get(scheme)
    if peer := HOST_PORT.search(line):
        return peer[1].strip("[]").rstrip("."), _port(peer[2])
    return "", None


def _trouble(line: str) -> tuple[LogTrouble | None, int | None]:
    status, curl = STATUS.search(line), CURL.search(line)
    calm = CALM_LEVEL.search(line) is not None and curl is None
    word = None if calm else _word(line)
    if status and (curl is None or curl[1] == CURL_HTTP_ERROR) and word is None:
        return LogTrouble.HTTP, int(status[1])
    if word is not None or curl:
        return word or LogTrouble.OTHER, int(curl[1]) if curl else None
    return (LogTrouble.OTHER, None) if not calm and LOUD.search(line) else (None, None)


def _word(line: str) -> LogTrouble | None:
    return next((trouble for trouble, pattern in TROUBLE_PATTERNS if pattern.search(line)), None)


def _port(digits: str | None) -> int | None:
    return int(digits) if digits and 0 < int(digits) < 65536 else None


def log_time(line: str) -> datetime | None:
    """The wall clock of a line of `dmesg --time-format iso`; None for seconds since boot and for times without zone."""
    stamp = re.match(r"(?:<\d+>)?(\d{4}-\d\d-\d\dT[\d:]{8})[,.](\d{1,6})([+-]\d\d:?\d\d|Z)", line)
    return parse_time(f"{stamp[1]}.{stamp[2]}{stamp[3]}") if stamp else None
