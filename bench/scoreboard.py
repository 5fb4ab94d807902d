"""netdebug-bench: how right, how sure, how harmless and how fast KAI is on every case there is.

    make bench-truth                # recorded cases, public reports, every template under two seeds
    .venv/bin/python bench/scoreboard.py [--seeds N] [--only NAME …] [--wrong]

Rules alone; where a key for Claude is set, the recorded cases and the reports once more with Claude. Columns: cases;
right class; right object; fix (a button exactly where one belongs); proved (of the buttons); newly (connections opened
by buttons, against those the truth needs); harm (buttons that open or break what they must not, or that should not be
there); Brier; seconds (median and the slowest). Exit code 1 below what must be reached.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench import templates  # noqa: E402
from bench.truth import SHELVES, Reach, Row, brier, lines, row_of, shortfalls, truths  # noqa: E402
from bot.errors import UsageMistake  # noqa: E402
from bot.settings import claude_of  # noqa: E402

SEEDS = 2
MADE = "made from templates"
REACH: Mapping[str, Reach] = {
    **{name: reach for name, (_, reach) in SHELVES.items()},
    MADE: Reach(right=0.97, objects=0.97),
}
HEAD = f"{'':34} cases  class  object   fix    proved  newly  harm  Brier    seconds"

Shelves = Mapping[str, Sequence[Row]]


def line(title: str, rows: Sequence[Row]) -> str:
    """One row of the scoreboard."""
    judged = [each.object_right for each in rows if each.object_right is not None]
    offers = [each.offer for each in rows]
    fixes = [each.right for each in offers if each.right is not None]
    buttons = [each for each in offers if each.button]
    counted = [each for each in buttons if each.needed]
    times = [each.seconds for each in rows]
    return (
        f"{title:34} {len(rows):5}  {_share(each.right for each in rows)}  {_share(judged)}  {_share(fixes)}  "
        f"{sum(each.proved for each in buttons):3}/{len(buttons):<3} "
        f"{sum(each.newly for each in counted):3}/{sum(each.needed for each in counted):<3} "
        f"{sum(bool(each.harm) for each in offers):4}  {brier(rows):.4f}  {median(times):4.1f} {max(times):4.1f}"
    )


def _share(hits: Iterable[bool | None]) -> str:
    listed = list(hits)
    return f"{sum(map(bool, listed)) / len(listed):6.1%}" if listed else "     –"


def board(shelves: Shelves) -> Iterator[str]:
    """The scoreboard: by shelf, by what makes a case hard, by class."""
    rows = list(chain.from_iterable(shelves.values()))
    yield HEAD
    yield from (line(title, shelf) for title, shelf in shelves.items() if shelf)
    kinds: Mapping[str, Callable[[Row], bool]] = {
        "the network is not at fault": lambda row: templates.is_negative(row.expected),
        "misleading": is_misleading,
    }
    yield from (
        line(title, found) for title, holds in kinds.items() if (found := [each for each in rows if holds(each)])
    )
    yield line("all", rows)
    yield ""
    classes = sorted({each.expected for each in rows})
    yield from (line(name, [each for each in rows if each.expected == name]) for name in classes)


def is_misleading(row: Row) -> bool:
    """A template with loud and old troubles beside the one that matters."""
    seed = row.name.rpartition("-s")[2]
    return seed.isdigit() and templates.is_misleading(int(seed)) and row.name[: -len(seed) - 2] in templates.names()


def harms(shelves: Shelves) -> list[str]:
    return [f"{each.name}: {each.offer.harm}" for rows in shelves.values() for each in rows if each.offer.harm]


def below(shelves: Shelves) -> list[str]:
    """What is below reach, in words; a harmful button is below reach on every shelf."""
    short = [f"{title}: {each}" for title, rows in shelves.items() if rows for each in shortfalls(rows, REACH[title])]
    return [*short, *(f"harm: {each}" for each in harms(shelves))]


def measure(seeds: Iterable[int], only: Sequence[str], *how: str) -> Shelves:
    """Asks every case."""
    with ProcessPoolExecutor() as workers:
        shelves = {
            title: list(workers.map(partial(row_of_it, how=how), truths(folders, only), chunksize=4))
            for title, (folders, _) in SHELVES.items()
        }
        made = partial(row_of_made, how=how)
        pairs = chosen(seeds, only)
        names, numbers = [name for name, _ in pairs], [seed for _, seed in pairs]
        return {**shelves, MADE: list(workers.map(made, names, numbers, chunksize=4))}


def chosen(seeds: Iterable[int], only: Sequence[str]) -> list[tuple[str, int]]:
    """Every template under every seed."""
    found = [each for each in templates.names() if not only or each.startswith(tuple(only))]
    return [(name, seed) for seed in seeds for name in found]


def row_of_it(file: Path, how: Sequence[str] = ()) -> Row:
    return row_of(file, *how)


def row_of_made(name: str, seed: int, how: Sequence[str] = ()) -> Row:
    """Writes one dressed template for the time of the asking."""
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as room:
        return row_of(templates.write(name, seed, Path(room)), *how)


def has_claude() -> bool:
    try:
        return claude_of().enabled
    except UsageMistake:
        return False


def main(words: Sequence[str]) -> int:
    """Prints the scoreboard and returns the exit code."""
    parser = argparse.ArgumentParser(description="The scoreboard of netdebug-bench.")
    parser.add_argument("--seeds", type=int, default=SEEDS, metavar="N", help="clothes for each template")
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="cases whose names begin like this")
    parser.add_argument("--wrong", action="store_true", help="list the cases that are not all right")
    said = parser.parse_args(words)
    alone = measure(range(1, said.seeds + 1), said.only, "--no-llm")
    if said.wrong:
        print(
            *lines(each for rows in alone.values() for each in rows if not each.clean or each.offer.harm), "", sep="\n"
        )
    print("Rules alone", *board(alone), "", sep="\n")
    if has_claude():
        print("Rules with Claude", *board(measure((), said.only, "--llm")), "", sep="\n")
    short = below(alone)
    print("\n".join(["Below reach:", *(f"  {each}" for each in short)]) if short else "All within reach.")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
