"""Incidents nobody recorded: made of real shapes, synthetic all the same. The right cause, or an honest shrug; never calm."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from flows.model import Case
from sensors.kit.catalog import sensors
from tests.flows.variants.every import every
from tests.flows.variants.running import blinded, diagnose, look

CALM = "none.healthy"
SHRUG = "inconclusive"
BLINDED = (
    "dropped_in_the_first_second_only",
    "http_path_not_listed",
    "no_address_left",
    "outside_refuses",
    "outside_silent_by_name",
    "policy_first_target_port_second",
    "resolver_admits_nobody",
)


@cache
def seen(name: str, asked: bool) -> Case:
    with TemporaryDirectory() as folder:
        return asyncio.run(look(every()[name].build().write(Path(folder) / name), asked=asked))


@pytest.mark.parametrize("name", sorted(every()))
def test_a_made_incident_gets_its_cause_and_its_component(name):
    truth = every()[name]

    said = diagnose(seen(name, True))

    assert said.cause_class in {truth.cause, *truth.also}
    if said.cause_class == truth.cause:
        where = str(said.component) if said.component else None
        assert where in {truth.component, *truth.components}


@pytest.mark.parametrize("name", sorted(every()))
def test_where_nobody_names_the_peer_a_fault_is_never_called_calm(name):
    truth = every()[name]
    right = {truth.cause, *truth.also} if truth.unasked is None else truth.unasked

    said = diagnose(seen(name, False))

    assert said.cause_class in right or said.cause_class != CALM


@pytest.mark.parametrize("sensor", sorted(sensors()))
@pytest.mark.parametrize("name", BLINDED)
def test_a_blind_sensor_never_turns_a_fault_into_calm(name, sensor):
    truth = every()[name]

    said = diagnose(blinded(seen(name, True), sensor))

    assert said.cause_class != CALM or CALM in truth.also
