"""Incidents nobody recorded, made of real shapes: the right cause, named or not; blind, an honest shrug and never calm."""

from __future__ import annotations

import pytest

from sensors.kit.catalog import sensors
from tests.flows.rules.made import made
from tests.flows.variants.every import every
from tests.flows.variants.running import blinded, diagnose
from tests.kit.sampling import share_of

SHRUG = "inconclusive"


@pytest.mark.parametrize("name", sorted(every()))
def test_a_made_incident_gets_its_cause_and_its_component(name):
    truth = every()[name]

    said = diagnose(made(name))

    assert said.cause_class in {truth.cause, *truth.also}
    where = str(said.component) if said.component else None
    assert said.cause_class != truth.cause or where in {truth.component, *truth.components}
    assert truth.fix is None or said.fix.automatic is truth.fix
    assert truth.findings <= {each.cause_class for each, _ in said.findings}


@pytest.mark.parametrize("name", share_of(sorted(every())))
def test_the_cause_is_found_even_when_nobody_names_the_peer(name):
    truth = every()[name]
    right = {truth.cause, *truth.also} if truth.unasked is None else truth.unasked

    said = diagnose(made(name, asked=False))

    assert said.cause_class in right


@pytest.mark.parametrize("name", share_of(sorted(every())))
def test_a_sensor_that_could_not_look_makes_us_shrug_at_most(name):
    """Never another cause, and never calm, for want of facts."""
    truth = every()[name]

    said = {sensor: diagnose(blinded(made(name), sensor)).cause_class for sensor in sensors()}

    right = {truth.cause, *truth.also, *truth.blind, SHRUG}
    assert {sensor: cause for sensor, cause in said.items() if cause not in right} == {}
