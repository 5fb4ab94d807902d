"""Shows progress while KAI looks: which sensors have answered. It leaves no trace, and pipes see nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flows.engine import Concluded, Saw, Watcher, ignore


@contextmanager
def progress(looks: int) -> Iterator[Watcher]:
    """A watcher that shows how many of `looks` sensors have answered, if stderr is a terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield ignore
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("looking…") as status:
        answered: list[str] = []

        async def show(moment: Saw | Concluded) -> None:
            if isinstance(moment, Saw):
                answered.append(moment.evidence.sensor)
                status.update(Text(f"{len(answered)} of {looks} sensors answered, last {answered[-1]}"))

        yield show
