"""What holds for all tests: a property is checked on as many examples on a busy machine as on a quiet one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.kit.sampling import examples

for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "KAI_MODEL"):
    os.environ.pop(name, None)  # whoever runs the tests may have a key; no test may use it

settings.register_profile(
    "kai", max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("kai")

os.environ["KAI_HISTORY"] = "0"  # a test run leaves nothing in anybody's history, and does not pay for keeping it

BUILDS_FIRST = ("cluster", "cilium", "peer")
"""Markers of tests whose first one on a new machine waits for a build through Go or npm: half an hour on two cores."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The time limit of a test is for what hangs, not for a build that comes before it."""
    for item in items:
        if any(item.get_closest_marker(name) for name in BUILDS_FIRST) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Commands that run in this process set up the log, and end; the next test may count its lines."""
    loggers = [logging.getLogger(each) for each in (None, "bot", "flows", "sensors", "slack_bolt")]
    levels = [each.level for each in loggers]
    yield
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if each.name != "kai"]
