"""Checks whether spans are sent: where the environment names an endpoint, and the extra is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from bot.desk.ports import LookFor, nobody
from bot.errors import UsageMistake
from bot.lazy import resolve
from bot.store import Investigation
from flows.engine import Watcher

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
TRACING = "bot.telemetry.tracing:tracing"


class Spans(Protocol):
    """Observer of an investigation."""

    def looking(self, look: LookFor) -> LookFor: ...

    def watching(self, it: Investigation) -> Watcher: ...


class NoSpans:
    """Nobody asked for any."""

    def looking(self, look: LookFor) -> LookFor:
        return look

    def watching(self, it: Investigation) -> Watcher:
        return nobody(it)


@contextmanager
def traced(environ: Mapping[str, str]) -> Iterator[Spans]:
    """Spans while the block runs. Raises `UsageMistake` where they are asked for and the extra is missing."""
    named = next((each for each in ENDPOINTS if environ.get(each, "").strip()), "")
    if not named or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield NoSpans()
        return
    try:
        spans = resolve(TRACING)()
    except ImportError as why:
        raise UsageMistake(f"{named} is set, and kai-netdebug[otel] is not installed ({why.name})") from why
    try:
        yield spans
    finally:
        spans.close()
