"""Facts of a case that no object has: attempts that opened, names with their addresses, files.

Everything is read once. Files are served with their moments moved to the present (`Shift`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.cluster.shift import Shift
from lab.observer.recording import messages_of
from sensors.access.casefolder import FLOW_FILES, CaseFolder, open_case
from sensors.kit.kinds import KINDS

AddressPort = tuple[str, int]  # address, TCP port
PodName = tuple[str, str]
Row = Mapping[str, Any]


class RecordedBackend(StrEnum):
    """Backend of a recorded address and port."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "silent"


@dataclass
class ServedRecording:
    """A case folder, ready to be served. `newest` is the moment of its last word."""

    folder: CaseFolder
    messages: list[Any]
    newest: datetime
    away: frozenset[str]
    backends: dict[AddressPort, RecordedBackend] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)  # outside names; () = does not exist
    seen_names: dict[PodName, dict[str, tuple[str, ...]]] = field(default_factory=dict)  # address -> names, by pod

    @property
    def path(self) -> Path:
        return self.folder.path

    def rows(self, pod: PodName, name: str) -> list[Row]:
        """Rows of `connect.json`, `dns.json` or `pmtu.json`; nothing where they were not recorded."""
        try:
            said = json.loads((self.path / "pods" / pod[0] / pod[1] / name).read_text())
        except (OSError, ValueError):
            return []
        return [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []

    def pod_file(self, pod: PodName, name: str, shift: Shift) -> str | None:
        return self._file(Path("pods", *pod, name), shift)

    def node_file(self, node: str, name: str, shift: Shift) -> str | None:
        return self._file(Path("nodes", node, name), shift)

    def log(self, pod: PodName, container: str, previous: bool, shift: Shift) -> str | None:
        return self._file(Path("logs", *pod, f"{container}{'.previous' if previous else ''}.log"), shift)

    def listening(self, pod: PodName) -> dict[int, bool] | None:
        """TCP ports a pod listens on, each with whether the outside can reach it; None where nobody looked."""
        texts = [self.pod_file(pod, name, Shift(0)) for name in ("net/tcp", "net/tcp6")]
        if all(each is None for each in texts):
            return None
        found: dict[int, bool] = {}
        for address, port in (each for text in texts if text for each in _listeners(text)):
            found[port] = found.get(port, False) or not _is_loopback(address)
        return found

    def _file(self, part: Path, shift: Shift) -> str | None:
        path = self.path / part
        if not path.resolve().is_relative_to(self.path.resolve()) or not path.is_file():
            return None
        return shift.text(path.read_text(encoding="utf-8", errors="replace"))


def _listeners(text: str) -> Iterator[tuple[str, int]]:
    """Addresses (hex) and ports in state LISTEN (0A) of a /proc/net/tcp or tcp6."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] == "0A":
            address, _, port = fields[1].partition(":")
            yield address, int(port, 16)


def _is_loopback(address: str) -> bool:
    """127.0.0.0/8 or ::1, bytes in the order of a little-endian machine."""
    return (address.endswith("7F") and len(address) == 8) or address == "00000000000000000000000001000000"


def read_recording(path: Path) -> ServedRecording:
    """Raises `BadCase` or `ValueError`, each with one line that names the file."""
    folder = open_case(path)
    messages = messages_of(path) if any((path / each).is_file() for each in FLOW_FILES) else []
    times = [each.time.ToDatetime(UTC) for each in messages]
    newest = max([*times, *filter(None, [folder.header.recorded_at])], default=datetime.now(UTC))
    recording = ServedRecording(folder, messages, newest, frozenset(_away(path)))
    _learn_from_flows(recording)
    _learn_from_probes(recording)
    return recording


def recorded_plurals(folder: CaseFolder) -> frozenset[str]:
    """Kinds that were read when the case was made, also those of which there was none."""
    held = {kind.plural for kind in KINDS if folder.recorded.by_kind.get((kind.group, kind.name))}
    return folder.recorded.recorded | held


def _away(path: Path) -> Iterator[str]:
    """Nodes the relay said it could not reach."""
    source = path / "flows.jsonl"
    for line in source.read_text().splitlines() if source.is_file() else ():
        if '"node_status"' not in line:
            continue
        said = json.loads(line).get("node_status") or {}
        if said.get("state_change") in ("NODE_UNAVAILABLE", "NODE_GONE"):
            yield from said.get("node_names") or ()


def _learn_from_flows(recording: ServedRecording) -> None:
    """Answers to a SYN tell about a port, the later ones more; DNS names are what the source's cache held."""
    for flow in (each.flow for each in recording.messages if each.HasField("flow")):
        flags = flow.l4.TCP.flags
        address = (flow.IP.source, flow.l4.TCP.source_port)
        if flow.is_reply.value and flags.SYN and flags.ACK:
            recording.backends[address] = RecordedBackend.OPEN
        elif flow.is_reply.value and flags.RST and recording.backends.get(address) is not RecordedBackend.OPEN:
            recording.backends[address] = RecordedBackend.REFUSED
        if flow.destination_names and flow.source.pod_name:
            pod = (flow.source.namespace, flow.source.pod_name)
            recording.seen_names.setdefault(pod, {})[flow.IP.destination] = tuple(flow.destination_names)
            _learn_names(recording, flow.destination_names, flow.IP.destination)


def _learn_names(recording: ServedRecording, names: Iterable[str], address: str) -> None:
    for name in names:
        known = recording.names.get(name, ())
        recording.names[name] = known if address in known else (*known, address)


def _learn_from_probes(recording: ServedRecording) -> None:
    for folder in sorted((recording.path / "pods").glob("*/*")):
        pod = (folder.parent.name, folder.name)
        for row in recording.rows(pod, "connect.json"):
            address = (str(row.get("address") or row.get("host")), int(row.get("port") or 0))
            if row.get("result") in ("open", "refused") and str(row.get("protocol", "tcp")).lower() == "tcp":
                recording.backends.setdefault(address, RecordedBackend(row["result"]))
        for row in recording.rows(pod, "dns.json"):
            name = str(row.get("name", "")).rstrip(".")
            if row.get("rcode") == "NOERROR" and row.get("addresses"):
                recording.names[name] = tuple(row["addresses"])
                for address in row["addresses"]:
                    recording.seen_names.setdefault(pod, {}).setdefault(str(address), (name,))
            elif row.get("rcode") == "NXDOMAIN":
                recording.names.setdefault(name, ())
