"""The flow that is meant by what somebody typed."""

from __future__ import annotations

from pathlib import Path

from bot.errors import UsageMistake
from flows.load import Flow, load_file, load_flows
from sensors.kit.nearest import did_you_mean


def flow_named(word: str) -> Flow:
    """A flow by id, by id without its `flow.`, or by file. Raises `UsageMistake` or `BadFlow`."""
    if word.endswith((".yaml", ".yml")):
        return load_file(Path(word))
    known = load_flows()
    flow = known.get(word) or known.get(f"flow.{word}")
    if flow is None:
        raise UsageMistake(f"no flow {word!r}{did_you_mean(word, known)} (kai list-flows shows all)")
    return flow
