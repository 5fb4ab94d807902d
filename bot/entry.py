"""Begins `kai`: nothing heavy is imported before an interrupt, or a stream that is closed, can do no harm."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """The `kai` script. Ctrl-C while it loads, or while it ends, ends it without a trace."""
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
    _open_closed_streams()
    from bot.cli import run
    from bot.interpreter import collect_seldom

    collect_seldom()

    signal.signal(signal.SIGINT, usual)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 is no reason to fail
    code = run(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


def _open_closed_streams() -> None:
    """Opens what a shell has closed (`>&-`) as /dev/null: the exit code still tells the verdict."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for as long as we run
