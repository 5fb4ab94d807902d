"""Spans for OpenTelemetry: one for each investigation, one in it for each look of a sensor. No content: cause classes,
sensors, sights and seconds; no pod, no namespace, no person.

Needs the extra `kai-netdebug[otel]` and `OTEL_EXPORTER_OTLP_ENDPOINT`; the SDK's other variables hold, too. Imported
only where the variable is set, since the SDK takes half a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context

from bot import __version__
from bot.desk.ports import LookFor, LookResult, Saw
from bot.store import Investigation
from flows.engine import Concluded, Watcher

NANO = 1_000_000_000
SEND_TIMEOUT_S = 3
"""What is left at the end gets so long, since a pod has thirty seconds for all of it."""


class Tracing:
    """Open spans by investigation. A look that is begun again after a crash has a span of its own."""

    def __init__(self, exporter: SpanExporter, now: Callable[[], float] = time.time) -> None:
        resource = Resource.create({SERVICE_NAME: "kai-netdebug", SERVICE_VERSION: __version__})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("kai", __version__)
        self._now = now
        self._open: dict[str, Span] = {}

    def watching(self, it: Investigation) -> Watcher:
        """A span for each look of a sensor, which ends when it answers and began `took_ms` before."""

        async def watch(moment: Saw | Concluded) -> None:
            parent = self._open.get(it.id)
            if isinstance(moment, Saw) and parent is not None:
                seen, end = moment.evidence, int(self._now() * NANO)
                begin = end - int(seen.took_ms * 1_000_000)
                within = set_span_in_context(parent)
                span = self._tracer.start_span(seen.sensor, within, start_time=begin)
                span.set_attribute("kai.sight", seen.sight.value)
                span.end(end)

        return watch

    def looking(self, look: LookFor) -> LookFor:
        """The same look, in a span."""

        async def looked(it: Investigation, watcher: Watcher) -> LookResult:
            with self._span(it) as span:
                result = await look(it, watcher)
                span.set_attribute("kai.cause_class", result.diagnosis.cause_class)
                span.set_attribute("kai.confidence", result.diagnosis.confidence)
                span.set_attribute("kai.coverage", result.diagnosis.coverage)
                return result

        return looked

    @contextmanager
    def _span(self, it: Investigation) -> Iterator[Span]:
        begun = self._tracer.start_span("investigation", start_time=int(self._now() * NANO))
        begun.set_attribute("kai.investigation", it.id)
        self._open[it.id] = begun
        try:
            yield begun
        except BaseException as why:
            begun.set_status(Status(StatusCode.ERROR, type(why).__name__))
            raise
        finally:
            self._open.pop(it.id, None)
            begun.end(int(self._now() * NANO))

    def close(self) -> None:
        """Sends what was not sent, as long as the exporter's own time limit allows."""
        self._provider.shutdown()


def tracing() -> Tracing:
    """To where the SDK's variables say."""
    return Tracing(OTLPSpanExporter(timeout=SEND_TIMEOUT_S))
