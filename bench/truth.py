"""Right or wrong: every recorded case of the project, asked as a person would ask and held against the truth beside it.

    uv run python bench/truth.py [NAME …]

Three shelves: `lab/cases` (they come with KAI) and `tests/cases` were recorded on a real cluster; `tests/reports` were
made from what people reported in public. Exit code 1 when a shelf is below what must be reached (`SHELVES`).
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.offered import NO_ANSWER, Offer, offer_of  # noqa: E402 - after the path to it

CONFIDENT = 0.8
USAGE_ERROR = "usage-error"
ANSWERS = {0: "allowed", 1: "denied", 3: "undecidable"}


@dataclass(frozen=True, slots=True)
class Reach:
    """What a shelf must reach: shares of right classes and objects, and the largest Brier score of the confidence."""

    right: float
    objects: float = 0.0
    brier: float = 1.0


RECORDED = Reach(right=0.98, objects=0.98, brier=0.02)
REPORTED = Reach(right=0.97)
SHELVES: Mapping[str, tuple[tuple[Path, ...], Reach]] = {
    "recorded cases": ((ROOT / "lab/cases", ROOT / "tests/cases"), RECORDED),
    "public reports": ((ROOT / "tests/reports",), REPORTED),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One case: what was expected, what KAI said, and what `simulate --can` said where that was asked, too."""

    name: str
    expected: str
    said: str
    component: str
    confidence: float
    right: bool
    object_right: bool | None
    never: bool
    can: str = ""
    can_wrong: bool = False
    note: str = ""
    offer: Offer = NO_ANSWER
    seconds: float = 0.0

    @property
    def confident_wrong(self) -> bool:
        return not self.right and self.confidence >= CONFIDENT

    @property
    def clean(self) -> bool:
        return self.right and self.object_right is not False and not self.never and not self.can_wrong


# -- asking ----------------------------------------------------------------------------------------------------------


def ask(*arguments: str) -> tuple[int, str, str]:
    """One call of `kai` in this process: exit code, stdout, stderr."""
    from bot.cli import run

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    return code, out.getvalue(), err.getvalue()


def row_of(truth_file: Path, *how: str) -> Row:
    """Asks one case and holds the answer against its `.expected.yaml`; `how` are more options of the question."""
    truth = yaml.safe_load(truth_file.read_text("utf-8"))
    folder = truth_file.with_name(truth_file.name.removesuffix(".expected.yaml"))
    asked, began = truth.get("ask") or {}, time.monotonic()
    code, out, err = ask("netdebug", "--case", str(folder), "-o", "json", *map(str, asked.get("args") or ()), *how)
    took = time.monotonic() - began
    said = json.loads(out) if out else {"cause_class": USAGE_ERROR if code == 2 else f"exit {code}"}
    can, can_wrong = _can(folder, asked)
    right = said["cause_class"] in (truth["cause_class"], *(truth.get("accept_classes") or ()))
    return Row(
        name=folder.name,
        expected=truth["cause_class"],
        said=said["cause_class"],
        component=component(said.get("affected_component")),
        confidence=float(said.get("confidence") or 0.0),
        right=right,
        object_right=object_right(truth, said) if right else None,
        never=said["cause_class"] in (truth.get("never_classes") or ()),
        can=can,
        can_wrong=can_wrong,
        note=said.get("root_cause") or err.strip(),
        offer=offer_of(folder, truth, said) if out else NO_ANSWER,
        seconds=took,
    )


def _can(folder: Path, asked: Mapping[str, Any]) -> tuple[str, bool]:
    if not asked.get("can"):
        return "", False
    code, _, _ = ask("simulate", "--case", str(folder), "--can", asked["can"])
    said = ANSWERS.get(code, f"exit {code}")
    wanted = str(asked["answer"]).partition(",")[0]
    return said, said not in wanted


def component(said: Mapping[str, str] | None) -> str:
    return "/".join(filter(None, (said["kind"], said["namespace"], said["name"]))) if said else ""


def object_right(truth: Mapping[str, Any], said: Mapping[str, Any]) -> bool | None:
    """Whether the object to change was named; None where the truth names none."""
    wanted = truth.get("affected_component")
    if not wanted or said["cause_class"] in ("inconclusive", USAGE_ERROR):
        return None
    if truth.get("synthetic") and said["cause_class"] != truth["cause_class"]:
        return None  # a made truth names the object of its first class only
    one_of = [component(each) for each in (wanted if isinstance(wanted, list) else [wanted])]
    named = component(said.get("affected_component"))
    fine = " ".join(map(str, truth.get("also_fine") or ()))
    return named in one_of or bool(named and named.replace("/", " ", 1) in fine)


# -- scoring ---------------------------------------------------------------------------------------------------------


def shortfalls(rows: Sequence[Row], reach: Reach) -> list[str]:
    """What is below the reach, in words; empty where all of it is reached."""
    judged = [each for each in rows if each.object_right is not None]
    found = {
        "right class": (_share(each.right for each in rows), reach.right),
        "right object": (_share(bool(each.object_right) for each in judged), reach.objects),
    }
    said = [f"{what} {share:.1%} < {least:.0%}" for what, (share, least) in found.items() if share < least]
    said += [f"Brier {brier(rows):.4f} > {reach.brier}"] if brier(rows) > reach.brier else []
    worst = {
        "confident and wrong": [each.name for each in rows if each.confident_wrong],
        "never to be said": [each.name for each in rows if each.never],
        "wrong answer of --can": [each.name for each in rows if each.can_wrong],
    }
    return [*said, *(f"{what}: {', '.join(names)}" for what, names in worst.items() if names)]


def brier(rows: Sequence[Row]) -> float:
    """The mean squared distance of the confidence from being right (1) or wrong (0)."""
    return sum((each.confidence - each.right) ** 2 for each in rows) / len(rows)


def _share(hits: Iterable[bool]) -> float:
    listed = list(hits)
    return sum(listed) / len(listed) if listed else 1.0


def summary(title: str, rows: Sequence[Row]) -> str:
    judged = [each for each in rows if each.object_right is not None]
    counts = f"{sum(each.right for each in rows)}/{len(rows)} classes right"
    objects = f"{sum(bool(each.object_right) for each in judged)}/{len(judged)} objects right"
    worst = (
        f"{sum(each.confident_wrong for each in rows)} confident and wrong, "
        f"{sum(each.never for each in rows)} never to be said, {sum(each.can_wrong for each in rows)} wrong --can"
    )
    return f"{title}: {counts}, {objects}, {worst}, Brier {brier(rows):.4f}"


def lines(rows: Iterable[Row]) -> Iterator[str]:
    for each in rows:
        mark = "ok" if each.clean else "NO"
        can = f"  --can {each.can}{' (wrong)' if each.can_wrong else ''}" if each.can else ""
        extra = (
            "" if each.clean else f"  NEVER! {each.note}" if each.never else f"  wanted {each.expected}: {each.note}"
        )
        blamed = "" if each.object_right is not False else "  WRONG OBJECT"
        said = f"{each.name:42} {each.said:30} {each.confidence:.2f}  {each.component:55}"
        yield f"{mark} {said}{blamed}{can}{extra[:260]}"


def truths(folders: Iterable[Path], names: Sequence[str] = ()) -> list[Path]:
    found = sorted(each for folder in folders for each in folder.glob("*.expected.yaml"))
    return [each for each in found if not names or any(each.name.startswith(name) for name in names)]


def main(names: Sequence[str]) -> int:
    """Prints the table and returns the exit code."""
    short: list[str] = []
    for title, (folders, reach) in SHELVES.items():
        with ProcessPoolExecutor() as workers:
            rows = list(workers.map(row_of, truths(folders, names)))
        if not rows:
            continue
        print("\n".join(lines(rows)), summary(title, rows), "", sep="\n")
        short += [f"{title}: {each}" for each in shortfalls(rows, reach)]
    print("\n".join(["Below reach:", *(f"  {each}" for each in short)]) if short else "All within reach.")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
