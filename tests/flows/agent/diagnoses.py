"""Diagnoses of recorded incidents, made once per process."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache

from bot.clusters.recorded import recording_of
from flows.catalog import rules
from flows.engine import WalkTools, run
from flows.load import load_flows
from flows.model import Diagnosis
from sensors.kit.catalog import sensors
from tests.kit.cases import case, target_of


@cache
def diagnosis_of(name: str) -> Diagnosis:
    """What comes of the usual flow on a recording; with no time that another run would not have."""
    recorded = case(name)
    tools = WalkTools(sensors(), rules(), new_id=lambda: "000000000001")
    flow = load_flows()["flow.k8s_network_debug"]
    diagnosis = asyncio.run(run(flow, target_of(recorded), recorded, tools, recording=recording_of(recorded)))
    return replace(diagnosis, total_ms=0.0)
