"""Symptom that a caller saw in a recorded incident: the ends of the pod's own attempts and look-ups."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sensors.kit import Target

RESULTS = {
    "timeout": "connections time out",
    "refused": "connections are refused",
    "unreachable": "connections fail at once",
    "reset": "connections are reset",
    "open": "connections open",
}
NOT_TRIED = "could not be tried from the pod"


def symptom(case: Path, target: Target) -> str:
    """`connections time out`, `the name is not found`, … of the requested peer."""
    home = case / "pods" / target.namespace / target.pod
    tried = [each for each in _rows(home / "connect.json") if _is_peer(each, target)]
    if tried:
        return RESULTS.get(str(tried[0].get("result")), NOT_TRIED)
    return _lookup(_rows(home / "dns.json"), target.to_host or "")


def _is_peer(each: Mapping[str, Any], target: Target) -> bool:
    return each.get("host") == target.to_host and each.get("port") == target.to_port


def _lookup(rows: Sequence[Mapping[str, Any]], host: str) -> str:
    asked = [each for each in rows if host and str(each.get("name", "")).rstrip(".").startswith(host)]
    asked = asked or list(rows)
    if not asked or any(each.get("addresses") for each in asked):
        return NOT_TRIED
    return "the name is not found" if any(each.get("rcode") == "NXDOMAIN" for each in asked) else "look-ups fail"


def _rows(file: Path) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
