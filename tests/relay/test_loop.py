"""While flows stream in by the ten thousand, everything else in the process goes on."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from dataclasses import replace

from sensors.access.relay import RelayLimits
from tests.relay.world import POD, ROOT, flows_in, relay_at

FLOWS = 10_000
BLOCKED = 0.05  # seconds

SERVER = """
import asyncio
from lab.observer import ObserverServer
from tests.relay.world import repeated
async def serve():
    async with ObserverServer([repeated({flows})]) as server:
        print(server.address, flush=True)
        await asyncio.Event().wait()
asyncio.run(serve())
"""


async def test_the_loop_is_never_blocked_while_ten_thousand_flows_come_in():
    command = [sys.executable, "-c", SERVER.format(flows=FLOWS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:  # noqa: ASYNC220
        assert server.stdout is not None
        address = await asyncio.to_thread(server.stdout.readline)
        gc.collect()
        gc.freeze()  # collecting the test runner's own objects is not what is measured
        ticking = asyncio.create_task(longest_gap())
        count = 0
        pace = RelayLimits(follow=0, within=60.0, settling=0)
        async for batch in relay_at(address.strip(), pace).hubble_flows(replace(POD, last=0, others=False)):
            count += len(flows_in(batch))
        ticking.cancel()
        gc.unfreeze()
        server.terminate()

    assert count == FLOWS
    assert await ticking < BLOCKED


async def longest_gap() -> float:
    """The longest time, of this thread's own CPU, in which this task was not let run."""
    longest, last = 0.0, time.thread_time()
    try:
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest
