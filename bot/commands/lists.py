"""Lists what KAI can ask: its flows and its sensors, for people and for programs."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bot.commands.output import as_yaml, write
from bot.report.sanitize import escape_markdown
from flows.load import Flow, Step, load_flows
from sensors.kit import Sensor
from sensors.kit.catalog import sensors


def list_flows(output: str) -> int:
    flows = load_flows()
    if output != "text":
        write(_said([_flow(each) for each in flows.values()], output))
    else:
        write(columns([_flow_row(each) for each in flows.values()]))
    return 0


def _flow_row(flow: Flow) -> tuple[str, ...]:
    return flow.id, f"{flow.within:g} s", f"{len(flow.looks)} sensors", flow.title


def list_sensors(output: str) -> int:
    known = sensors()
    if output != "text":
        write(_said([_sensor(each) for each in known.values()], output))
    else:
        write(columns([(each.id, purpose(each)) for each in known.values()]))
    return 0


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns, two spaces apart; the last column runs free."""
    if not rows:
        return ""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    padded = ([*map(str.ljust, row, widths), row[-1]] for row in rows)
    return "".join("  ".join(cells).rstrip() + "\n" for cells in padded)


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table of Markdown under their heads."""
    lines = (heads, ["---"] * len(heads), *(list(map(escape_markdown, row)) for row in rows))
    return "".join(f"| {' | '.join(each)} |\n" for each in lines)


def purpose(sensor: Sensor) -> str:
    """The first line of the sensor's module, which an on-call understands."""
    module = sys.modules.get(sensor.look.__module__)
    return (inspect.getdoc(module) or "").partition("\n")[0]


def settings(sensor: Sensor) -> dict[str, Any]:
    """Settings of `with:` in a flow, and the defaults."""
    parameters = inspect.signature(sensor.look).parameters.values()
    return {each.name: _default(each) for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}


def _default(parameter: inspect.Parameter) -> Any:
    value = None if parameter.default is inspect.Parameter.empty else parameter.default
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _flow(flow: Flow) -> Mapping[str, Any]:
    return {
        "id": flow.id,
        "title": flow.title,
        "within_seconds": flow.within,
        "steps": [_step(each) for each in flow.steps],
    }


def _step(step: Step) -> Mapping[str, Any]:
    return {"id": step.id, "type": step.type, "ref": step.ref, "with": dict(step.settings), "needs": list(step.needs)}


def _sensor(sensor: Sensor) -> Mapping[str, Any]:
    return {
        "id": sensor.id,
        "purpose": purpose(sensor),
        "layers": list(sensor.layers),
        "within_seconds": sensor.within,
        "settings": settings(sensor),
    }


def _said(rows: Sequence[Mapping[str, Any]], output: str) -> str:
    return json.dumps(rows, indent=2, ensure_ascii=False) + "\n" if output == "json" else as_yaml(rows)
