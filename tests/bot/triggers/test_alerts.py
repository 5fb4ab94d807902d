"""Which trigger reads what comes in; and whatever comes in, none crashes and none invents a name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.store import OriginKind
from bot.triggers.alert import Alert
from bot.triggers.alert_labels import KNOWN
from bot.triggers.alerts import MESSAGES, WEBHOOKS, message_trigger, webhook_of
from bot.triggers.catalog import triggers
from bot.triggers.commands import Command
from bot.triggers.trigger import Nothing
from tests.bot.triggers.payloads import FOLDER, payload
from tests.kit.sampling import examples

ALL = sorted(each.stem for each in FOLDER.glob("*.json"))
ALERTS = {name: each for name, each in triggers().items() if each.origin is OriginKind.ALERT}
OF_ALERTMANAGER = {"alertmanager_firing": "alertmanager", "alertmanager_resolved": "alertmanager"}


@pytest.mark.parametrize("name", ALL)
def test_each_payload_is_read_by_the_trigger_of_its_sender(name: str):
    said = payload(name)

    found = (webhook_of(said) or message_trigger(said)).id

    usual = "alertmanager_message" if name.startswith(("alertmanager_message", "edited")) else name
    assert found == OF_ALERTMANAGER.get(name, usual)


def test_every_alert_trigger_has_its_turn():
    assert set(ALERTS) == {*WEBHOOKS, *MESSAGES, "plain_message"}


@pytest.mark.parametrize("said", [{}, {"alerts": 1}, {"text": "hello"}, {"event": []}])
def test_a_body_of_no_known_form_is_nobody_s_webhook(said: dict[str, Any]):
    assert webhook_of(said) is None


WORDS = st.one_of(
    st.text(max_size=40), st.sampled_from(["shop", "web-1", "firing", "10.0.0.1:443", "https://x.example"])
)
KEYS = st.sampled_from(
    [
        *KNOWN,
        *(
            "alerts",
            "labels",
            "annotations",
            "status",
            "startsAt",
            "groupLabels",
            "commonLabels",
            "event",
            "data",
            "id",
        ),
        *("event_type", "title", "body", "details", "text", "blocks", "attachments", "fields", "value", "message"),
        *("alert_transition", "alert_id", "tags", "alert_scope", "title_link", "username", "bot_profile", "subtype"),
    ]
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=25,
)
PAYLOADS = st.dictionaries(KEYS, JSON, max_size=8)
FORMS = st.fixed_dictionaries({"state": st.fixed_dictionaries({"values": st.dictionaries(KEYS, JSON, max_size=4)})})


def everything_in(value: Any) -> str:
    """All texts of a payload, one after the other."""
    if isinstance(value, dict):
        return "\n".join(f"{name}\n{everything_in(each)}" for name, each in value.items())
    return "\n".join(map(everything_in, value)) if isinstance(value, list) else str(value)


def check(name: str, said: dict[str, Any]) -> None:
    for each in ALERTS[name].split(said):
        ALERTS[name].fits(each)
        found = ALERTS[name].read(each)
        assert isinstance(found, Alert | Nothing)
        if isinstance(found, Alert):
            text = everything_in(each)
            names = [part for meant in found.meant for part in (meant.name.rpartition("/")[2], meant.namespace)]
            assert [part for part in names if part not in text] == []
            assert found.peer is None or found.peer.host in text
            assert len(found.words) <= 4000
            assert len(found.labels) <= 130


OTHERS = sorted({*triggers()} - {*ALERTS})


@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=examples(150), deadline=None)
@given(said=PAYLOADS | FORMS)
def test_whatever_a_person_sends_is_a_command_or_the_reason_why_none(name: str, said: dict[str, Any]):
    found = triggers()[name].read(said)

    assert isinstance(found, Nothing | Command)


@pytest.mark.parametrize("name", sorted(ALERTS))
@settings(max_examples=examples(150), deadline=None)
@given(said=PAYLOADS)
def test_whatever_comes_in_nothing_crashes_and_no_name_is_invented(name: str, said: dict[str, Any]):
    check(name, said)


@pytest.mark.parametrize("name", sorted(ALERTS))
@settings(max_examples=examples(40), deadline=None)
@given(data=st.data())
def test_a_real_payload_with_any_part_of_it_replaced_is_read_or_refused(name: str, data: st.DataObject):
    said = (
        payload(name) if name in ALL else payload("alertmanager_firing" if name == "alertmanager" else f"{name}_firing")
    )
    place: Any = said
    for _ in range(data.draw(st.integers(1, 5))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place))) if isinstance(place, list) else []
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()) or not isinstance(place[key], dict | list):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    check(name, json.loads(json.dumps(said)))
