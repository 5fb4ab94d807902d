"""`kai completion`: the script with which a shell completes kai's commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from bot.commands.output import write

VARIABLE = "_KAI_COMPLETE"
"""The variable with which the script asks kai what fits; click answers it before any command runs."""


def completion(shell: str) -> int:
    """Print the script for a shell; nothing is installed."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    maker = kind(click.Group(), {}, "kai", VARIABLE)
    write(f"{maker.source_template % maker.source_vars()}\n")
    return 0
