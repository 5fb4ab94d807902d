"""Makes rings of a recording: every flow goes back to the node that reported it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from lab.observer.ring import Ring, by_time
from sensors.hubble.pb.cilium.observer.observer_pb2 import GetFlowsResponse

LINE_KINDS = ("flow", "lost_events")


def messages_of(path: Path) -> list[Any]:
    """The flows and lost events of a `hubble observe -o jsonpb` file, or of a case folder.

    Raises `OSError`, and `ValueError` naming the line that is no such message.
    """
    file = next((each for each in (path / "flows.jsonl", path / "flows.jsonl.gz") if each.is_file()), path)
    stat = file.stat()
    return [GetFlowsResponse.FromString(each) for each in _on_the_wire(file, stat.st_mtime_ns, stat.st_size)]


@lru_cache(maxsize=32)
def _on_the_wire(file: Path, written_ns: int, size: int) -> tuple[bytes, ...]:
    """Messages as a relay would send them: parsed from JSON once, as long as the file stays as it is."""
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as lines:
        return tuple(each.SerializeToString() for each in _messages(lines, file))


def _messages(lines: Iterable[bytes], file: Path) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
            if any(kind in said for kind in LINE_KINDS):
                yield json_format.ParseDict(said, GetFlowsResponse(), ignore_unknown_fields=True)
        except (ValueError, TypeError, json_format.ParseError) as why:
            raise ValueError(f"{file}, line {number}: {why}") from None


def rings_of(messages: Iterable[Any]) -> list[Ring]:
    """One ring per node, each in order of time."""
    sorted_out: dict[str, list[Any]] = {}
    for each in messages:
        sorted_out.setdefault(each.node_name or each.flow.node_name, []).append(each)
    return [Ring(node, by_time(told)) for node, told in sorted(sorted_out.items())]
