"""Bolt passes arguments by name, and an unknown name as None with a warning only: so the names are checked here."""

from __future__ import annotations

import inspect

from slack_bolt.kwargs_injection.async_args import AsyncArgs

from bot.slack.listeners import Listeners

KNOWN = set(inspect.signature(AsyncArgs.__init__).parameters) | {"error"}
REGISTERED = (
    *("command", "mention", "message", "shortcut", "submitted", "namespaces", "pods", "no_options"),
    *("action", "home", "ignored", "failed"),
)


def test_every_listener_names_only_arguments_that_bolt_knows():
    for name in REGISTERED:
        parameters = inspect.signature(getattr(Listeners, name)).parameters.values()

        assert {each.name for each in parameters} - {"self"} <= KNOWN, name
        assert all(each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for each in parameters), name


def test_every_listener_that_is_registered_is_checked():
    source = inspect.getsource(Listeners.register)

    assert [name for name in REGISTERED if f"self.{name})" not in source] == []
    assert source.count("(self.") == len(REGISTERED) + 1  # `ignored` stands twice
