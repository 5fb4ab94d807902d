"""Does Claude make the answers better? Every recorded case, by rules alone and by rules with Claude, three times each.

    make eval-claude                                    # all of it; asks the API, and costs what it prints
    .venv/bin/python bench/eval_claude.py [--times N] [--spend DOLLARS] [NAME …]

Needs a key (ANTHROPIC_API_KEY, or Bedrock or Vertex by the settings); without one it says so and exits with 2. For each
case: the class, whether the object is right, the confidence, what it cost, how long it took, how many statements were
struck out. At the end, for both: right classes, right objects, Brier score. It stops before it spends more than it may.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.truth import SHELVES, ask, object_right, truths  # noqa: E402
from bot.errors import UsageMistake  # noqa: E402
from bot.settings import claude_of  # noqa: E402

TIMES = 3
SPEND_USD = 25.0
USAGE_ERROR = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to one case. `suspected` is a cause that Claude sees beside the verdict."""

    name: str
    cause_class: str
    right: bool
    object_right: bool | None
    confidence: float
    cost_usd: float = 0.0
    seconds: float = 0.0
    statements: int = 0
    struck: int = 0
    asked: int = 0
    suspected: str = ""
    failed: str = ""

    @property
    def error(self) -> float:
        """The squared distance of the confidence from being right (1) or wrong (0)."""
        return (self.confidence - self.right) ** 2


def answered(truth_file: Path, how: str) -> Answer:
    """Asks one case: `--llm`, or `--no-llm` for rules alone."""
    truth = yaml.safe_load(truth_file.read_text("utf-8"))
    folder = truth_file.with_name(truth_file.name.removesuffix(".expected.yaml"))
    asked = (truth.get("ask") or {}).get("args") or ()
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state  # the ceilings of a day are not for this; `--spend` is
        code, out, err = ask("netdebug", "--case", str(folder), "-o", "json", *map(str, asked), how)
    said = json.loads(out) if out else {"cause_class": f"exit {code}: {err.strip()[:60]}"}
    return _answer(folder.name, truth, said)


def _answer(name: str, truth: Mapping[str, Any], said: Mapping[str, Any]) -> Answer:
    right = said["cause_class"] in (truth["cause_class"], *(truth.get("accept_classes") or ()))
    explanation = said.get("explanation") or {}
    usage, other = explanation.get("usage") or {}, explanation.get("other_cause") or {}
    return Answer(
        name,
        said["cause_class"],
        right,
        object_right(truth, said) if right else None,
        float(said.get("confidence") or 0.0),
        float(usage.get("cost_usd", 0.0)),
        float(usage.get("seconds", 0.0)),
        len(explanation.get("statements", ())),
        len(explanation.get("struck", ())),
        len(explanation.get("asked", ())),
        str(other.get("cause_class", "")),
        str(explanation.get("failed", "")),
    )


def line(it: Answer, how: str) -> str:
    mark = "ok" if it.right and it.object_right is not False else "NO"
    money = f"${it.cost_usd:.4f} {it.seconds:5.1f} s" if how != "rules" else ""
    said = f"{it.statements} said, {it.struck} struck, {it.asked} asked" if how != "rules" else ""
    rest = "; ".join(filter(None, (said, f"sees {it.suspected}" if it.suspected else "", it.failed)))
    return f"{mark} {it.name:34} {how:10} {it.cause_class:28} {it.confidence:.2f} {money:18} {rest}".rstrip()


def summary(how: str, every: Sequence[Answer]) -> str:
    judged = [each for each in every if each.object_right is not None]
    return (
        f"{how:14} {sum(each.right for each in every)}/{len(every)} classes right, "
        f"{sum(bool(each.object_right) for each in judged)}/{len(judged)} objects right, "
        f"Brier {sum(each.error for each in every) / max(len(every), 1):.4f}, "
        f"${sum(each.cost_usd for each in every):.4f}, {sum(each.seconds for each in every):.1f} s, "
        f"{sum(each.struck for each in every)} of {sum(each.struck + each.statements for each in every)} struck, "
        f"{sum(bool(each.failed) for each in every)} without an answer"
    )


def changed(alone: Mapping[str, Answer], with_claude: Iterable[Answer]) -> list[str]:
    """What is another with Claude than without, for better or worse."""
    told = []
    for each in with_claude:
        before = alone[each.name]
        if each.cause_class != before.cause_class:
            better = "better" if each.right and not before.right else "WORSE" if before.right else "as wrong"
            told.append(f"{each.name}: {before.cause_class} -> {each.cause_class} ({better})")
    return told


def evaluate(files: Sequence[Path], times: int, spend: float) -> int:
    alone = {}
    with_claude: list[Answer] = []
    for file in files:
        plain = answered(file, "--no-llm")
        alone[plain.name] = plain
        print(line(plain, "rules"), flush=True)
        for number in range(1, times + 1):
            if sum(each.cost_usd for each in with_claude) >= spend:
                print(f"stopped: ${spend:.2f} are spent")
                return report(alone, with_claude)
            with_claude.append(answered(file, "--llm"))
            print(line(with_claude[-1], f"+claude {number}"), flush=True)
    return report(alone, with_claude)


def report(alone: Mapping[str, Answer], with_claude: Sequence[Answer]) -> int:
    print("", summary("rules alone", list(alone.values())), summary("rules + Claude", with_claude), sep="\n")
    print("\n".join(["Changed by Claude:", *(f"  {each}" for each in changed(alone, with_claude) or ["nothing"])]))
    return 0


def main(arguments: Sequence[str]) -> int:
    """Prints the table; 2 without a key."""
    parser = argparse.ArgumentParser(description="Rules alone beside rules with Claude.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases whose names begin like this; all by default")
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--spend", type=float, default=SPEND_USD, metavar="DOLLARS")
    said = parser.parse_args(arguments)
    try:
        settings = claude_of()
    except UsageMistake as why:
        print(why, file=sys.stderr)
        return USAGE_ERROR
    if not settings.enabled:
        print("There is no key for Claude (ANTHROPIC_API_KEY): nothing is asked and nothing is shown.", file=sys.stderr)
        return USAGE_ERROR
    folders = [folder for shelf, _ in SHELVES.values() for folder in shelf]
    return evaluate(truths(folders, said.names), said.times, said.spend)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
