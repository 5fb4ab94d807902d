"""Spans tell how long what took, and nothing of the cluster; without an endpoint nothing of them is even imported."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bot.desk.ports import CannotLook, LookFor, LookResult
from bot.errors import UsageMistake
from bot.store import Investigation, InvestigationState
from bot.telemetry import spans
from bot.telemetry.spans import NoSpans, traced
from bot.telemetry.tracing import Tracing
from flows.engine import Saw, Watcher, ignore
from flows.load import load_flows
from sensors.kit.model import Evidence, Sight
from tests.bot.report.examples import DENIED
from tests.bot.store.words import NOW, request
from tests.cluster.processes import free_port

BOT = Path(spans.__file__).parents[1]


def investigation(name: str = "i1") -> Investigation:
    return Investigation(name, request(), InvestigationState.RUNNING, NOW - timedelta(seconds=4))


async def walked(look: LookFor, tracing: Tracing, exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    it = investigation()
    outcome = None
    try:
        await tracing.looking(look)(it, tracing.watching(it))
    except CannotLook as why:
        outcome = why
    tracing.close()
    return {each.name: each for each in exporter.get_finished_spans()} | ({"raised": outcome} if outcome else {})  # type: ignore[dict-item]


async def sees(_: Investigation, watcher: Watcher) -> LookResult:
    step = load_flows()["flow.k8s_network_debug"].steps[0]
    await watcher(Saw(step, "E1", Evidence("net.mtu", Sight.BLIND, why="the probe on node secret-node", took_ms=1500)))
    return LookResult(DENIED)


async def test_an_investigation_is_a_span_and_each_sensor_one_within_it() -> None:
    exporter = InMemorySpanExporter()
    found = await walked(sees, Tracing(exporter, lambda: 1000.0), exporter)

    whole, sensor = found["investigation"], found["net.mtu"]
    assert sensor.parent is not None
    assert whole.context is not None
    assert sensor.parent.span_id == whole.context.span_id
    assert (sensor.start_time, sensor.end_time) == (998_500_000_000, 1_000_000_000_000)
    assert dict(whole.attributes or {})["kai.cause_class"] == DENIED.cause_class


async def test_no_span_holds_what_a_cluster_or_a_person_said() -> None:
    exporter = InMemorySpanExporter()
    found = await walked(sees, Tracing(exporter), exporter)

    said = " ".join(each.to_json() for each in found.values())
    asked = request()
    words = (asked.target.pod, asked.target.namespace, asked.asked_by, "secret-node", DENIED.root_cause)
    assert [each for each in words if f'"{each}"' in said or "secret-node" in said] == []


async def test_a_look_that_fails_is_an_error_without_its_words() -> None:
    async def fails(_: Investigation, __: Watcher) -> LookResult:
        raise CannotLook("no such pod prod/secret-pod")

    exporter = InMemorySpanExporter()
    found = await walked(fails, Tracing(exporter), exporter)

    assert isinstance(found["raised"], CannotLook)
    assert found["investigation"].status.description == "CannotLook"
    assert "secret-pod" not in found["investigation"].to_json()


def test_no_span_is_sent_unless_it_was_configured() -> None:
    for environ in ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, {"OTEL_SDK_DISABLED": "true", spans.ENDPOINTS[0]: "x"}):
        with traced(environ) as found:
            assert isinstance(found, NoSpans)
            assert found.looking(sees) is sees
            assert found.watching(investigation()) is ignore


def test_without_an_endpoint_nothing_of_it_is_imported() -> None:
    """One module imports the SDK (import-linter holds that), and no module imports that one."""
    modules = [each.read_text("utf-8") for each in BOT.rglob("*.py")]

    assert spans.TRACING.partition(":")[0] == Tracing.__module__
    assert [
        each for each in modules if re.search(r"^\s*(from|import) .*telemetry\.?.*tracing", each, re.MULTILINE)
    ] == []


def test_an_endpoint_without_the_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "TRACING", "no_such_package:tracing")
    asked = "OTEL_EXPORTER_OTLP_ENDPOINT is set, and kai-netdebug"

    with pytest.raises(UsageMistake, match=asked), traced({spans.ENDPOINTS[0]: "http://127.0.0.1:4318"}):
        pass


def test_a_collector_that_is_not_there_does_not_keep_kai_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv(spans.ENDPOINTS[0], endpoint)

    with traced({spans.ENDPOINTS[0]: endpoint}) as found:
        assert not isinstance(found, NoSpans)
