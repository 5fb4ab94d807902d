"""Marks of the simulator's tests."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "golden: compares with other projects' results, fetched through the Go proxy")
