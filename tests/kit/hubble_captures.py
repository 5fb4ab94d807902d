"""The recorded hubble flows of tests/captures/hubble, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sensors.hubble.connections import Connections
from sensors.hubble.lines import FlowQuestion, HubbleFlow, HubbleMessage, read_flow_lines
from sensors.hubble.outcomes import Connection

FOLDER = Path(__file__).resolve().parents[1] / "captures" / "hubble"
EVERYTHING = FlowQuestion(last=0)


def path(name: str) -> Path:
    """A capture by the beginning of its name (`09` or `28b`)."""
    (found,) = FOLDER.glob(f"{name}-*.jsonl")
    return found


def messages(name: str, question: FlowQuestion = EVERYTHING) -> list[HubbleMessage]:
    return [message for batch in read_flow_lines(path(name), question) for message in batch]


def hubble_flows(name: str) -> list[HubbleFlow]:
    return [each for each in messages(name) if isinstance(each, HubbleFlow)]


def raw(name: str) -> list[dict[str, Any]]:
    """The lines as JSON, to be bent in tests."""
    return [json.loads(line) for line in path(name).read_text().splitlines()]


def gathered(flows: list[HubbleFlow]) -> Connections:
    found = Connections()
    for flow in flows:
        found.add(flow)
    return found


def connections(name: str) -> tuple[Connection, ...]:
    return gathered(hubble_flows(name)).all()
