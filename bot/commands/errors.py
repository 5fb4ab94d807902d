"""Every error as one line on stderr that says what to do next, and as the exit code a script can rely on."""

from __future__ import annotations

import click
from sensors.kit.resolve import NoSuchPod

from bot.commands.investigate import COULD_NOT_LOOK, USAGE, UsageMistake
from bot.commands.plugins import NoSuchFlow
from bot.report.clean import clean
from flows.load import BadFlow
from sensors.kit import Blind
from sensors.kit.casefolder import BadCase

MISTAKES = (UsageMistake, NoSuchFlow, BadFlow, BadCase, NoSuchPod)


def line_of(why: Exception) -> str:
    """What to tell a person. Words of a cluster or a file pass through `clean`."""
    if isinstance(why, click.UsageError):
        return clean(_usage(why))
    if isinstance(why, click.ClickException):
        return clean(why.format_message())
    if isinstance(why, Blind):
        return clean(f"could not look: {why}")
    if isinstance(why, MISTAKES):
        return clean(why)
    if isinstance(why, OSError):
        return clean(f"{why.filename or 'reading or writing'}: {why.strerror or why}")
    return clean(f"internal error: {type(why).__name__}: {why}; run again with --debug")


def code_of(why: Exception) -> int:
    """2 for what the caller can mend, 3 for what could not be looked at, and for our own faults."""
    if isinstance(why, (click.UsageError, OSError, *MISTAKES)):
        return USAGE
    return COULD_NOT_LOOK


def _usage(why: click.UsageError) -> str:
    context = why.ctx
    command = context.command_path if context else "kai"
    return f"{why.format_message().rstrip('.')} ({command} --help shows how)"
