"""Work for the workers of these tests: functions of a module, as every work is."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path

from flows.denials.policy_world import world_of
from flows.model import Case, Missing
from flows.policy import PolicyWorld


def doubled(value: int) -> int:
    return value * 2


def process_id() -> int:
    return os.getpid()


def pid_for(case: Case) -> int:
    """The process that was given this case."""
    assert case.evidence
    return os.getpid()


def environment() -> dict[str, str]:
    return dict(os.environ)


def killed_once(marker: str) -> str:
    """Killed the first time, as by the kernel when memory runs out; done the second time."""
    if Path(marker).exists():
        return "done"
    Path(marker).touch()
    return killed()


def killed() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "unreachable"


def hangs_once(marker: str) -> str:
    if Path(marker).exists():
        return "done"
    Path(marker).touch()
    threading.Event().wait()
    return "unreachable"


def hangs(marker: str) -> None:
    Path(marker).write_text(str(os.getpid()))
    threading.Event().wait()


def prints(words: str) -> str:
    print(words)
    return words


def warns(words: str) -> None:
    logging.getLogger("flows.engine").warning("%s", words)


def misses() -> None:
    raise Missing(Case, "not in the recording")


class Unfit(Exception):
    """An exception that does not survive pickling."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


def unfit() -> None:
    raise Unfit("this", "that")


_WORLDS: list[PolicyWorld] = []


def new_world(case: Case) -> bool:
    """Checks whether the policies of this case were indexed for it, and not for a case before it."""
    world = world_of(case)
    if any(each is world for each in _WORLDS):
        return False
    _WORLDS.append(world)
    return True
