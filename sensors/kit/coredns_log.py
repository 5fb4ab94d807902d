"""Reads the trouble that CoreDNS writes into its log, line by line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from sensors.kit.objects import (
    one_line,
)


class CoreDnsTrouble(StrEnum):
    """Kind of trouble in a log line. `not_ready` also occurs in the first seconds of a healthy start.

    `loop_probe_unanswered`: only the loop plugin's own HINFO questions went unanswered, which some upstreams never
    answer (coredns/coredns#4211); it is not an upstream failure by itself.
    """

    LOOP = "loop"
    LOOP_PROBE_UNANSWERED = "loop_probe_unanswered"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_REFUSED = "upstream_refused"
    UPSTREAM_ERROR = "upstream_error"
    CONFIG_ERROR = "config_error"
    NOT_READY = "not_ready"
    API_UNREACHABLE = "api_unreachable"
    API_FORBIDDEN = "api_forbidden"
    PANIC = "panic"
    OVERLOADED = "overloaded"


@dataclass(frozen=True, slots=True)
class LogFinding:
    """Lines of one kind in one container's log: how many and the newest. `upstream` is the address that failed to
    answer, `names` a few names that were asked, `config_line` the Corefile line at fault."""

    trouble: CoreDnsTrouble
    pod: str
    previous: bool
    count: int
    example: str
    upstream: str | None = None
    names: tuple[str, ...] = ()
    config_line: int | None = None


def read_log(said: str, pod: str, previous: bool = False) -> tuple[LogFinding, ...]:
    """Reads a CoreDNS log: lines of one kind (and upstream) counted, with the newest as example."""
    found: dict[tuple[CoreDnsTrouble, str | None, int | None], LogFinding] = {}
    for line in said.splitlines():
        one = _finding(line, pod, previous)
        if one is not None:
            key = one.trouble, one.upstream, one.config_line
            found[key] = _joined(found.get(key), one)
    return tuple(found.values())


def _joined(before: LogFinding | None, one: LogFinding) -> LogFinding:
    if before is None:
        return one
    names = tuple(dict.fromkeys((*before.names, *one.names)))[:5]
    return replace(one, count=before.count + one.count, names=names)


LOG_PATTERNS: tuple[tuple[CoreDnsTrouble, str], ...] = (
    (CoreDnsTrouble.LOOP, r"plugin/loop: .*(?:detected|more than twice)"),
    (
        CoreDnsTrouble.CONFIG_ERROR,
        r"Corefile:(?P<line>\d+) - Error during parsing|Error during parsing|loading Caddyfile",
    ),
    (CoreDnsTrouble.API_FORBIDDEN, r"plugin/kubernetes.*\bforbidden\b|\breflector\.go.*\bforbidden\b"),
    (
        CoreDnsTrouble.API_UNREACHABLE,
        r"waiting for Kubernetes API|unsynced Kubernetes API|[Ff]ailed to (?:watch|list)\b",
    ),
    (CoreDnsTrouble.NOT_READY, r"plugin/ready: (?:Plugins not ready|Still waiting on)"),
    (CoreDnsTrouble.PANIC, r"^panic:|[Rr]ecovered from panic|^fatal error:|SIGSEGV"),
    (CoreDnsTrouble.OVERLOADED, r"concurrent queries exceeded maximum"),
    (CoreDnsTrouble.UPSTREAM_TIMEOUT, r"plugin/errors: .*i/o timeout"),
    (CoreDnsTrouble.UPSTREAM_REFUSED, r"plugin/errors: .*connection refused"),
    (CoreDnsTrouble.UPSTREAM_ERROR, r"plugin/errors: "),
)
"""CoreDNS's own wording, most telling first (source: coredns plugin sources; readiness was reworded in April 2025)."""

FAILED_QUESTION = re.compile(r"plugin/errors: \d+ (?P<name>\S+) (?P<qtype>[A-Z0-9]+): ")
CONSOLIDATED = re.compile(r"plugin/errors: (?P<count>\d+) errors? like ")
UPSTREAM = re.compile(r"(?:->|dial (?:udp|tcp) )(?P<upstream>[0-9A-Fa-f.:\[\]]+:\d+): ")


def _finding(line: str, pod: str, previous: bool) -> LogFinding | None:
    for trouble, pattern in LOG_PATTERNS:
        found = re.search(pattern, line)
        if found:
            return _read_line(trouble, line, pod, previous, found.groupdict().get("line"))
    return None


def _read_line(trouble: CoreDnsTrouble, line: str, pod: str, previous: bool, config_line: str | None) -> LogFinding:
    upstream, question, many = UPSTREAM.search(line), FAILED_QUESTION.search(line), CONSOLIDATED.search(line)
    is_probe = question is not None and question["qtype"] == "HINFO" and trouble is not CoreDnsTrouble.LOOP
    return LogFinding(
        trouble=CoreDnsTrouble.LOOP_PROBE_UNANSWERED if is_probe else trouble,
        pod=pod,
        previous=previous,
        count=int(many["count"]) if many else 1,
        example=one_line(line),
        upstream=upstream["upstream"] if upstream else None,
        names=(question["name"].rstrip("."),) if question and not is_probe else (),
        config_line=int(config_line) if config_line else None,
    )
