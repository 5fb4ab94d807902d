"""The flows, sensors and rules there are, found by walking their folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flows.load import Flow, load_file, load_flows
from flows.model import Rule
from sensors.kit.catalog import walk
from sensors.kit.nearest import did_you_mean


class NoSuchFlow(ValueError):
    """No flow of that name, and no such file. The message is one line."""


def flow_named(word: str) -> Flow:
    """A flow by id, by id without its `flow.`, or by file. Raises `NoSuchFlow` or `BadFlow`."""
    if word.endswith((".yaml", ".yml")):
        return load_file(Path(word))
    known = load_flows()
    flow = known.get(word) or known.get(f"flow.{word}")
    if flow is None:
        raise NoSuchFlow(f"no flow {word!r}{did_you_mean(word, known)} (kai list-flows shows all)")
    return flow


def rules() -> Mapping[str, Rule]:
    """All rules by id."""
    import flows.rules

    return walk(flows.rules, "RULE", Rule)
