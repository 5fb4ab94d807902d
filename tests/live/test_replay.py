"""A capture made in trouble says the same as the cluster did, and for the same reasons: holes are recorded, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.observer import Manners
from sensors.access.casefolder import open_case
from tests.live.front import resets, says
from tests.live.test_capture import captured, comparable
from tests.live.world import CASES, World, diagnosed, recorded_nodes, world_of

NAME = "checkout-to-bank"


def one_node(**mood: Any) -> dict[str, Any]:
    nodes = recorded_nodes(CASES / NAME)
    for key, value in mood.items():
        setattr(nodes[1], key, value)
    return {"nodes": nodes}


def refusing(resource: str) -> Callable[[World], None]:
    return lambda world: world.front.refused.add(resource)


def failing(end: str, fault: Any) -> Callable[[World], None]:
    return lambda world: world.front.faults.update({end: fault})


def moody(world: World) -> None:
    world.front.probe_mood = "killed"


def calm(_: World) -> None:
    """Nothing more is broken than the world's own settings."""


TROUBLES: dict[str, tuple[Callable[[World], None], dict[str, Any]]] = {
    "nothing": (calm, {}),
    "a node is away": (calm, one_node(is_connected=False)),
    "a node is slow": (calm, one_node(delay=60)),
    "the relay talks nonsense": (calm, {"manners": Manners(garbage_every=3)}),
    "the relay hangs up": (calm, {"manners": Manners(hangs_up_after=40)}),
    "the relay is mute": (calm, {"manners": Manners(is_mute=True)}),
    "no probes": (calm, {"probes": False}),
    "no probes but cat": (calm, {"probes": False, "has_cat": True}),
    "no agents": (calm, {"agents": False}),
    "the probe is killed": (moody, {}),
    "no right to run it": (refusing("pods/exec"), {}),
    "no right to read logs": (refusing("pods/log"), {}),
    "no right to list services": (refusing("services"), {}),
    "no right to list policies": (refusing("networkpolicies"), {}),
    "no right to list Cilium policies": (refusing("ciliumclusterwidenetworkpolicies"), {}),
    "no right to list events": (refusing("events"), {}),
    "no right to list ConfigMaps": (refusing("configmaps"), {}),
    "a list is forgotten": (failing("/endpointslices", says(410, "too old")), {}),
    "a list is reset": (failing("/nodes", resets), {}),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_capture_made_in_trouble_gives_equal_json(trouble: str, tmp_path: Path) -> None:
    breaking, world_settings = TROUBLES[trouble]

    async with world_of(NAME, tmp_path, **world_settings) as world:
        breaking(world)
        live = await captured(world, tmp_path / "case")
    again = await diagnosed(world.target, open_case(tmp_path / "case"))

    assert comparable(again) == comparable(live)
