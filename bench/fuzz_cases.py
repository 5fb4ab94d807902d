"""Mutated case folders: nothing may crash, and taking evidence of a fault away must not make the pod healthy.

    uv run python bench/fuzz_cases.py [COUNT]         100,000 by default; goes on where the last run stopped

It keeps to one process of the lowest priority (KAI_FUZZ_WORKERS for more), so that it may run beside other work.

Every case of the project is copied and spoiled in one to four ways: files go, are cut, emptied, doubled or filled with
junk, rows and values change. A seed is one mutant, so each can be made again (`--seed N`). Two things are promised:
KAI answers with a verdict or one line (exit code 0 to 3, never an internal error, never longer than LONGEST_S), and
where only evidence of a recorded fault was taken away, it does not say `none.healthy` at 0.8 or more.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.truth import SHELVES, ask, truths  # noqa: E402 - after the path to it

COUNT = 100_000
WORKERS = int(os.environ.get("KAI_FUZZ_WORKERS", "1"))
LOWEST_PRIORITY = 19
LONGEST_S = 30.0  # of the processor: at the lowest priority a clock measures the others
SURE = 0.8
STATE = ROOT / ".cache" / "fuzz-cases.json"
JUNK = (
    b"",
    b"\x00" * 9,
    b"null",
    b"[]",
    b"{}",
    b"[" * 3000,
    b'{"items": null}',
    b"\xff\xfe\x00",
    b"error: the server said no\n",
)


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that did not hold, and the seed that makes the mutant again."""

    seed: int
    case: str
    why: str


# -- spoiling --------------------------------------------------------------------------------------------------------


def files_of(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file())


def lose(path: Path, chance: random.Random) -> None:
    path.unlink()


def cut(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data) + 1)])


def fill(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.choice(JUNK))


def flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 6)):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(bytes(data))


def shuffle_lines(path: Path, chance: random.Random) -> None:
    lines = _plain(path).splitlines(keepends=True)
    picked = chance.sample(lines, chance.randrange(len(lines) + 1)) if lines else []
    _write(path, b"".join(picked))


def twist(path: Path, chance: random.Random) -> None:
    """One value of a YAML or JSON file becomes something else."""
    if path.suffix not in (".yaml", ".json"):
        return flip(path, chance)
    try:
        document = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return None
    nodes = list(_nodes(document))
    if nodes:
        holder, key = chance.choice(nodes)
        holder[key] = chance.choice([None, "", 0, -1, 10**30, True, [], {}, "x" * 300, [None], {"a": []}])
    path.write_text(json.dumps(document, default=str))
    return None


def _nodes(value: object) -> Iterator[tuple[dict[str, object] | list[object], object]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key  # type: ignore[misc]  # a dict or a list, as the pairs come from one
        yield from _nodes(inner)


def _plain(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


SPOILERS: tuple[Callable[[Path, random.Random], None], ...] = (lose, cut, fill, flip, shuffle_lines, twist)


# -- taking evidence of the fault away -------------------------------------------------------------------------------


def silence(folder: Path, chance: random.Random) -> None:
    """Takes away only what tells of a fault: drops, failed attempts and look-ups, error lines, events."""
    takers = (_no_drops, _no_failed_attempts, _no_failed_lookups, _no_error_lines, _no_events)
    for take in chance.sample(takers, chance.randrange(1, len(takers) + 1)):
        take(folder)


def _no_drops(folder: Path) -> None:
    for path in folder.glob("flows.jsonl*"):
        lines = _plain(path).splitlines(keepends=True)
        kept = [each for each in lines if b'"DROPPED"' not in each and b"drop_reason" not in each]
        _write(path, b"".join(kept))


def _no_failed_attempts(folder: Path) -> None:
    _keep_rows(folder, "connect.json", lambda row: row.get("result") == "open")


def _no_failed_lookups(folder: Path) -> None:
    _keep_rows(folder, "dns.json", lambda row: row.get("rcode") == "NOERROR")


def _keep_rows(folder: Path, name: str, keep: Callable[[dict[str, object]], bool]) -> None:
    for path in folder.rglob(name):
        with contextlib.suppress(ValueError, AttributeError):
            path.write_text(json.dumps([each for each in json.loads(path.read_text()) if keep(each)]))


def _no_error_lines(folder: Path) -> None:
    from sensors.kit.app_log import TIME, read_line

    for path in folder.rglob("*.log"):
        kept, follows = [], False
        for line in path.read_text(errors="replace").splitlines(keepends=True):
            follows = bool(read_line("", line)) or (follows and not TIME.match(line))  # a message of several lines
            kept += [] if follows else [line]
        path.write_text("".join(kept))


def _no_events(folder: Path) -> None:
    for path in folder.glob("objects/events.*"):
        path.unlink()


# -- one mutant ------------------------------------------------------------------------------------------------------


def mutant(seed: int) -> Broken | None:
    """Makes the mutant of a seed, asks about it, and says which promise did not hold."""
    chance = random.Random(seed)
    truth_file = chance.choice(CASES)
    truth = yaml.safe_load(truth_file.read_text("utf-8"))
    with tempfile.TemporaryDirectory(prefix="kai-fuzz-") as room:
        folder = Path(room) / "case"
        shutil.copytree(truth_file.with_name(truth_file.name.removesuffix(".expected.yaml")), folder)
        only_silenced = chance.random() < 0.3
        if only_silenced:
            silence(folder, chance)
        else:
            _spoil(folder, chance)
        return _judge(seed, truth_file, truth, folder, only_silenced)


def _spoil(folder: Path, chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 5)):
        files = files_of(folder)
        if files:
            with contextlib.suppress(FileNotFoundError):
                chance.choice(SPOILERS)(chance.choice(files), chance)


def _judge(seed: int, truth_file: Path, truth: dict[str, object], folder: Path, silenced: bool) -> Broken | None:
    began, name = time.process_time(), truth_file.name.removesuffix(".expected.yaml")
    code, out, err = ask("netdebug", "--case", str(folder), "-o", "json")
    took = time.process_time() - began
    if code not in (0, 1, 2, 3) or "internal error" in err or (not out and not err):
        return Broken(seed, name, f"exit code {code}: {err.strip()[-300:]}")
    if took > LONGEST_S:
        return Broken(seed, name, f"took {took:.0f} s")
    said = json.loads(out) if out else {}
    doubts = [each for each in said.get("doubts", ()) if "the rule failed" in str(each)]
    if doubts or "the rule failed" in out:
        return Broken(seed, name, f"a rule failed: {doubts or 'see the output'}")
    healthy = said.get("cause_class") == "none.healthy" and float(said.get("confidence") or 0) >= SURE
    if silenced and healthy and truth["cause_class"] not in ("none.healthy", "inconclusive") and not truth.get("fades"):
        return Broken(seed, name, f"healthy at {said['confidence']}, only evidence of {truth['cause_class']} is gone")
    return None


CASES = [each for folders, _ in SHELVES.values() for each in truths(folders)]


# -- many ------------------------------------------------------------------------------------------------------------


def main(words: list[str]) -> int:
    if words[:1] == ["--seed"]:
        print(mutant(int(words[1])) or "both promises hold")
        return 0
    os.nice(LOWEST_PRIORITY)
    count, state = int(words[0]) if words else COUNT, _state()
    began, broken = time.monotonic(), list(state["broken"])
    with ProcessPoolExecutor(WORKERS, max_tasks_per_child=500) as workers:
        for start in range(state["next"], count, 200):
            seeds = range(start, min(start + 200, count))
            broken += [[each.seed, each.case, each.why] for each in workers.map(mutant, seeds, chunksize=20) if each]
            _save(seeds.stop, broken)
            print(
                f"{seeds.stop:,} mutants, {len(broken)} broken promises, {time.monotonic() - began:.0f} s", flush=True
            )
    print("\n".join(f"seed {seed} ({case}): {why}" for seed, case, why in broken) or "No promise was broken.")
    return 1 if broken else 0


def _state() -> dict[str, list[list[object]] | int]:
    return json.loads(STATE.read_text()) if STATE.exists() else {"next": 0, "broken": []}


def _save(following: int, broken: list[list[object]]) -> None:
    STATE.parent.mkdir(exist_ok=True)
    STATE.write_text(json.dumps({"next": following, "broken": broken}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
