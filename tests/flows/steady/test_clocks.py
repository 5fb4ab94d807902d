"""No verdict hangs on two nodes' clocks, or on the moment at which somebody asked.

Nodes differ by milliseconds in a good cluster and by half a second in a bad one; the ring of a node ends anywhere.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from flows.denials.judged import judged_connections
from flows.model import Case
from sensors.hubble_capture_flows import HubbleFlows
from tests.flows.steady.moving import Incident, cuts, incident, skewed, skews
from tests.flows.variants.running import diagnose
from tests.kit.cases import SHELVES

HERE = Path(__file__).parent / "cases"
SURE = 0.6
"""Below this a cause is a suspicion: the reader is told that it may be another."""

FOLDERS = {each.name: each for shelf in SHELVES[:2] for each in sorted(shelf.iterdir()) if each.is_dir()}
SAMPLE = ("importer-to-store", "orders-to-ledger", "sync-to-partner")


@cache
def recorded(folder: Path) -> Incident:
    found = asyncio.run(incident(folder))
    return found if found is not None else pytest.skip("nobody recorded hubble flows of it")


def told(case: Case) -> tuple[str, float]:
    said = diagnose(case)
    return said.cause_class, said.confidence


def holds_under_every_skew(folder: Path) -> None:
    one = recorded(folder)
    cause = told(one.case)[0]

    for ahead in skews(one.nodes):
        assert told(asyncio.run(one.told(skewed(ahead))))[0] == cause, ahead


def names_no_other_cause(folder: Path, count: int) -> None:
    """Less may be known at an earlier moment; what is said with certainty is the same.

    Before its first packet is dropped, a server that answers its other clients is healthy.
    """
    one = recorded(folder)
    (cause, certainty), flows = told(one.case), one.case.get(HubbleFlows)

    for moment in cuts(one.moments, count):
        said, sure = told(asyncio.run(one.told_until(moment)))
        if said == "none.healthy" and flows and flows.first_drop and moment < flows.first_drop:
            continue
        assert said == cause or sure < SURE or (said == "none.healthy" and cause == "inconclusive"), (moment, said)
        assert sure <= certainty + 0.01, moment


@pytest.mark.parametrize("name", SAMPLE)
def test_clocks_that_differ_by_half_a_second_change_no_cause(name: str) -> None:
    holds_under_every_skew(FOLDERS[name])


@pytest.mark.parametrize("name", SAMPLE)
def test_flows_that_end_at_another_moment_name_no_other_cause(name: str) -> None:
    names_no_other_cause(FOLDERS[name], 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", FOLDERS)
def test_every_recorded_incident_is_steady(name: str) -> None:
    holds_under_every_skew(FOLDERS[name])
    names_no_other_cause(FOLDERS[name], 20)


# -- a pod that is refused at the other node, and had been let through before ------------------------------------------

CACHE = HERE / "site-to-cache"


def standing(case: Case) -> list[int]:
    """The packets of refused connections that the verdict may call proven."""
    return [each.packets for each in case.once(judged_connections) if each.drop is not None and each.asked]


@pytest.mark.parametrize("ms", [-500, -2, 2, 500])
def test_what_the_sender_s_node_traced_ends_no_drop_at_the_receiver(ms: int) -> None:
    """The flows end as the last SYN leaves its node: nobody saw yet what becomes of it."""
    one = recorded(CACHE)
    ahead = {"lab1": timedelta(milliseconds=ms)}

    whole = asyncio.run(one.told(skewed(ahead)))
    ended = asyncio.run(one.told_until(one.moments[-7], ahead))

    assert (standing(whole), standing(ended)) == ([27], [24])
    assert told(whole)[0] == told(ended)[0] == "policy.ingress_denied"
