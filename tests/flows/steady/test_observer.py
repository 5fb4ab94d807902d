"""KAI's own packets are never the root cause: not in this look and not in the next.

A policy admits UDP 53 only. The first look tried the resolver over TCP and the API server; both were dropped, and the
second look finds these drops beside those that the pod complains about.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from flows.denials.judged import judged_connections
from flows.model import Case
from sensors.hubble_capture_flows import HubbleFlows
from tests.flows.variants.running import diagnose, look

FOLDER = Path(__file__).parent / "cases" / "client-to-web"


@pytest.fixture(scope="module")
def second_look() -> Case:
    return asyncio.run(look(FOLDER))


def test_the_second_look_names_the_cause_of_the_first(second_look: Case) -> None:
    said = diagnose(second_look)

    assert said.cause_class == "policy.egress_denied"
    assert "TCP 8080" in said.findings[0][0].cause
    assert said.fix.target is not None
    assert "client-out" in str(said.fix.target)


@pytest.mark.parametrize("port", [53, 6443])
def test_doors_that_only_the_probe_tried_are_judged_nowhere(second_look: Case, port: int) -> None:
    tcp = [each.traffic for each in second_look.once(judged_connections) if each.traffic.protocol == "TCP"]

    assert port not in [each.port for each in tcp]
    assert all("API server" not in finding.cause for finding, _ in diagnose(second_look).findings)


def test_the_reader_is_told_what_was_left_out(second_look: Case) -> None:
    assert second_look[HubbleFlows].probed == 2
    assert "2 connections that only the probe tried left out" in second_look[HubbleFlows].summary()


def test_the_same_answer_where_nobody_names_the_peer() -> None:
    said = diagnose(asyncio.run(look(FOLDER, asked=False)))

    assert said.cause_class == "policy.egress_denied"
    assert "TCP 8080" in said.findings[0][0].cause


def test_the_probe_s_drops_to_the_asked_peer_are_a_measurement() -> None:
    """Who asks about the API server is told what the datapath did with the probe's own packets there."""
    from sensors.access.casefolder import open_case
    from sensors.hubble_capture_flows import SENSOR

    cluster = open_case(FOLDER)
    assert cluster.header.target is not None
    asked = replace(cluster.header.target, to_host="kubernetes.default", to_port=443)

    seen = asyncio.run(SENSOR.look(asked, cluster))

    assert [each.port for each in seen.connections if each.destination.ip == "172.30.0.11"] == [6443]
    assert seen.probed == 1
