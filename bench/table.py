"""How fast KAI is, and beside what: every figure in one table, printed and kept in bench/README.md.

    make bench        (or: python bench/table.py [PART …])

The parts are measured one after the other, by the programs beside this one. What cannot be measured here (no Go, no
kube-apiserver built) is a row that says so. Ratios were measured in the same run, so they outlive the machine.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
README = ROOT / "bench" / "README.md"
BEGIN, END = "<!-- measured: make bench -->", "<!-- end -->"
LINES = 100_000
SERVER = ROOT / ".cache" / "kube"


class Figure(NamedTuple):
    """One row: what was measured, what came of it, what it is held against, and whether that was reached."""

    what: str
    measured: str
    reach: str = ""
    good: bool = True

    def row(self) -> str:
        mark = ("yes" if self.good else "**no**") if self.reach else ""
        return f"| {self.what} | {self.measured} | {self.reach} | {mark} |"


def at_most(what: str, value: float, unit: str, limit: float, more: str = "") -> Figure:
    return Figure(what, f"{value:.2f}{unit}{more}", f"≤ {limit:g}{unit}", value <= limit)


# -- the parts ---------------------------------------------------------------------------------------------------------


def terminal() -> list[Figure]:
    from bench.own_time import CASE_LIMIT_S, HELP_RATIO, helping, per_case

    help_s, bare_s = helping()
    told = f" ({help_s * 1000:.0f} ms beside {bare_s * 1000:.0f} ms)"
    return [
        at_most("`kai --help`, times `python -c 'import click'`", help_s / bare_s, "×", HELP_RATIO, told),
        at_most("a recorded incident, own time, p50 of all", statistics.median(per_case(1)), " s", CASE_LIMIT_S),
    ]


def hubble_flows() -> list[Figure]:
    from bench.flows import beside, best_of, write

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flows.jsonl"
        write(path, LINES)
        seconds, (_, memory, _) = beside(path, LINES), best_of("all", path, 1)
    titles = {"all": "every flow into connections", "pod": "one pod's flows and all drops"}
    told = [_beside_hubble(title, seconds[f"kai {name}"], seconds[f"hubble {name}"]) for name, title in titles.items()]
    return [*told, Figure("peak memory of that", f"{memory:.0f} MB")]


def _beside_hubble(title: str, mine: float, theirs: float) -> Figure:
    figures = f"{theirs / mine:.1f}× ({LINES / mine:,.0f} flows/s beside {LINES / theirs:,.0f})"
    return Figure(f"{LINES:,} flows, {title}, beside the hubble CLI", figures, "≥ 4×", theirs >= 4 * mine)


def living_cluster() -> list[Figure]:
    from bench.live import AT_ONCE_S, CROWD_RSS_MB, FLOWS, P50_S, PODS, WALL_S, measure

    real = bool(os.environ.get("KUBEBUILDER_ASSETS")) or any(SERVER.glob("*/kube-apiserver"))
    own, wall, unnamed, fifty, hundred = asyncio.run(measure(20, (50, 100), real))
    where = f"{PODS} pods, {FLOWS:,} flows, a real kube-apiserver" if real else f"the recording alone, {FLOWS:,} flows"
    return [
        at_most(f"one investigation, own time, p50 ({where})", statistics.median(own["seconds"]), " s", P50_S),
        at_most("the same with silent peers and listening, p50", statistics.median(wall["seconds"]), " s", WALL_S),
        Figure("the same where nobody names the peer, p50", f"{statistics.median(unnamed['seconds']):.2f} s"),
        Figure("CPU of one", f"{own['cpu_s']:.2f} s alone, {fifty['cpu_s']:.2f} s in the crowd"),
        at_most("50 at once, the slowest", max(fifty["seconds"]), " s", AT_ONCE_S),
        at_most("50 at once, peak memory", fifty["rss_mb"], " MB", CROWD_RSS_MB),
        Figure("100 at once, the slowest", f"{max(hundred['seconds']):.1f} s, {hundred['rss_mb']:.0f} MB"),
    ]


def serving() -> list[Figure]:
    from bench.slack import idle

    found = asyncio.run(idle())
    return [
        at_most("`kai serve`, start to connected", found.started_s, " s", 3.0),
        at_most("idle after one investigation, share of a core", found.core_share * 100, " %", 1.0),
        at_most("idle on a recording, resident memory (a living cluster adds 35 MB)", found.rss_mb, " MB", 120),
    ]


def policies() -> list[Figure]:
    return [*_policies(1, 0.6, 2.5), *_policies(10, 5.0, 10.0)]


def _policies(times: int, index_s: float, difference_s: float) -> list[Figure]:
    command = [sys.executable, str(ROOT / "bench" / "policy.py"), str(times)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = [json.loads(line) for line in said if line.startswith("{")]
    index, query, difference = (max(each[key] for each in found) for key in ("index", "query", "difference"))
    size = f"{times * 1000:,} policies × {times * 5000:,} pods"
    return [
        at_most(f"{size}: index, CPU", index / 1000, " s", index_s),
        at_most(f"{size}: one question, CPU", query, " ms", 2.0),
        at_most(f"{size}: the largest difference of a change, CPU", difference / 1000, " s", difference_s),
    ]


def scale() -> list[Figure]:
    from bench.scale import figures

    return [Figure(what, measured) for what, measured in figures()]


PARTS: dict[str, Callable[[], list[Figure]]] = {
    "terminal": terminal,
    "flows": hubble_flows,
    "live": living_cluster,
    "serve": serving,
    "policies": policies,
    "scale": scale,
}


def measured(name: str) -> list[Figure]:
    """The figures of a part; one row with the reason where it could not be measured."""
    try:
        return PARTS[name]()
    except (Exception, SystemExit) as why:  # noqa: BLE001 - what cannot be measured here is told, and the rest goes on
        return [
            Figure(
                name, f"not measured: {' '.join((type(why).__name__, *str(why).splitlines()[:1]))}", "measured", False
            )
        ]


# -- the table ---------------------------------------------------------------------------------------------------------


def machine() -> str:
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo")), 0) / 2**20
    load = os.getloadavg()[0]
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}; {len(names)} × {names[0] if names else platform.machine()}, "
        f"{memory:.0f} GiB; Python {platform.python_version()}; load {load:.1f} before it began"
        + ("; **not quiet: read the ratios, not the seconds**" if load > 1.5 else "")
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def table(where: str, figures: Sequence[Figure]) -> str:
    head = ["| what | measured | to reach | reached |", "| --- | --- | --- | --- |"]
    return "\n".join([where, "", *head, *(each.row() for each in figures)])


def keep(text: str) -> None:
    """Put the table where the last one stands."""
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")


def main() -> int:
    asked = sys.argv[1:] or list(PARTS)
    if unknown := set(asked) - set(PARTS):
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    where, figures = machine(), list[Figure]()
    for name in asked:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures += (found := measured(name))
        print(*(each.row() for each in found), sep="\n", file=sys.stderr, flush=True)
    print(table(where, figures))
    if asked == list(PARTS):
        keep(table(where, figures))
    return 0 if all(each.good for each in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
