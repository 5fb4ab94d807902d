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
        ("CoreDNS: 30% of queries were not successfully resolved", AlertState.FIRING),
        ("Names of shop are no longer resolved", AlertState.FIRING),
        ("payments.shop is not getting resolved", AlertState.FIRING),
        ("Host unreachable, name can't get resolved", AlertState.FIRING),
        ("Host unreachable, name can’t be properly resolved", AlertState.FIRING),
        ("external names fail to get resolved", AlertState.FIRING),
        ("external names hardly get resolved", AlertState.FIRING),
        ("CoreDNS is unable to have names resolved", AlertState.FIRING),
        ("names of shop cannot be quickly resolved", AlertState.FIRING),
        ("SYN of web-1 is never fully acknowledged by 10.0.0.1:443", AlertState.FIRING),
        ("TCP SYN is no longer acknowledged", AlertState.FIRING),
        ("Names of shop are resolved", AlertState.RESOLVED),
        ("Host unreachable has recovered", AlertState.RESOLVED),
        ("Probe of payments.shop failed has been resolved", AlertState.RESOLVED),
        ("Names of shop cannot be looked up: resolved", AlertState.RESOLVED),
        ("No endpoints for shop/web - Recovered", AlertState.RESOLVED),
        ("Node w1 is not ready (resolved)", AlertState.RESOLVED),
        ("Node w1 is not ready: acknowledged by Alice", AlertState.ACKNOWLEDGED),
        ("#12 was acknowledged by Alice: w1 is not ready", AlertState.ACKNOWLEDGED),
    ],
)
def test_how_an_alert_stands_is_read_from_its_title_and_a_failure_to_resolve_fires(title: str, state: AlertState):
    assert state_of(title) is state


def test_a_message_of_rich_text_alone_has_a_title():
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": "web-1 is "}, {"text": "down"}]}

    assert title_of({"text": "", "blocks": [{"type": "rich_text", "elements": [section]}]}) == "web-1 is down"


@pytest.mark.parametrize(
    "said",
    ["fail " * 4000, "fail" * 5000, "resolved " * 3000, "resolved" + "." * 9000 + "x", ": " * 9000, "[" * 20000],
)
def test_a_state_is_looked_for_in_linear_time(said: str):
    began = process_time()
    state_of(said)

    assert process_time() - began < 1.0


@pytest.mark.parametrize("said", ["pod" + '"' * 3990, "pod " * 1000, "pod: " * 800, "`pod` " * 600])
def test_labels_are_looked_for_in_linear_time(said: str):
    began = process_time()
    labels_in({"text": said})

    assert process_time() - began < 1.0
