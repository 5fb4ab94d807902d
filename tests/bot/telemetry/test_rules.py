"""The alerts about KAI and its dashboard ask for figures that KAI gives, with labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from bot.approval.trail import TrailEvent
from bot.telemetry.metrics import Metrics
from bot.telemetry.stored import StoredFigures

CHART = Path(__file__).parents[3] / "helm" / "kai"
FIGURE = re.compile(r"\b(?:kai|process)_[a-z_]+")
GROUPED = re.compile(r"by \(([a-z, ]+)\)")


def asked() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((CHART / "rules/kai.yaml").read_text("utf-8"))["groups"]:
        yield from ((each["alert"], each["expr"]) for each in group["rules"])
    for panel in json.loads((CHART / "dashboards/kai.json").read_text("utf-8"))["panels"]:
        yield from ((panel["title"], each["expr"]) for each in panel["targets"])


ASKED = tuple(asked())


def known() -> dict[str, set[str]]:
    """Each sample's name with its labels."""
    metrics = Metrics()
    StoredFigures(metrics.registry, store=None)  # type: ignore[arg-type]  # nothing is read
    found: dict[str, set[str]] = {}
    for collector in list(_collectors(metrics.registry)):
        labels = set(getattr(collector, "_labelnames", ()))
        for family in collector.describe() if hasattr(collector, "describe") else collector.collect():
            for end in ("", "_total", "_sum", "_count", "_bucket"):
                found[family.name + end] = labels | ({"le"} if end == "_bucket" else set())
    return found | {
        each.name: set() for family in metrics.registry.collect() for each in family.samples if "process" in each.name
    }


def _collectors(registry: CollectorRegistry) -> Any:
    return registry._collector_to_names


@pytest.mark.parametrize(("title", "expression"), ASKED, ids=[title for title, _ in ASKED])
def test_every_figure_and_label_that_is_asked_for_exists(title: str, expression: str) -> None:
    figures = known()
    named = set(FIGURE.findall(re.sub(r'"[^"]*"', "", expression)))

    assert named
    assert named - set(figures) == set()
    labels = set().union(*(figures[each] for each in named))
    for group in GROUPED.findall(expression):
        assert set(re.split(r",\s*", group)) <= labels, (group, labels)
    for selector in re.findall(r"\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)(?:=~|!=|=)", selector)) <= labels


def test_events_that_are_asked_for_are_events() -> None:
    words = {
        word for _, text in ASKED for found in re.findall(r'event=~?"([a-z_|]+)"', text) for word in found.split("|")
    }

    assert words <= {each.value for each in TrailEvent}


def test_every_alert_says_what_it_means_and_where_to_look() -> None:
    for group in yaml.safe_load((CHART / "rules/kai.yaml").read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            assert set(rule["annotations"]) == {"summary", "description"}
            assert rule["labels"]["severity"] in ("info", "warning", "critical")
