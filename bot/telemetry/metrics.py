"""Figures about KAI itself, for Prometheus. Labels are words of closed lists: no pod, no namespace, no person.

`kai_investigations_total` and the histograms count what this process did: add replicas up. The `kai_store_…` figures
are read from the database when they are asked for, and are the same in every replica: take the largest.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from bot import __version__
from bot.desk.ports import CannotLook, LookFor, LookResult, Saw
from bot.store import Investigation
from flows.causes import CAUSES
from flows.engine import Concluded, Watcher

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 60.0)
SHARE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
FAILURES = ("cancelled", "could_not_look", "failed")
_WORD = re.compile(r"[a-z][a-z0-9_.]{0,40}")


@dataclass(frozen=True, slots=True)
class ClaudeAnswer:
    """Cost of one request to Claude. `outcome`: answered, refused, failed, over_budget."""

    model: str
    outcome: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    dollars: float = 0.0


class AlertCounts(Collector):
    """Alerts that this process heard, by what came of them."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        heard = "Alerts by whether they were new, and the new ones by what came of them."
        family = CounterMetricFamily("kai_alerts", heard, labels=["outcome"])
        for outcome, count in sorted(self._counts.items()):
            family.add_metric([_word(outcome)], count)
        yield family


class Metrics:
    """One for each process; `registry` is what /metrics shows."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.registry = CollectorRegistry()
        self._now = now
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._define_investigations()
        self._define_others()
        self._gauge("kai_build_info", "The version that runs.", "version").labels(__version__).set(1)

    def _define_investigations(self) -> None:
        ended = "Investigations that this process ended, by cause class and by how they ended."
        self._investigations = self._counter("kai_investigations", ended, "cause", "outcome")
        for pair in (*((cause, _outcome(cause)) for cause in CAUSES), *(("", outcome) for outcome in FAILURES)):
            self._investigations.labels(*pair)  # from 0 on: Prometheus sees no increase in what was not there before
        stages = "Seconds of an investigation: waiting for its turn, looking."
        self._stages = self._histogram("kai_stage_seconds", stages, SECONDS, "stage")
        self._sensors = self._histogram("kai_sensor_seconds", "Seconds of one look of a sensor.", SECONDS, "sensor")
        self._sights = self._counter("kai_sensor_sights", "Looks by what came of them.", "sensor", "sight")
        self._coverage = self._histogram(
            "kai_coverage_ratio", "How much of what a verdict needs was measured.", SHARE_BUCKETS
        )
        self._confidence = self._histogram("kai_confidence_ratio", "How sure the verdicts are.", SHARE_BUCKETS)

    def _define_others(self) -> None:
        line = "Whether Slack can reach this process: its socket is up, or Slack comes by HTTP."
        self._line = self._gauge("kai_slack_connected", line)
        self._slack = self._counter(
            "kai_slack_calls", "Calls of Slack's Web API, by Slack's answer.", "method", "outcome"
        )
        asked = "Requests to Claude, by how they ended."
        self._claude = self._counter("kai_claude_requests", asked, "model", "outcome")
        self._tokens = self._counter("kai_claude_tokens", "Tokens of Claude: input, output, cached.", "model", "kind")
        self._dollars = self._counter("kai_claude_dollars", "What the requests to Claude cost.", "model")

    # -- investigations ------------------------------------------------------------------------------------------------

    def watching(self, _: Investigation) -> Watcher:
        """Counts each look of a sensor, and how much a verdict stands on."""

        async def watch(moment: Saw | Concluded) -> None:
            if isinstance(moment, Saw):
                self._sensors.labels(moment.evidence.sensor).observe(moment.evidence.took_ms / 1000)
                self._sights.labels(moment.evidence.sensor, moment.evidence.sight.value).inc()
            else:
                self._coverage.observe(moment.diagnosis.coverage)
                self._confidence.observe(moment.diagnosis.confidence)

        return watch

    def looking(self, look: LookFor) -> LookFor:
        """The same look, counted by what came of it and timed."""

        async def looked(it: Investigation, watcher: Watcher) -> LookResult:
            self._stages.labels("waiting").observe(max((self._now() - it.asked_at).total_seconds(), 0.0))
            began = time.monotonic()
            try:
                result = await look(it, watcher)
            except BaseException as why:
                self._investigations.labels("", _failure(why)).inc()
                raise
            finally:
                self._stages.labels("looking").observe(time.monotonic() - began)
            diagnosis = result.diagnosis
            self._investigations.labels(_cause(diagnosis.cause_class), _outcome(diagnosis.cause_class)).inc()
            return result

        return looked

    def slack_line(self, is_up: Callable[[], bool]) -> None:
        """`is_up` is asked whenever the figures are."""
        self._line.set_function(lambda: float(is_up()))

    def alerts(self, counts: Mapping[str, int]) -> None:
        """`counts` by what came of alerts; it is read whenever the figures are."""
        self.registry.register(AlertCounts(counts))

    # -- others --------------------------------------------------------------------------------------------------------

    def slack_answered(self, method: str, outcome: str) -> None:
        """`outcome` is `ok`, Slack's word for what is wrong, or `no_answer`."""
        self._slack.labels(_word(method), _word(outcome)).inc()

    def claude_answered(self, answer: ClaudeAnswer) -> None:
        self._claude.labels(answer.model, _word(answer.outcome)).inc()
        kinds = {"input": answer.input_tokens, "output": answer.output_tokens, "cached": answer.cached_tokens}
        for kind, tokens in kinds.items():
            self._tokens.labels(answer.model, kind).inc(tokens)
        self._dollars.labels(answer.model).inc(answer.dollars)

    # -- making --------------------------------------------------------------------------------------------------------

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(name, help_, labels, registry=self.registry)

    def _gauge(self, name: str, help_: str, *labels: str) -> Gauge:
        return Gauge(name, help_, labels, registry=self.registry)

    def _histogram(self, name: str, help_: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, help_, labels, registry=self.registry, buckets=buckets)


def _cause(said: str) -> str:
    return said if said in CAUSES else "other"


def _outcome(cause: str) -> str:
    return {"none.healthy": "no_fault", "inconclusive": "inconclusive"}.get(cause, "fault")


def _failure(why: BaseException) -> str:
    if isinstance(why, asyncio.CancelledError):
        return "cancelled"
    return "could_not_look" if isinstance(why, CannotLook) else "failed"


def _word(said: str) -> str:
    """A word of somebody else's list, or `other`: a label is no place for what they make up."""
    return said if _WORD.fullmatch(said.lower()) else "other"
