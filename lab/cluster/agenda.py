"""The lab's time: what is due happens in order, and nobody has to wait for it.

With a hand clock time moves by `advance`; at a desk `run_until` is called with the wall clock's word.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

Action = Callable[[], None]


class Agenda:
    """Appointments and the present moment (UTC)."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self._due: list[tuple[datetime, int, Action]] = []
        self._number = count()

    def after(self, seconds: float, action: Action) -> None:
        heapq.heappush(self._due, (self.now + timedelta(seconds=seconds), next(self._number), action))

    def advance(self, seconds: float) -> None:
        self.run_until(self.now + timedelta(seconds=seconds))

    def run_until(self, moment: datetime) -> None:
        """Do all that is due until then; appointments made on the way count."""
        while self._due and self._due[0][0] <= moment:
            when, _, action = heapq.heappop(self._due)
            self.now = max(self.now, when)
            action()
        self.now = max(self.now, moment)
