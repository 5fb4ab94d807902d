"""The message claims no more than was measured, and its button asks the cluster that it is about."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from bot.slack.alert_words import pressed_look
from bot.slack.watch_words import words_of
from bot.triggers.commands import Investigate
from bot.watch.changes import policy_change
from bot.watch.drops import Cut, way_of
from bot.watch.proving import ProvedCut, WayBack
from bot.watch.watch import CutFinding
from sensors.kit import Target
from tests.bot.slack.conftest import text_of
from tests.bot.watch.watching import BEGAN, changed, drop

TARGET = Target("web-1", "shop", "10.0.0.9", 8080, "TCP")


def finding(quiet_s: float = 600, computed: bool = False) -> CutFinding:
    change = policy_change(changed(), BEGAN)
    assert change is not None
    cut = Cut(way_of(drop(BEGAN)), 7, TARGET, timedelta(seconds=quiet_s))
    return CutFinding(change, (cut,), WayBack((ProvedCut(cut, 7, 7, computed),)))


def shown(it: CutFinding, cluster: str = "") -> str:
    return text_of({"text": words_of(it, cluster).text, "blocks": list(words_of(it, cluster).blocks)})


@pytest.mark.parametrize(("quiet_s", "words"), [(31, "none in the 31 seconds"), (600, "none in the 10 minutes")])
def test_the_quiet_time_before_is_said_as_it_was_heard(quiet_s: float, words: str):
    assert f"7 packets dropped since, {words} before; 7 of 7 dropped packets" in shown(finding(quiet_s))


def test_packets_that_hubble_has_forgotten_are_not_said_to_be_replayed():
    assert "Hubble has forgotten them, and by the policies they would pass" in shown(finding(computed=True))
    assert "Hubble remembers" not in shown(finding(computed=True))


@pytest.mark.parametrize(("cluster", "asked"), [("east", "east"), ("default", ""), ("", "")])
def test_the_button_asks_the_cluster_of_the_message(cluster: str, asked: str):
    blocks = json.loads(json.dumps(list(words_of(finding(), cluster).blocks)))
    (value,) = [each["value"] for block in blocks if block["type"] == "actions" for each in block["elements"]]

    assert pressed_look(value) == Investigate("web-1", "shop", "10.0.0.9", 8080, None, "TCP", asked)
