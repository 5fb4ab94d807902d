from __future__ import annotations

from time import process_time

import pytest

from flows.agent.suspicion import speaks_to_model, suspects
from tests.flows.agent.diagnoses import diagnosis_of

ORDINARY = (
    'level=error msg="watch failed, retrying" attempt=67 err=<nil>',
    "E1123 21:09:53.061163       1 reflector.go:147] Failed to watch *v1.Pod: dial tcp 10.96.0.1:443: i/o timeout",
    "Unable to ignore certificate error: x509: certificate signed by unknown authority",
    "container_linux.go: instruction set not supported",
    "the model answered in 3 s",
    "Readiness probe failed: HTTP probe failed with statuscode: 503, healthy=false",
    "user: bob logged in as system: linux",
    "root CA of the cluster is trusted; set confidence level",
    "Ошибка соединения: превышено время ожидания",
    "接続がタイムアウトしました",
)


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_log_line_is_no_instruction(text: str) -> None:
    assert not speaks_to_model([text])


@pytest.mark.parametrize("name", ["api-server-cannot-watch", "checkout-to-bank", "search-to-index"])
def test_a_recorded_incident_is_not_suspected(name: str) -> None:
    assert suspects(diagnosis_of(name)) == ()


@pytest.mark.parametrize("piece", ["ignore ", "E1", "a ", "<", "忽略", "you are ", "а", "[", "policy."])
def test_a_long_line_takes_no_longer_than_reading_it(piece: str) -> None:
    line = piece * (200_000 // len(piece))
    began = process_time()
    speaks_to_model([line] * 20)

    assert process_time() - began < 5.0
