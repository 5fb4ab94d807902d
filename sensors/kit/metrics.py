"""Reads what agents say of themselves in numbers: Prometheus text, or the table of `cilium-dbg metrics list`.

Pure. Prometheus' own client parses its text; a line that neither form explains is left out, the rest still counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

HEALTH_SERIES = (
    "cilium_bpf_map_pressure",
    "cilium_controllers_failing",
    "cilium_drop_count_total",
    "cilium_endpoint_state",
    "cilium_ipam_capacity",
    "cilium_policy_change_total",
    "cilium_unreachable_health_endpoints",
    "cilium_unreachable_nodes",
)
"""The series that tell of the health of Cilium's agent or of lost packets."""

BARE = re.compile(r"([a-zA-Z_]\w*)=(.*?)(?=\s+[a-zA-Z_]\w*=|$)")


@dataclass(frozen=True, slots=True)
class Metric:
    """One sample. Histograms of the table have no single value and are none."""

    name: str
    labels: Mapping[str, str]
    value: float

    def __str__(self) -> str:
        inside = ",".join(f"{key}={text}" for key, text in sorted(self.labels.items()))
        return f"{self.name}{{{inside}}}" if inside else self.name


def parse_metrics(said: str) -> Iterator[Metric]:
    """Every sample with a finite value, in the order written."""
    for line in map(str.strip, said.splitlines()):
        if line and not line.startswith("#"):
            yield from (each for each in _samples(line) if math.isfinite(each.value))


def read_metrics(said: str) -> dict[str, float]:
    """`name{label=value,…}` -> value for the kept series; empty where no line is a metric we know."""
    lines = "\n".join(line for line in said.splitlines() if line.strip().startswith(HEALTH_SERIES))
    return {str(each): each.value for each in parse_metrics(lines) if each.name in HEALTH_SERIES}


def _samples(line: str) -> Iterator[Metric]:
    from prometheus_client.parser import text_string_to_metric_families  # with an HTTP server; rarely needed

    try:
        families = list(text_string_to_metric_families(line + "\n"))
    except ValueError:
        yield from _of_table(line)
        return
    yield from (Metric(each.name, each.labels, each.value) for family in families for each in family.samples)


def _of_table(line: str) -> Iterator[Metric]:
    """Columns stand at least two blanks apart; label values hold single blanks (`reason=Policy denied`)."""
    name, *labels, value = cells if len(cells := re.split(r"\s{2,}", line)) in (2, 3) else ("", "")
    try:
        number = float(value)
    except ValueError:
        return
    yield Metric(name, dict(BARE.findall(labels[0])) if labels else {}, number)
