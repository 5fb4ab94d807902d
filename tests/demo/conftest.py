"""A demo that runs, and the temporary folder it should leave empty."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import pytest

from lab.demo import Demo, demonstrate

CASES = Path(str(files("lab"))) / "cases"
USUAL = CASES / "api-server-cannot-watch"


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("slack_bolt").setLevel(logging.CRITICAL)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where everything temporary goes."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
async def demo(temporary: Path) -> AsyncIterator[Demo]:
    async with demonstrate(USUAL) as demo:
        yield demo
