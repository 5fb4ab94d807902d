"""What every sender's message has in common: how the alert stands, by its title, and labels by name."""

from __future__ import annotations

from time import process_time

import pytest

from bot.triggers.alert import AlertState
from bot.triggers.alert_message import labels_in, state_of, title_of


@pytest.mark.parametrize(
    ("title", "state"),
    [
        ("[RESOLVED] PodNetwork shop", AlertState.RESOLVED),
        ("[Recovered on {pod_name:web-1}] TCP errors", AlertState.RESOLVED),
        ("Recovered: TCP errors", AlertState.RESOLVED),
        ("Alert resolved: TCP errors", AlertState.RESOLVED),
        ("[P1] The incident has been resolved", AlertState.RESOLVED),
        ("✅ TCP errors", AlertState.RESOLVED),
        (":large_green_circle: API server has recovered", AlertState.RESOLVED),
        ("Acknowledged: TCP errors", AlertState.ACKNOWLEDGED),
        ("#12 was acknowledged by Alice", AlertState.ACKNOWLEDGED),
        ("[FIRING:1, RESOLVED:2] PodNetwork shop", AlertState.FIRING),
        ("payments.shop could not be resolved", AlertState.FIRING),
        ("Host api.shop not resolved: NXDOMAIN", AlertState.FIRING),
        ("Unresolved: api.shop", AlertState.FIRING),
        ("Node w1 has not recovered; web-1 cannot reach 10.0.0.1:443", AlertState.FIRING),
        ("TCP SYN not acknowledged by 10.0.0.1:443", AlertState.FIRING),
        ("It resolved names until noon", AlertState.FIRING),
    ],
)
def test_how_an_alert_stands_is_read_from_its_title_and_a_failure_to_resolve_fires(title: str, state: AlertState):
    assert state_of(title) is state


def test_a_message_of_rich_text_alone_has_a_title():
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": "web-1 is "}, {"text": "down"}]}

    assert title_of({"text": "", "blocks": [{"type": "rich_text", "elements": [section]}]}) == "web-1 is down"


@pytest.mark.parametrize("said", ["pod" + '"' * 3990, "pod " * 1000, "pod: " * 800, "`pod` " * 600])
def test_labels_are_looked_for_in_linear_time(said: str):
    began = process_time()
    labels_in({"text": said})

    assert process_time() - began < 1.0
