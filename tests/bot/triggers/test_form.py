"""The form: what was filled in, or what is wrong by field."""

from __future__ import annotations

from bot.triggers.commands import Investigate
from bot.triggers.form import NAMESPACE, POD, SINCE, TO, TRIGGER
from bot.triggers.trigger import Nothing


def view(**said: str):
    names = {"namespace": NAMESPACE, "pod": POD, "to": TO, "since": SINCE}
    return {"state": {"values": {names[key]: {names[key]: {"value": value}} for key, value in said.items()}}}


def test_a_form_that_is_complete_is_a_request():
    said = TRIGGER.read(view(namespace="shop", pod="web", to="payments.prod:8080", since="15m"))

    assert isinstance(said, Investigate)
    assert (said.pod, said.namespace, said.to_host, said.to_port) == ("web", "shop", "payments.prod", 8080)


def test_what_is_chosen_from_the_list_counts_as_typed():
    chosen = {
        "state": {
            "values": {POD: {POD: {"selected_option": {"value": "web"}}}, **view(namespace="shop")["state"]["values"]}
        }
    }

    assert TRIGGER.read(chosen) == Investigate("web", "shop")


def test_what_is_missing_or_wrong_is_said_at_its_field():
    said = TRIGGER.read(view(pod="$(id)", since="soon"))

    assert isinstance(said, Nothing)
    assert said.fields is not None
    assert set(said.fields) == {POD, NAMESPACE, SINCE}
    assert said.fields[NAMESPACE] == "This is needed."
