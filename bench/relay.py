"""How fast is the relay read? Protobuf into records alone, and whole looks over a real socket.

    python bench/relay.py [--flows N]

The messages are those of a recorded incident, again and again, told apart by uuid. The relay is lab.observer in a
process of its own; as it is Python too, its speed bounds that of the stream. Figures are the best of three.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from google.protobuf import json_format

from lab.observer import Node, ObserverServer, Ring, nodes_of
from sensors.access.relay import Relay, RelayConfig, RelayLimits
from sensors.access.relay.conversion import read_response
from sensors.hubble.decoding import read_line
from sensors.hubble.lines import FlowQuestion, HubbleFlow
from sensors.hubble.wire import messages

CASE = Path(__file__).resolve().parents[1] / "lab" / "cases" / "checkout-to-bank"
POD = FlowQuestion("checkout", "checkout-5df9dc997b-qb72b", last=0, others=False)


def node_with(count: int) -> Node:
    """A node with `count` flows of one pod."""
    about = [each for each in nodes_of(CASE)[0].ring.messages if each.flow.source.pod_name == POD.pod]
    ring = Ring("lab1")
    for number in range(count):
        other = type(about[0]).FromString(about[number % len(about)].SerializeToString())
        other.flow.uuid = f"{number:08x}-0000-4000-8000-000000000000"
        ring.messages.append(other)
    return Node(ring)


def best_rate(work: Callable[[], int]) -> float:
    """Messages per second, the best of three."""
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        count = work()
        rates.append(count / (time.perf_counter() - began))
    return max(rates)


def conversion(count: int) -> None:
    told = node_with(count).ring.messages
    raw = [each.SerializeToString() for each in told]
    lines = [json_format.MessageToJson(each, preserving_proto_field_name=True, indent=None).encode() for each in told]
    assert read_response(raw[0]) == messages(read_line(lines[0]))  # type: ignore[arg-type]
    over_grpc = best_rate(lambda: sum(len(read_response(each) or ()) for each in raw))
    from_json = best_rate(lambda: sum(len(messages(line)) for each in lines if (line := read_line(each))))
    print(f"protobuf into records  {over_grpc:9,.0f} /s   {len(raw[0])} bytes each")
    print(f"JSON into records      {from_json:9,.0f} /s   {len(lines[0])} bytes each, the same flows from a file")


async def stream(address: str, count: int) -> None:
    """One look that brings `count` flows, while another task ticks."""
    ticking = asyncio.create_task(longest_gap())
    began, arrived = time.perf_counter(), 0
    relay = Relay(RelayConfig(address), RelayLimits(follow=0, within=120, settling=0, most_messages=10 * count))
    async for batch in relay.hubble_flows(POD):
        arrived += sum(isinstance(each, HubbleFlow) for each in batch)
    took = time.perf_counter() - began
    ticking.cancel()
    print(f"over a socket          {arrived / took:9,.0f} /s   {arrived} flows in {took:.1f} s")
    print(f"  the loop was blocked for {await ticking * 1000:.0f} ms at most")


async def usual_look(address: str) -> None:
    """A look as an investigation makes it, without its two seconds of listening."""
    relay = Relay(RelayConfig(address), replace(RelayLimits(), follow=0.0))
    began = time.perf_counter()
    flows = 0
    async for batch in relay.hubble_flows(replace(POD, last=1000, others=True)):
        flows += sum(isinstance(each, HubbleFlow) for each in batch)
    print(f"a usual look           {flows} flows in {time.perf_counter() - began:.2f} s, six questions")


async def longest_gap() -> float:
    longest, last = 0.0, time.perf_counter()
    try:
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return longest


async def serve(count: int) -> None:
    async with ObserverServer([node_with(count)]) as server:
        print(server.address, flush=True)
        await asyncio.Event().wait()


def against_a_relay(count: int) -> None:
    command = [sys.executable, __file__, "--serve", "--flows", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        before = peak_mb()
        asyncio.run(stream(address, count))
        print(f"  peak memory grew by {peak_mb() - before:.0f} MB")
        asyncio.run(usual_look(address))
        server.terminate()


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast is the relay read?")
    parser.add_argument("--flows", type=int, default=20_000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(serve(asked.flows))
        return
    against_a_relay(asked.flows)
    conversion(5_000)


if __name__ == "__main__":
    main()
