"""A module that no longer fits on a few screens is two modules: 400 lines, whoever wrote it last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST = 400
FOLDERS = ("bot", "sensors", "flows", "lab")
ONE_FILE = Path("sensors/access/probe/agent.py")  # sent into a pod as it is, so it cannot import
GENERATED = Path("sensors/hubble/pb")


def modules(root: Path) -> Iterator[Path]:
    """Our modules below `root`, as paths relative to it: all but the probe's agent and what protoc writes."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            ours = path.relative_to(root)
            if ours != ONE_FILE and GENERATED not in ours.parents:
                yield ours


def too_long(root: Path, paths: Iterable[Path]) -> dict[str, int]:
    lengths = {str(path): len((root / path).read_text("utf-8").splitlines()) for path in paths}
    return {path: length for path, length in lengths.items() if length > MOST}


def test_no_module_is_longer_than_400_lines():
    assert too_long(ROOT, modules(ROOT)) == {}


def test_the_check_itself_finds_the_modules_and_one_line_too_many(tmp_path):
    found = set(modules(ROOT))
    assert {Path("bot/app.py"), Path("sensors/hubble/wire.py"), Path("flows/engine.py")} <= found
    assert ONE_FILE not in found

    (tmp_path / "bot").mkdir()
    for name, lines in (("just.py", MOST), ("over.py", MOST + 1)):
        (tmp_path / "bot" / name).write_text("x = 1\n" * lines, "utf-8")
    assert too_long(tmp_path, modules(tmp_path)) == {"bot/over.py": MOST + 1}
