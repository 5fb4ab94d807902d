"""One real API server for all cluster tests of a process, and a fresh one for those that need an empty cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.apiserver import ApiServer, api_server
from tests.cluster.binaries import Binaries, binaries


@pytest.fixture(scope="session")
def programs() -> Binaries:
    """Built on the first use; a machine that cannot build them fails the tests, for they would prove nothing."""
    return binaries()


@pytest.fixture(scope="session")
def server(programs: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A cluster shared by tests that add to it and do not count on its being empty."""
    with api_server(programs, tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Notes which server a cluster test ran against; notes travel with the report, also from another process."""
    report: Any = yield
    if report.when == "call" and item.get_closest_marker("cluster"):
        report.user_properties.append(("against", binaries().version()))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = (each for key in ("passed", "failed") for each in terminalreporter.stats.get(key, ()))
    against = {value for each in reports for name, value in each.user_properties if name == "against"}
    if against:
        terminalreporter.write_line(f"cluster tests ran against a real API server: {', '.join(sorted(against))}")
