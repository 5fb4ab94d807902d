"""How long KAI itself takes: per recorded incident (looking and thinking, no waiting), and for `kai --help`.

    python bench/own_time.py [--runs N]

Reach: p50 per case <= 1.0 s, `kai --help` <= 1.5 times what Python and click alone take.
Own time is the walk as KAI reports it (`timings.total_ms`); the
whole command adds Python's start and the imports, and is given beside it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
KAI = [sys.executable, "-m", "bot"]
CASE_LIMIT_S, HELP_RATIO = 1.0, 1.5
HELP = [str(Path(sys.executable).with_name("kai")), "--help"]
BARE = [sys.executable, "-c", "import click"]


def timed(*arguments: str) -> tuple[float, str]:
    began = time.perf_counter()
    ended = subprocess.run([*KAI, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return time.perf_counter() - began, ended.stdout


def per_case(runs: int) -> list[float]:
    own: list[float] = []
    for case in sorted(each for each in (ROOT / "lab/cases").iterdir() if each.is_dir()):
        found = [timed("netdebug", "--case", str(case), "-o", "json") for _ in range(runs)]
        mine = min(json.loads(text)["timings"]["total_ms"] / 1000 for _, text in found)
        print(f"  {case.name:26} own {mine:6.3f} s   whole command {min(wall for wall, _ in found):6.3f} s")
        own.append(mine)
    return own


def helping(runs: int = 15) -> tuple[float, float]:
    """Seconds of `kai --help` and of Python with click alone, in turns: the medians."""
    pairs = [(wall(HELP), wall(BARE)) for _ in range(runs + 1)][1:]
    return statistics.median(help_s for help_s, _ in pairs), statistics.median(bare for _, bare in pairs)


def wall(command: list[str]) -> float:
    """Seconds of a whole command; what it prints is not read."""
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> int:
    runs = int(sys.argv[sys.argv.index("--runs") + 1]) if "--runs" in sys.argv else 3
    own = per_case(runs)
    help_s, bare_s = helping()
    p50, ratio = statistics.median(own), help_s / bare_s
    print(f"own time per case: p50 {p50:.3f} s, worst {max(own):.3f} s (reach: p50 <= {CASE_LIMIT_S} s)")
    print(f"kai --help: {help_s * 1000:.0f} ms, {ratio:.2f} times {bare_s * 1000:.0f} ms (reach: <= {HELP_RATIO})")
    return 0 if p50 <= CASE_LIMIT_S and ratio <= HELP_RATIO else 1


if __name__ == "__main__":
    raise SystemExit(main())
