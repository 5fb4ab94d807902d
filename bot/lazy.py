"""Commands that are declared here and done elsewhere: `--help` and a mistake in the words import nothing heavy.

Options and arguments are made when a command is looked at: there are three hundred, and `kai --help` needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from importlib import import_module
from typing import Any, TypeAlias, TypeVar

import click

Declare: TypeAlias = Callable[[Callable[..., Any]], click.Command]
Declared = TypeVar("Declared", bound=Callable[..., Any])
LATER = "__kai_parameters__"


class PathType(click.Path):
    """A path as `pathlib` has it, which is not imported before there is one."""

    def coerce_path_result(self, value: Any) -> Any:
        from pathlib import Path

        return Path(value)


PATH = PathType()


def option(*names: str, **settings: Any) -> Callable[[Declared], Declared]:
    """As `click.option`, made when the command is looked at."""
    return partial(_note, partial(click.Option, names, **settings))


def argument(*names: str, **settings: Any) -> Callable[[Declared], Declared]:
    """As `click.argument`, made when the command is looked at."""
    return partial(_note, partial(click.Argument, names, **settings))


def _note(parameter: Callable[[], click.Parameter], declared: Declared) -> Declared:
    declared.__dict__.setdefault(LATER, []).append(parameter)
    return declared


class LazyCommand(click.Command):
    """A command whose parameters are made when they are asked for."""

    later: list[Callable[[], click.Parameter]] = []  # noqa: RUF012 - set for each command

    @property
    def params(self) -> list[click.Parameter]:
        """All parameters, in the order in which they are declared."""
        while self.later:
            self._params.append(self.later.pop()())
        return self._params

    @params.setter
    def params(self, given: list[click.Parameter]) -> None:
        self._params = given


class LazyGroup(click.Group):
    """A group whose commands name what does them; that is imported when a command runs, and only then."""

    command_class = LazyCommand

    def lazy(self, target: str, name: str | None = None, **settings: Any) -> Declare:
        """Declare a command, done by `target` (`module:function`), which gets what was typed by name."""

        def declare(declaration: Callable[..., Any]) -> click.Command:
            @wraps(declaration)
            def run(**typed: Any) -> Any:
                return resolve(target)(**typed)

            run.lazy_target = target  # type: ignore[attr-defined]
            command = self.command(name, **settings)(run)
            command.later = declaration.__dict__.get(LATER, [])  # type: ignore[attr-defined]
            return command

        return declare


def resolve(target: str) -> Callable[..., Any]:
    """The function that `module:function` names."""
    module, _, function = target.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
