"""One real API server for all cluster tests of a process, and a fresh one for those that need an empty cluster."""

from __future__ import annotations

from collections.abc import Iterator

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
