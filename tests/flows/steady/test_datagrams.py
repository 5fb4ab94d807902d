"""A healthy UDP Service is healthy, whatever TCP to its port does: only KAI ever spoke TCP there."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
import yaml

from flows.model import Case
from sensors.net_connect import Connects
from tests.flows.variants.running import diagnose, look

RECORDED = Path(__file__).parents[2] / "cases" / "shipper-to-statsd"


def tried_over_tcp(folder: Path, protocol: str) -> Case:
    """The recording as a look tells it that knew TCP only."""
    there = folder / RECORDED.name
    shutil.copytree(RECORDED, there)
    (doors,) = there.glob("pods/*/shipper-*/connect.json")
    rows = json.loads(doors.read_text())
    for each in rows:
        if each["protocol"] == "udp":
            each |= {"protocol": "tcp", "result": "refused", "errno": "ECONNREFUSED"}
    doors.write_text(json.dumps(rows))
    header = yaml.safe_load((there / "case.yaml").read_text())
    header["target"]["to"] += protocol
    (there / "case.yaml").write_text(yaml.safe_dump(header))
    return asyncio.run(look(there))


@pytest.mark.parametrize("protocol", ["", "/udp"])
def test_a_healthy_udp_service_is_not_blamed_for_its_protocol(protocol: str, tmp_path: Path) -> None:
    case = tried_over_tcp(tmp_path, protocol)
    said = diagnose(case)

    assert case[Connects].asked == ()
    assert said.cause_class == "none.healthy"
    assert all(finding.cause_class != "service.protocol" for finding, _ in said.findings)


def test_who_asks_for_tcp_there_is_told(tmp_path: Path) -> None:
    case = tried_over_tcp(tmp_path, "/tcp")

    assert [each.result for each in case[Connects].asked] == ["refused", "refused"]
