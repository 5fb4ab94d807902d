"""Every error as one line on stderr that says what to do next, and as the exit code a script can rely on.

Light on purpose: whatever else is broken, this must still be able to speak.
"""

from __future__ import annotations

import click

from bot.report.sanitize import clean

NO_FAULT, FAULT, USAGE, COULD_NOT_LOOK = 0, 1, 2, 3


class UsageMistake(ValueError):
    """Mistake in a request or its options. The message is one line that says what to do instead."""


class BadSettings(UsageMistake):
    """KAI cannot be started like this. The message is one line that names the setting and what it should be."""


class CouldNotLook(Exception):
    """There is no way to look at the pod at all. The message says why."""


def line_of(why: Exception) -> str:
    """Message for a person. Words of a cluster or a file are washed."""
    if isinstance(why, click.UsageError):
        return clean(_usage(why))
    if isinstance(why, OSError):
        return clean(f"{why.filename or 'reading or writing'}: {why.strerror or why}")
    if isinstance(why, (UsageMistake, CouldNotLook, click.ClickException)):
        return clean(why)
    return clean(f"internal error: {type(why).__name__}: {why}; run again with --debug")


def code_of(why: Exception) -> int:
    """2 for what the caller can mend; 3 for what could not be looked at, our own faults among it."""
    return USAGE if isinstance(why, (click.ClickException, OSError, UsageMistake)) else COULD_NOT_LOOK


def _usage(why: click.UsageError) -> str:
    command = why.ctx.command_path if why.ctx else "kai"
    return f"{why.format_message().rstrip('.')} ({command} --help shows how)"
