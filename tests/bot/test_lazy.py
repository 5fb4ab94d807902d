"""Every command is declared where it costs nothing, and done by what is really there with those arguments."""

from __future__ import annotations

import inspect

import click
import pytest

from bot.cli import kai
from bot.lazy import LazyGroup, resolve


@pytest.mark.parametrize("name", sorted(kai.commands))
def test_what_does_a_command_takes_every_option_that_is_declared(name: str):
    command = kai.commands[name]
    target = command.callback.lazy_target  # type: ignore[union-attr]
    parameters = inspect.signature(resolve(target)).parameters.values()
    takes = {each.name for each in parameters}
    anything = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    declared = {each.name for each in command.params if each.expose_value}

    assert anything or declared <= takes, (name, declared - takes)
    assert {
        each.name for each in parameters if each.kind is not each.VAR_KEYWORD and each.default is each.empty
    } <= declared


def test_nothing_is_imported_before_the_command_runs():
    group = LazyGroup()

    @group.lazy("no.such.module:work")
    def work() -> None:
        """Do it."""

    assert group.commands["work"].get_short_help_str() == "Do it."
    with pytest.raises(ModuleNotFoundError):
        group.main(["work"], standalone_mode=False)


def test_a_command_gets_what_was_typed_and_gives_back_its_code():
    group = LazyGroup()

    @group.lazy("tests.bot.test_lazy:seven")
    @click.option("--word")
    def work() -> None:
        """Do it."""

    assert group.main(["work", "--word", "seven"], standalone_mode=False) == 7


def seven(word: str) -> int:
    return {"seven": 7}[word]
