"""What `kai-probe` would have said on the nodes of a recording: the probe's own wire format, from the case's files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


@dataclass
class Probes:
    """`uids` maps a pod's uid to its (namespace, name). `requests` are all that came in, with the node; `patience_s` is
    what silent peers cost, as the real probe waits for them (0: answers come at once)."""

    folder: Path
    uids: Mapping[str, tuple[str, str]]
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    patience_s: float = 0.0

    def run(self, node: str, argv: Sequence[str]) -> tuple[bytes, int]:
        """Standard output and exit code of one run on a node."""
        assert argv[0] == "kai-probe", argv
        request = json.loads(argv[1])
        self.requests.append((node, request))
        return (json.dumps(self.answer(node, request)) + "\n").encode(), 0

    def wait_s(self, request: Row) -> float:
        """Seconds until the real probe has an answer: silent peers of one request are waited for side by side."""
        pod = "/".join(self.uids.get(request.get("pod_uid") or "", ("none", "none")))
        rows = [*self._lookups(pod, request, {}), *self._connects(pod, request, {})]
        silent = any(each.get("result") == "timeout" or each.get("error") == "timeout" for each in rows)
        return self.patience_s if silent else 0.0

    def answer(self, node: str, request: dict[str, Any]) -> dict[str, Any]:
        errors: dict[str, str] = {}
        pod = "/".join(self.uids.get(request.get("pod_uid") or "", ("none", "none")))
        return {
            "version": 2,
            "pid": 7,
            "how": "cgroup",
            "host_network": False,
            "pod_files": self._texts(f"pods/{pod}", "pod_files", request.get("files", ()), errors),
            "node_files": self._texts(f"nodes/{node}", "node_files", request.get("node_files", ()), errors),
            "lookups": self._lookups(pod, request, errors),
            "connects": self._connects(pod, request, errors),
            "path_mtu": self._paths(pod, request, errors),
            "errors": errors,
            "truncated": {},
            "took_ms": 1.0,
        }

    def _texts(self, where: str, table: str, names: Sequence[str], errors: dict[str, str]) -> dict[str, str]:
        found = {}
        for name in names:
            path = self.folder / where / name
            if path.is_file():
                found[name] = path.read_text(errors="replace")
            else:
                errors[f"{table}/{name}"] = "No such file or directory"
        return found

    def _rows(self, pod: str, name: str) -> list[dict[str, Any]]:
        path = self.folder / "pods" / pod / name
        rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
        return rows

    def _lookups(self, pod: str, request: Row, errors: dict[str, str]) -> list[dict[str, Any]]:
        """A recording holds whole bursts; whoever asks for a name of it gets them all."""
        rows = self._rows(pod, "dns.json") if request.get("lookups") else []
        if request.get("lookups") and not rows:
            errors["lookups/any/A"] = "nobody asked"
        return rows

    def _connects(self, pod: str, request: Row, errors: dict[str, str]) -> list[dict[str, Any]]:
        wanted = {_door(each) for each in request.get("connects", ())}
        rows = [each for each in self._rows(pod, "connect.json") if _door(each) in wanted]
        for host, port, protocol in wanted - set(map(_door, rows)):
            errors[f"connects/{host}:{port}" + ("" if protocol == "tcp" else f"/{protocol}")] = "nobody tried"
        return rows

    def _paths(self, pod: str, request: Row, errors: dict[str, str]) -> list[dict[str, Any]]:
        wanted = set(request.get("path_mtu", ()))
        rows = [each for each in self._rows(pod, "pmtu.json") if each["destination"] in wanted]
        errors |= {f"path_mtu/{each}": "nobody tried" for each in wanted - {each["destination"] for each in rows}}
        return rows


def _door(row: Row) -> tuple[str, int, str]:
    return row["host"], row["port"], row.get("protocol", "tcp")
