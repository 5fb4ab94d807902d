"""The one net under all sensors: whatever happens, evidence comes back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from sensors.kit.cluster import Cluster
from sensors.kit.model import Absent, Blind, Evidence, Sensor, Sight, Target

log = logging.getLogger(__name__)


async def observe(
    sensor: Sensor,
    target: Target,
    cluster: Cluster,
    settings: Mapping[str, Any] | None = None,
    *,
    within: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Evidence:
    """Look once, and always come back with evidence, if only of our blindness.

    `within` (seconds) is what is left of the flow's budget; the shorter of it and the sensor's own limit counts.
    Cancellation is the caller's and passes through.
    """
    limit = sensor.within if within is None else min(sensor.within, max(within, 0.0))
    began = clock()
    sight, facts, why = await _look(sensor, target, cluster, settings or {}, limit)
    return Evidence(sensor.id, sight, facts, why, took_ms=round((clock() - began) * 1000, 1))


async def _look(
    sensor: Sensor, target: Target, cluster: Cluster, settings: Mapping[str, Any], limit: float
) -> tuple[Sight, Any, str]:
    try:
        async with asyncio.timeout(limit):
            facts = await sensor.look(target, cluster, **settings)
        if not isinstance(facts, sensor.gives):
            raise TypeError(f"{sensor.id} gave {type(facts).__name__}, promised {sensor.gives.__name__}")
    except Absent as nothing:
        return Sight.ABSENT, None, str(nothing)
    except Blind as why:
        return Sight.BLIND, None, str(why)
    except TimeoutError:
        return Sight.BLIND, None, f"no answer within {limit:g} s"
    except Exception as bug:  # the one broad net: a broken sensor must not sink the others
        log.debug("sensor %s failed", sensor.id, exc_info=True)
        return Sight.BLIND, None, f"the sensor failed ({type(bug).__name__}: {bug})"
    return Sight.SEEN, facts, ""
