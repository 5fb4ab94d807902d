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

NETDEBUG = "flow.k8s_network_debug"


@cache
def diagnosis_of(name: str, *, asked: bool = True, flow: str = NETDEBUG) -> Diagnosis:
    """What comes of a flow on a recording, its peer named or not; with no time that another run would not have.

    Where a loop runs, call it in a thread: it brings a loop of its own.
    """
    recorded = case(name)
    target = target_of(recorded)
    target = target if asked else replace(target, to_host=None, to_port=None)
    tools = WalkTools(sensors(), rules(), new_id=lambda: "000000000001")
    diagnosis = asyncio.run(run(load_flows()[flow], target, recorded, tools, recording=recording_of(recorded)))
    return replace(diagnosis, total_ms=0.0)
