"""Starts desks in processes of their own and kills them at random moments; then counts what was said."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bot.store import Investigation, Message, StoredVerdict
from bot.store.store import open_store
from tests.bot.desk.actors import read_posts

ROOT = Path(__file__).parents[3]


@dataclass
class Killer:
    """`replicas` desks on one database, of which one is killed at a time. Times are in seconds."""

    url: str
    folder: Path
    count: int
    replicas: int = 1
    shortest: float = 0.2
    longest: float = 4.0
    poison: str = ""
    die: str = ""

    def run(self, kills: int, within: float, seed: int) -> int:
        """How many were killed alive; the rest of the time belongs to the desks. Fails when they do not end."""
        chance, killed = random.Random(seed), 0
        until = time.monotonic() + within
        desks = [self._start() for _ in range(self.replicas)]
        while not (self.folder / "done").exists():
            assert time.monotonic() < until, f"not done within {within} s"
            victim = chance.randrange(len(desks))
            pause = chance.uniform(self.shortest, self.longest) if killed < kills else 0.2
            if self._ends(desks[victim], pause):
                desks[victim] = self._start()
            elif killed < kills:
                desks[victim].send_signal(signal.SIGKILL)
                desks[victim].wait()
                killed += 1
                desks[victim] = self._start()
        for each in desks:
            each.terminate()
            each.wait()
        return killed

    def _ends(self, desk: subprocess.Popen[bytes], pause: float) -> bool:
        """Did it end by itself? Only the last start does, or one that met what it dies of."""
        try:
            code = desk.wait(pause)
        except subprocess.TimeoutExpired:
            return False
        assert code == 0 or (self.poison and code == 9) or (self.die and code == -9), (
            f"a desk ended with {code}: {self._log()}"
        )
        return True

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.bot.desk.child", self.url, str(self.folder), str(self.count)]
        with (self.folder / "log").open("ab") as log:
            surroundings = {**os.environ, "POISON_POD": self.poison, "DIE": self.die}
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=surroundings)

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]


@dataclass(frozen=True)
class Aftermath:
    """What is remembered, and how often each message was said."""

    rows: tuple[tuple[Investigation, StoredVerdict | None], ...]
    messages: tuple[Message, ...]
    said: Counter[str]
    causes: dict[str, set[str]]

    @property
    def states(self) -> Counter[str]:
        return Counter(it.state.value for it, _ in self.rows)


async def aftermath(url: str, posts: Path) -> Aftermath:
    async with open_store(url) as store:
        rows = await store.investigations.recent(1000)
        messages = [each for it, _ in rows for each in await store.messages.of(it.id)]
    causes: dict[str, set[str]] = {}
    lines = read_posts(posts)
    for line in lines:
        causes.setdefault(line["pod"], set()).add(line["cause"])
    return Aftermath(rows, tuple(messages), Counter(line["key"] for line in lines), causes)
