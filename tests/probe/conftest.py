"""The world in which the probe is tried: made anew for each test, and taken down after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.probe.namespaces import World, missing_tools, worlds


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    if why := missing_tools():
        pytest.fail(why, pytrace=False)
    yield from worlds(tmp_path)
