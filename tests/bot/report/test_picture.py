"""The path and where it breaks, as a picture and in words."""

from __future__ import annotations

import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bot.report import picture
from bot.report.hops import MOST_HOPS, HopState, breaking_hop, hops
from sensors.kit import Evidence, Sight
from sensors.kit.reported import RecordedFacts
from tests.bot.report.examples import DENIED, HEALTHY
from tests.bot.report.hostile import ATTACK, LONG, attacked
from tests.kit.cases import names
from tests.kit.diagnoses import diagnosis_of

ROOT = Path(__file__).resolve().parents[3]
PHONE, SMALLEST = 330, 8.5
"""Pixels that a picture gets in a thread on a telephone, and of the smallest type that can be read there."""

TEXT = "{http://www.w3.org/2000/svg}text"


def words(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(TEXT)]


def way(name: str) -> list[tuple[str, HopState]]:
    return [(hop.title, hop.state) for hop in hops(diagnosis_of(name))]


def test_the_way_breaks_at_the_policy_of_the_end_that_drops_and_nothing_behind_it_is_green():
    assert way("api-server-cannot-watch") == [
        ("pod", HopState.PASSES),
        ("Service", HopState.PASSES),
        ("egress policy", HopState.BREAKS),
        ("network", HopState.NOT_REACHED),
        ("backend", HopState.NOT_REACHED),
    ]
    assert ("ingress policy", HopState.BREAKS) in way("orders-to-ledger")
    assert ("ingress policy", HopState.BREAKS) in way("reports-to-warehouse")


@pytest.mark.parametrize("name", names())
def test_no_hop_behind_the_one_that_stops_the_packets_is_called_good(name: str):
    states = [state for _, state in way(name)]
    behind = states[states.index(HopState.BREAKS) + 1 :] if HopState.BREAKS in states else []

    assert set(behind) <= {HopState.NOT_REACHED, HopState.FAILS}
    assert len(states) <= MOST_HOPS


def test_what_the_packets_get_through_with_losses_does_not_stop_them():
    assert ("network", HopState.SPOILS) in way("gallery-to-media")
    assert ("backend", HopState.PASSES) in way("gallery-to-media")


def test_a_second_policy_that_drops_is_shown_although_no_packet_has_reached_it():
    assert ("ingress policy", HopState.FAILS) in way("checkout-to-bank")


def test_dns_and_service_are_hops_only_where_the_question_has_them():
    assert {title for title, _ in way("fx-to-rates")} == {"pod", "egress policy", "network", "backend"}
    assert "DNS" in dict(way("worker-to-queue"))


def test_a_healthy_way_breaks_nowhere():
    assert breaking_hop(HEALTHY) == ""
    assert "breaks" not in picture.alt(HEALTHY)


def test_the_picture_in_words_says_where_it_breaks_and_what_was_dropped_when():
    assert picture.alt(diagnosis_of("billing-to-tax")) == (
        "The way of the packets breaks at: egress policy. Way of billing/billing-5b45c959d5-5682z: pod: passes; DNS: "
        "passes; Service: passes; egress policy: breaks here; network: not reached; backend: not reached. 9 packets to "
        "tax-5fb9d9d4dc-9kqqs TCP 8080 dropped from 21:16:21 to 21:16:31 UTC"
    )


def test_the_timeline_shows_drops_and_the_change_that_began_them():
    shown = words(picture.draw(diagnosis_of("billing-to-tax")))

    assert "9 packets dropped" in shown
    assert "billing-boundary created 21:16:21" in shown


def test_of_two_changes_the_newer_is_named():
    assert "gateway changed 21:13:37" in words(picture.draw(diagnosis_of("mobile-to-gateway")))


def test_of_several_hops_that_fail_one_is_the_cause_in_the_picture_and_in_words():
    it = diagnosis_of("planner-to-roster")

    assert [each.sign for each in hops(it) if each.sign.startswith("✗")] == [
        "✗ fails, too",
        "✗ fails, too",
        "✗ breaks here",
    ]
    assert "DNS: fails, too; Service: fails, too; egress policy: passes; network: breaks here" in picture.alt(it)


def test_a_name_too_long_for_its_box_keeps_the_end_that_tells_pods_apart():
    shown = words(picture.draw(diagnosis_of("checkout-to-bank")))

    (pod,) = [each for each in shown if each.startswith("checkout-") and "…" in each]
    assert pod.endswith("qb72b")
    assert len(pod) < len("checkout-5df9dc997b-qb72b")


def test_the_title_keeps_the_peer_where_the_pod_is_cut():
    title = words(picture.draw(diagnosis_of("api-server-cannot-watch")))[0]

    assert "…" in title
    assert title.endswith(" → 10.96.0.1:443")


def test_a_connection_without_a_drop_is_told_so_in_words():
    assert words(picture.draw(diagnosis_of("search-to-index"))).count("no drop") == 2


def test_a_state_is_a_word_and_not_a_colour_alone():
    shown = words(picture.draw(diagnosis_of("orders-to-ledger")))

    assert [each for each in shown if each[0] in "✓✗?–"] == [
        "✓ passes",
        "✓ passes",
        "✓ passes",
        "? undecided",
        "✗ breaks here",
        "– not reached",
    ]


@pytest.mark.parametrize("name", names())
def test_no_word_is_smaller_than_a_telephone_can_show(name: str):
    svg = ElementTree.fromstring(picture.draw(diagnosis_of(name)))

    assert min(int(each.attrib["font-size"]) for each in svg.iter(TEXT)) >= SMALLEST * picture.WIDTH / PHONE


@pytest.mark.parametrize("name", names())
def test_every_recorded_incident_can_be_drawn(name: str):
    svg = picture.draw(diagnosis_of(name))

    assert words(svg)
    assert 0 < len(picture.alt(diagnosis_of(name))) <= 1100


def test_the_picture_is_a_png_of_twice_the_size():
    made = picture.png(picture.draw(DENIED))

    assert made[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", made[16:20]) == (2 * picture.WIDTH,)


def test_the_process_that_serves_never_loads_what_draws_pixels():
    """resvg holds the interpreter's lock for as long as it draws."""
    asked = (
        'import sys; from bot.report import picture; made = picture.png(\'<svg xmlns="http://www.w3.org/2000/svg" '
        "width=\"9\" height=\"9\"/>'); print(made[:4] == b'\\x89PNG', 'resvg_py' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)

    assert said.stdout.split() == ["True", "False"]


def test_what_cannot_be_drawn_is_one_line_without_a_trace():
    with pytest.raises(picture.CannotDraw) as why:
        picture.png("this is no SVG")

    assert "\n" not in str(why.value)
    assert "Traceback" not in str(why.value)


def test_where_no_process_can_be_started_there_is_no_picture_and_nothing_else_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "/no/python/here")

    with pytest.raises(picture.CannotDraw, match="FileNotFoundError"):
        picture.png(picture.draw(DENIED))


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
    evidence = {"E1": Evidence("hubble.capture_flows", Sight.SEEN, RecordedFacts("", rows))}

    assert words(picture.draw(replace(DENIED, evidence=evidence)))
