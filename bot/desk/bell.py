"""Rings when there is work, for threads that would otherwise look for it again and again.

dbos looks at its queues several times a second, for ever. Where whoever brings work rings, it need not: while work is
about it looks as often as it likes, afterwards it waits for the bell, and looks by itself once in a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BUSY_S = 60.0
"""Seconds after a ring in which looking goes on as usual: what was begun ends, and what waited behind it begins."""

QUIET_S = 10.0
"""Seconds between two looks when nothing rings: a net under a ring that was forgotten."""

GATHER_S = 0.02
"""Seconds in which rings of one moment are gathered into one look."""


class Bell:
    """In place of the event by which dbos ends the threads that look at its queues (`is_set`, `wait`).

    `quiet_s` is what two looks are apart where nothing rings; `is_heard` says whether all who bring work are heard now.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        quiet_s: float = QUIET_S,
        is_heard: Callable[[], bool] = lambda: True,
    ) -> None:
        self._clock, self._quiet_s, self._is_heard = clock, quiet_s, is_heard
        self._changed = threading.Condition()
        self._rings = 0
        self._heard: dict[int, int] = {}
        self._rung_at = clock()
        self._stopped = False

    def ring(self) -> None:
        """There is work, or may be."""
        with self._changed:
            self._rings += 1
            self._rung_at = self._clock()
            self._changed.notify_all()

    @property
    def is_busy(self) -> bool:
        """Work is about, or may be: it rang lately, or nobody would hear a ring."""
        return self._clock() - self._rung_at < BUSY_S or not self._is_heard()

    def set(self) -> None:
        """End all who wait."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def is_set(self) -> bool:
        return self._stopped

    def wait(self, timeout: float | None = None) -> bool:
        """Until it rings, or so long; when nothing has rung for a while, longer. True: it is over."""
        me, usual = threading.get_ident(), timeout or 0.0
        with self._changed:
            rung = self._changed.wait_for(lambda: self._stopped or self._has_rung_for(me), self._for(usual))
            if rung and not self._stopped:
                self._changed.wait_for(self.is_set, GATHER_S)
            self._heard[me] = self._rings
            return self._stopped

    def _has_rung_for(self, thread: int) -> bool:
        return self._rings != self._heard.get(thread, 0)

    def _for(self, usual: float) -> float:
        return usual if self.is_busy else max(usual, self._quiet_s)
