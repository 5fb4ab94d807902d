"""The alert and the note of every incident that comes with KAI: Slack would take them, and they name the right pod."""

from __future__ import annotations

from functools import cache

import pytest

from bot.triggers import message, slash
from bot.triggers.commands import Fill, Investigate
from lab.demo.alert import alert, command, note, topic
from lab.workspace.limits import check_message
from sensors.access.casefolder import CaseHeader, open_case
from sensors.kit import Target
from tests.demo.conftest import CASES

ALL = sorted(each.name for each in CASES.iterdir() if each.is_dir())


@cache
def of(name: str) -> tuple[CaseHeader, Target]:
    header = open_case(CASES / name).header
    assert header.target is not None
    return header, header.target


@pytest.mark.parametrize("name", ALL)
def test_an_alert_leads_to_its_pod_typed_or_pointed_at(name: str) -> None:
    _, target = of(name)

    typed = slash.parse(command(target).removeprefix("/kai "))

    assert typed == Investigate(target.pod, target.namespace, target.to_host, target.to_port)
    assert message.parse(alert(target)) == Fill(target.pod, target.namespace)


@pytest.mark.parametrize("name", ALL)
def test_slack_would_take_the_alert_and_the_note(name: str) -> None:
    header, target = of(name)
    said = [alert(target), note(name, header, target, ["a path stays as it is"] * 9)]

    assert [check_message({**each, "attachments": each.get("attachments", [])}) for each in said] == [None, None]
    assert len(topic(name)) <= 250


def test_what_cannot_be_simulated_is_said() -> None:
    header, target = of("api-server-cannot-watch")

    with_it, without = note("x", header, target, ["the path to 10.0.0.1 stays narrow"]), note("x", header, target, [])

    assert "stays narrow" in with_it["blocks"][-1]["elements"][0]["text"]
    assert with_it["blocks"][:-1] == without["blocks"]


def test_an_incident_that_was_made_is_not_called_real() -> None:
    _, target = of("api-server-cannot-watch")

    said = note("made", CaseHeader(target=target, synthetic=True), target, [])

    assert "an incident made for trials" in said["blocks"][0]["text"]["text"]
