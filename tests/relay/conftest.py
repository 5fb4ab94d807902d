from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.relay.world import Certificates, make_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make certificates with")
    folder: Path = tmp_path_factory.mktemp("certificates")
    return make_certificates(folder)
