"""The path and where it breaks, as a picture and in words."""

from __future__ import annotations

import struct
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from bot.report import picture
from bot.report.picture import Stop
from flows.model import LayerState
from sensors.kit import Evidence, Sight
from sensors.kit.reported import Told
from tests.bot.report.examples import DENIED, HEALTHY
from tests.bot.report.hostile import ATTACK, LONG, attacked
from tests.bot.report.test_blocks import diagnosed
from tests.kit.cases import names

TEXT = "{http://www.w3.org/2000/svg}text"


def words(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(TEXT)]


def test_the_path_breaks_at_the_layer_of_the_root_cause():
    assert picture.path(DENIED) == (
        Stop("pod", "api-server", LayerState.PASS, False),
        Stop("DNS", "", LayerState.PASS, False),
        Stop("policy", "strict-egress", LayerState.FAIL, True),
        Stop("service", "10.96.0.1:443", LayerState.PASS, False),
        Stop("network", "", LayerState.INCONCLUSIVE, False),
        Stop("backend", "10.96.0.1:443", LayerState.NOT_MEASURED, False),
    )


def test_a_healthy_path_breaks_nowhere():
    assert [stop.breaks for stop in picture.path(HEALTHY)] == [False] * 6
    assert "breaks" not in picture.alt(HEALTHY)


def test_the_picture_in_words_says_where_it_breaks_and_what_was_dropped_when():
    assert picture.alt(diagnosed("billing-to-tax")) == (
        "The path breaks at policy. Path of billing/billing-5b45c959d5-5682z: pod: passes; DNS: passes; policy: fails "
        "here; service: passes; network: undecided; backend: undecided. 9 packets to tax-5fb9d9d4dc-9kqqs TCP/8080 "
        "dropped from 21:16:21 to 21:16:31"
    )


def test_the_timeline_shows_drops_and_the_change_that_began_them():
    shown = words(picture.draw(diagnosed("billing-to-tax")))

    assert "9 packets dropped" in shown
    assert "billing-boundary created 21:16:21" in shown


def test_of_several_stops_that_fail_one_is_the_cause_in_the_picture_and_in_words():
    it = diagnosed("planner-to-roster")

    assert [each.sign for each in picture.path(it) if each.state is LayerState.FAIL] == [
        "✗ fails, too",
        "✗ fails, too",
        "✗ fails here",
    ]
    assert "DNS: fails, too; policy: passes; service: fails, too; network: fails here" in picture.alt(it)


def test_a_name_too_long_for_its_box_keeps_the_end_that_tells_pods_apart():
    shown = words(picture.draw(diagnosed("checkout-to-bank")))

    (pod,) = [each for each in shown if each.startswith("checkout-5") and "…" in each]
    assert pod.endswith("qb72b")
    assert len(pod) < len("checkout-5df9dc997b-qb72b")
    assert shown.count("bank.payments:8443") == 2


def test_a_cause_too_long_for_a_line_goes_on_in_a_second():
    it = diagnosed("checkout-to-bank")
    lines = words(picture.draw(it))[1:3]

    assert " ".join(lines) == it.root_cause


def test_a_connection_without_a_drop_is_told_so_in_words():
    assert words(picture.draw(diagnosed("search-to-index"))).count("no drop") == 2


def test_a_state_is_a_word_and_not_a_colour_alone():
    shown = words(picture.draw(DENIED))

    assert [each for each in shown if each[0] in "✓✗?–"] == [
        "✓ passes",
        "✓ passes",
        "✗ fails here",
        "✓ passes",
        "? undecided",
        "– not measured",
    ]


@pytest.mark.parametrize("name", names())
def test_every_recorded_incident_can_be_drawn(name: str):
    svg = picture.draw(diagnosed(name))

    assert words(svg)
    assert 0 < len(picture.alt(diagnosed(name))) <= 1100


def test_the_picture_is_a_png_of_twice_the_size():
    made = picture.png(picture.draw(DENIED))

    assert made[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", made[16:20]) == (2 * picture.WIDTH,)


@pytest.mark.parametrize("attack", [ATTACK, LONG, "</text><script>alert(1)</script>", "]]>&#0;"])
def test_words_of_a_cluster_stay_words(attack: str):
    svg = picture.draw(attacked(attack))
    kinds = {each.tag.rpartition("}")[2] for each in ElementTree.fromstring(svg).iter()}

    assert kinds <= {"svg", "rect", "text", "path"}
    assert len(svg) < 40_000


@pytest.mark.parametrize(
    "rows",
    [
        {"connections": "none"},
        {"connections": [None, 3, {"first": 5}, {"first": "x", "last": "y"}]},
        {"connections": [{"first": "2026-01-01T00:00:00Z", "last": "2026-01-01T00:00:00Z", "destination": []}]},
        {"connections": [{"first": "9999-12-31T23:59:59Z", "last": "0001-01-01T00:00:00Z", "packets_dropped": "7"}]},
    ],
)
def test_facts_of_another_shape_are_left_out_and_nothing_fails(rows: dict):
    evidence = {"E1": Evidence("hubble.capture_flows", Sight.SEEN, Told("", rows))}

    assert words(picture.draw(replace(DENIED, evidence=evidence)))
