"""What a person presses below an alert asks for the alert's own cluster and peer."""

from __future__ import annotations

from typing import Any

import pytest

from bot.alerts.notices import SkippedAlert, UnclearAlert
from bot.slack.alert_words import chosen_pod, pressed_look, words_of
from bot.slack.limits import problems
from bot.triggers.commands import Investigate
from sensors.kit import Target
from tests.bot.alerts.alerting import alert

PEERS = [(), ("db.shop", 5432), ("fd00::7", 53, "UDP"), ("10.96.0.1",)]


def whole(*peer: Any) -> tuple[Any, ...]:
    return (*peer, None, None, None)[:3]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("cluster", ["", "prod-eu"])
def test_a_skipped_alert_is_looked_into_in_its_cluster_and_with_its_peer(peer: tuple[Any, ...], cluster: str):
    host, port, protocol = whole(*peer)
    said = words_of(SkippedAlert(alert(), "x", Target("web-1", "shop", host, port, protocol), cluster))

    asked = pressed_look(said.blocks[1]["elements"][0]["value"])

    assert asked == Investigate("web-1", "shop", host, port, None, protocol, cluster)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("cluster", ["", "prod-eu"])
def test_a_chosen_pod_is_looked_into_in_the_alert_s_cluster_and_with_its_peer(peer: tuple[Any, ...], cluster: str):
    host, port, protocol = whole(*peer)
    said = words_of(UnclearAlert(alert(peer=peer), "x", (("shop", "web-1"), ("shop", "web-2")), cluster))
    block = said.blocks[1]

    asked = chosen_pod(block["elements"][0]["options"][1]["value"], block.get("block_id", ""))

    assert problems(said) == ()
    assert asked == Investigate("web-2", "shop", host, port, None, protocol, cluster)


def test_buttons_of_an_earlier_version_and_blocks_that_slack_has_named_are_still_understood():
    old = '{"pod": "web-1", "namespace": "shop", "host": "db.shop", "port": 5432}'

    assert pressed_look(old) == Investigate("web-1", "shop", "db.shop", 5432)
    for block_id in ("", "q7Zx=", "to ", "to [nonsense", "tower"):
        assert chosen_pod("shop/web-1", block_id) == Investigate("web-1", "shop")


def test_a_peer_too_long_for_a_block_leaves_the_choice():
    said = words_of(UnclearAlert(alert(peer=("a" * 260, 1)), "x", (("shop", "web-1"),)))

    assert problems(said) == ()
    assert chosen_pod(said.blocks[1]["elements"][0]["options"][0]["value"]) == Investigate("web-1", "shop")
