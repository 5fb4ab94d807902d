"""How fast are hubble flows read? 100,000 lines into connections, and the decoders compared.

    python bench/flows.py [--lines N]

The input is synthetic repetition of real lines: the captures in tests/captures/hubble again and again, each copy with
its own uuid, time and client port, so that nothing is a duplicate and every copy is an attempt of its own.
Each measurement runs in a process of its own; the figures are the best of three.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensors.hubble.question import FlowQuestion

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
CAPTURES = ROOT / "tests" / "captures" / "hubble"
BEGIN = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)

UUID = re.compile(rb'"uuid": ?"[^"]*"')
TIME = re.compile(rb'"time": ?"[^"]*"')
CLIENT_PORT = re.compile(rb'_port": ?(3[3-9]|4\d|5\d)\d{3}\b')


def synthetic(count: int) -> Iterator[bytes]:
    """`count` lines, no two the same flow."""
    real = [line for path in sorted(CAPTURES.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    real = [line for line in real if line.startswith(b'{"flow":') and b"_port" in line]
    for number, line in enumerate(islice(cycle(real), count)):
        when = (BEGIN + timedelta(milliseconds=number)).isoformat(timespec="microseconds").removesuffix("+00:00")
        line = UUID.sub(b'"uuid":"%08x-0000-4000-8000-000000000000"' % number, line)
        line = TIME.sub(f'"time":"{when}123Z"'.encode(), line)
        yield CLIENT_PORT.sub(b'_port":%d' % (33000 + number % 27000), line) + b"\n"


def write(path: Path, count: int) -> None:
    with path.open("wb") as file:
        file.writelines(synthetic(count))


# -- what is measured, each in its own process ------------------------------------------------------------------------


def everything(path: Path) -> str:
    """The product's own path: file to connections, nothing left out of the question."""
    from sensors.hubble.question import FlowQuestion

    return told(path, FlowQuestion(last=0))


def one_pod(path: Path) -> str:
    """The usual question: one pod among many, its last 1000 flows per node, its drops and all others'."""
    from sensors.hubble.question import FlowQuestion

    return told(path, FlowQuestion("payments", "checkout-5cbb5c598f-jvc48"))


def told(path: Path, question: FlowQuestion) -> str:
    """What comes of a question, read by two processes as the product reads a file of this size."""
    from sensors.hubble.halves import gather_in_halves

    with path.open("rb") as file:
        gathered = gather_in_halves(file.fileno(), question, lambda: True, 120.0)
    if gathered is None:
        raise SystemExit("not read by two processes: too small a file, or one core only")
    found = gathered.own.all()
    attempts = sum(each.attempts for each in found)
    return f"{gathered.own.flows} flows, {attempts} attempts, {len(found) + len(gathered.others.all())} connections"


def one_process(path: Path) -> str:
    """Every flow into connections, as a file is read that one process reads alone."""
    from sensors.hubble.gathered import Gathered
    from sensors.hubble.lines import FlowQuestion, read_flow_lines

    gathered = Gathered(FlowQuestion(last=0))
    for batch in read_flow_lines(path, gathered.question):
        gathered.take(batch)
    return f"{gathered.own.flows} flows, {len(gathered.own.all())} connections"


def reading(path: Path) -> str:
    from sensors.hubble.lines import FlowQuestion, read_flow_lines

    return f"{sum(len(batch) for batch in read_flow_lines(path, FlowQuestion(last=0)))} messages"


def typed(path: Path) -> str:
    from sensors.hubble.decoding import _decode

    return each_line(path, _decode)


def untyped(path: Path) -> str:
    import msgspec

    return each_line(path, msgspec.json.Decoder().decode)


def standard(path: Path) -> str:
    return each_line(path, json.loads)


def orjson(path: Path) -> str:
    try:
        import orjson as module  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return "not installed"
    return each_line(path, module.loads)


def protobuf(path: Path) -> str:
    """A twentieth of the lines, for it takes long: what the official stubs would cost."""
    from google.protobuf.json_format import Parse

    from sensors.hubble.pb.cilium.observer import observer_pb2

    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            if number % 20 == 0:
                Parse(line, observer_pb2.GetFlowsResponse(), ignore_unknown_fields=True)
    return "a twentieth of the lines"


def each_line(path: Path, decode: Callable[[bytes], object]) -> str:
    count = 0
    with path.open("rb") as lines:
        for line in lines:
            decode(line)
            count += 1
    return f"{count} lines decoded"


MEASURED: dict[str, tuple[str, Callable[[Path], str]]] = {
    "all": ("read, filter, gather: every flow asked for", everything),
    "pod": ("read, filter, gather: one pod", one_pod),
    "alone": ("the same by one process: every flow", one_process),
    "read": ("read into records", reading),
    "typed": ("decode only: msgspec, typed (ours)", typed),
    "untyped": ("decode only: msgspec, into dicts", untyped),
    "orjson": ("decode only: orjson", orjson),
    "json": ("decode only: json of the standard library", standard),
    "protobuf": ("decode only: protobuf's json_format", protobuf),
}


def measure(name: str, path: Path) -> None:
    """In the child: run one, print seconds, peak memory in MB (with its helper's) and what it did."""
    import resource

    began = time.perf_counter()
    did = MEASURED[name][1](path)
    took = time.perf_counter() - began
    kilobytes = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps([took, kilobytes / 1024, did]))


def beside(path: Path, lines: int, runs: int = 3) -> dict[str, float]:
    """Whole processes, Python's start included, in turns: KAI and the hubble CLI on the same file, seconds of each."""
    from bench.own_time import wall
    from tests.cluster.binaries import hubble

    observe = [str(hubble()), "observe", "--input-file", str(path), "--last", str(lines)]
    mine = [sys.executable, __file__, "--file", str(path), "--measure"]
    pod = "payments/checkout-5cbb5c598f-jvc48"
    commands = {
        "kai all": [*mine, "all"],
        "hubble all": observe,
        "kai pod": [*mine, "pod"],
        "hubble pod": [*observe, "--pod", pod],
    }
    rounds = [{name: wall(command) for name, command in commands.items()} for _ in range(runs)]
    return {name: min(each[name] for each in rounds) for name in commands}


def best_of(name: str, path: Path, runs: int = 3) -> list[object]:
    command = [sys.executable, __file__, "--measure", name, "--file", str(path)]
    results = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(runs)]
    return min(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--measure", choices=MEASURED, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        measure(asked.measure, asked.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flows.jsonl"
        write(path, asked.lines)
        print(f"{asked.lines} lines (synthetic repetition of real ones), {path.stat().st_size / 1e6:.0f} MB")
        for name, (title, _) in MEASURED.items():
            seconds, memory, did = best_of(name, path)
            print(f"{title:45} {seconds:6.2f} s {memory:5.0f} MB   {did}")
        for name, seconds in beside(path, asked.lines).items():
            print(f"{name:45} {seconds:6.2f} s, {asked.lines / seconds:,.0f} flows/s")


if __name__ == "__main__":
    main()
