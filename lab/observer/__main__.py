"""Serves a recording as a relay would: `python -m lab.observer DIR --port 4245`, then `hubble observe` or `kai`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from lab.observer.server import ObserverServer, nodes_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.observer", description="A hubble-relay in a box.")
    parser.add_argument("recording", type=Path, help="a case folder, or a file of `hubble observe -o jsonpb` lines")
    parser.add_argument("--port", type=int, default=4245)
    parser.add_argument("--away", action="append", default=[], metavar="NODE", help="a node that is not connected")
    asked = parser.parse_args()
    try:
        asyncio.run(serve(asked.recording, asked.port, frozenset(asked.away)))
    except (OSError, ValueError, RuntimeError) as why:
        print(f"{parser.prog}: {why}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        pass
    return 0


async def serve(recording: Path, port: int, away: frozenset[str]) -> None:
    nodes = nodes_of(recording)
    for each in nodes:
        each.is_connected = each.name not in away
    async with ObserverServer(nodes, port=port) as server:
        told = ", ".join(f"{each.name} ({len(each.ring.messages)})" for each in nodes)
        print(f"listening on {server.address} for {told}", flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
