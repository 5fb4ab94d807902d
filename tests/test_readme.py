"""The README shows what a real run prints. `make golden` writes the block again after a change of words."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- kai demo -->\n```text\n).*?(?=```\n<!-- /kai demo -->)", re.DOTALL)
WIDTH = "100"


def printed() -> str:
    """What `kai demo` prints, with the figures that differ from run to run held still."""
    said = subprocess.run(
        [sys.executable, "-m", "bot", "demo"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": WIDTH, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return held_still(said.stdout)


def held_still(text: str) -> str:
    return re.sub(r"id [0-9a-f]{12}", "id 1f00baa5e77e", re.sub(r"\b\d+\.\d s\b", "0.4 s", text))


def test_the_readme_shows_what_kai_really_prints() -> None:
    shown = BLOCK.search(README.read_text(encoding="utf-8"))

    assert shown is not None
    assert shown[0] == printed()


def test_the_patch_that_opens_nothing_is_answered_as_the_readme_says() -> None:
    command, shown = re.findall(
        r"```(?:sh|text)\n(kai simulate --case.*?|0 of 847.*?)```", README.read_text("utf-8"), re.DOTALL
    )
    words = shlex.split(command.replace("\\\n", " "))[1:]

    said = subprocess.run([sys.executable, "-m", "bot", *words], cwd=ROOT, capture_output=True, text=True, check=False)

    assert said.returncode == 1
    assert [each for each in shown.splitlines() if each.strip() != "…" and each not in said.stdout.splitlines()] == []


def recipe(document: Path) -> list[str]:
    """The six lines that make a case."""
    lines = document.read_text(encoding="utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("POD="))
    return lines[start : lines.index("```", start)]


def test_a_case_is_made_in_six_lines_and_both_documents_say_the_same() -> None:
    lines = recipe(README)

    assert len(lines) == 6
    assert lines == recipe(ROOT / "docs" / "case-folder.md")


def test_a_case_made_by_the_six_lines_is_enough_for_a_verdict(tmp_path: Path) -> None:
    recorded, case = ROOT / "lab" / "cases" / "web-to-catalog", tmp_path / "case"
    kinds = re.findall(r"for kind in (.*?);", recipe(README)[1])[0].split()
    (case / "objects").mkdir(parents=True)
    for kind in kinds:
        shutil.copy(recorded / "objects" / f"{kind}.yaml", case / "objects")
    shutil.copy(recorded / "flows.jsonl", case)
    script = f"POD=web-747d774df4-bk458 NS=store TO=catalog:80; cd {case}; {recipe(README)[4]}"
    subprocess.run(["sh", "-c", script], check=True)

    said = subprocess.run(
        [sys.executable, "-m", "bot", "netdebug", "--case", str(case), "-o", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 1
    assert json.loads(said.stdout)["cause_class"] == "service.no_endpoints"


def test_every_file_the_readme_points_at_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text(encoding="utf-8"))

    assert links
    assert [each for each in links if not (ROOT / each).exists()] == []


if __name__ == "__main__":
    README.write_text(BLOCK.sub(lambda _: printed(), README.read_text(encoding="utf-8")), encoding="utf-8")
