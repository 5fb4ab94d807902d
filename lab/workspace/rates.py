"""Rate limits of an app: Slack's tiers, as buckets that refill."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lab.workspace.clock import WorkspaceClock

# calls per minute; tier 0 is chat.postMessage: one message per second and channel, short bursts tolerated
TIERS = {0: 60.0, 1: 1.0, 2: 20.0, 3: 50.0, 4: 100.0}
BURST = {0: 4.0, 1: 10.0, 2: 20.0, 3: 50.0, 4: 100.0}


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """Off by default. `storm` calls are refused whatever the buckets hold."""

    def __init__(self, clock: WorkspaceClock, on: bool = False) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, ...], _Bucket] = {}
        self.on = on
        self.storm = 0
        self.storm_seconds = 1

    def wait(self, app: str, method: str, tier: int, channel: str) -> int | None:
        """Seconds for the Retry-After header; None when the call may go on."""
        if self.storm > 0:
            self.storm -= 1
            return self.storm_seconds
        if not self.on:
            return None
        key = (app, method, channel) if tier == 0 else (app, method)
        return self._take(key, TIERS[tier] / 60.0, BURST[tier])

    def _take(self, key: tuple[str, ...], per_second: float, burst: float) -> int | None:
        now = self._clock.now()
        bucket = self._buckets.setdefault(key, _Bucket(burst, now))
        bucket.left = min(burst, bucket.left + (now - bucket.at) * per_second)
        bucket.at = now
        if bucket.left >= 1:
            bucket.left -= 1
            return None
        return max(1, math.ceil((1 - bucket.left) / per_second))
