"""How long KAI itself takes: per recorded incident (looking and thinking, no waiting), and for `kai --help`.

    python bench/own_time.py [--runs N]

Reach: p50 per case <= 1.0 s, `kai --help` <= 150 ms. Own time is the walk as KAI reports it (`timings.total_ms`); the
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
CASE_LIMIT_S, HELP_LIMIT_S = 1.0, 0.150


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


def main() -> int:
    runs = int(sys.argv[sys.argv.index("--runs") + 1]) if "--runs" in sys.argv else 3
    own = per_case(runs)
    timed("--help")
    help_s = statistics.median(timed("--help")[0] for _ in range(9))
    p50 = statistics.median(own)
    print(f"own time per case: p50 {p50:.3f} s, worst {max(own):.3f} s (reach: p50 <= {CASE_LIMIT_S} s)")
    print(f"kai --help: median {help_s * 1000:.0f} ms (reach: <= {HELP_LIMIT_S * 1000:.0f} ms)")
    return 0 if p50 <= CASE_LIMIT_S and help_s <= HELP_LIMIT_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
