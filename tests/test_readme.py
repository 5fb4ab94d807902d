"""The README shows what a real run prints. `make golden` writes the block again after a change of words."""

from __future__ import annotations

import os
import re
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


def test_every_file_the_readme_points_at_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text(encoding="utf-8"))

    assert links
    assert [each for each in links if not (ROOT / each).exists()] == []


if __name__ == "__main__":
    README.write_text(BLOCK.sub(lambda _: printed(), README.read_text(encoding="utf-8")), encoding="utf-8")
