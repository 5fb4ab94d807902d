"""Reads Cilium's metrics in both forms: the table of `cilium-dbg metrics list` and Prometheus text.

Pure. Only the few series that tell of an agent's health or of lost packets are kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

KEPT = (
    "cilium_bpf_map_pressure",
    "cilium_controllers_failing",
    "cilium_drop_count_total",
    "cilium_endpoint_state",
    "cilium_ipam_capacity",
    "cilium_policy_change_total",
    "cilium_unreachable_health_endpoints",
    "cilium_unreachable_nodes",
)

PROMETHEUS = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>[^\s{}]+)(?:\s+-?\d+)?$")
QUOTED = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
BARE = re.compile(r"([a-zA-Z_]\w*)=(.*?)(?=\s+[a-zA-Z_]\w*=|$)")


def read_metrics(written: str) -> dict[str, float]:
    """`name{label=value,…}` -> value for the kept series; empty where no line is a metric we know."""
    return {series: value for line in written.splitlines() for series, value in _read_line(line.strip())}


def _read_line(line: str) -> Iterator[tuple[str, float]]:
    if not line.startswith(KEPT):
        return
    name, labels, value = _from_prometheus(line) or _from_table(line)
    number = _number(value)
    if name in KEPT and number is not None:
        inside = ",".join(f"{key}={text}" for key, text in sorted(labels.items()))
        yield (f"{name}{{{inside}}}" if inside else name), number


def _from_prometheus(line: str) -> tuple[str, dict[str, str], str] | None:
    found = PROMETHEUS.match(line)
    if found is None:
        return None
    return found["name"], dict(QUOTED.findall(found["labels"] or "")), found["value"]


def _from_table(line: str) -> tuple[str, dict[str, str], str]:
    """Columns stand at least two blanks apart; label values hold single blanks (`reason=Policy denied`)."""
    cells = re.split(r"\s{2,}", line)
    return cells[0], dict(BARE.findall(cells[1])) if len(cells) == 3 else {}, cells[-1]


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
