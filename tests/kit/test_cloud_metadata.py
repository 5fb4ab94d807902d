"""The addresses at which clouds hand out credentials stand in two places, since the probe runs as a file of its own."""

from __future__ import annotations

from pathlib import Path

from sensors.access.probe import agent
from sensors.kit.cloud_metadata import METADATA_ADDRESSES


def test_the_probe_refuses_exactly_the_addresses_that_no_fix_may_open() -> None:
    assert agent.METADATA == METADATA_ADDRESSES


def test_flows_do_not_reach_into_the_probes_file() -> None:
    flows = Path(__file__).parents[2] / "flows"
    assert not [path for path in flows.rglob("*.py") if "access.probe" in path.read_text("utf-8")]
