"""Commands that are declared here and done elsewhere: `--help` and a mistake in the words import nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Any, TypeAlias

import click

Declare: TypeAlias = Callable[[Callable[..., Any]], click.Command]


class LazyGroup(click.Group):
    """A group whose commands name what does them; that is imported when a command runs, and only then."""

    def lazy(self, target: str, name: str | None = None, **settings: Any) -> Declare:
        """Declare a command, done by `target` (`module:function`), which gets what was typed by name."""

        def declare(declaration: Callable[..., Any]) -> click.Command:
            @wraps(declaration)
            def run(**typed: Any) -> Any:
                return resolve(target)(**typed)

            run.lazy_target = target  # type: ignore[attr-defined]
            return self.command(name, **settings)(run)

        return declare


def resolve(target: str) -> Callable[..., Any]:
    """The function that `module:function` names."""
    module, _, function = target.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
