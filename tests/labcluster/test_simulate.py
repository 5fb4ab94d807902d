"""`kai simulate` asks a living cluster as it asks a recording."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.cli import run
from lab.cluster import LabCluster

CASE = Path(__file__).parents[2] / "lab" / "cases" / "api-server-cannot-watch"
ARTICLE = '[{"op":"add","path":"/spec/egress/-","value":{"to":[{"ipBlock":{"cidr":"10.96.0.0/12"}}]}}]'


async def kai(lab: LabCluster, *words: str) -> int:
    place = ["--kubeconfig", str(lab.kubeconfig("kai")), "--server", lab.relay]
    return await asyncio.to_thread(run, ["simulate", *words, *place])


async def test_the_article_s_patch_would_let_nothing_through(capsys: pytest.CaptureFixture[str]) -> None:
    async with LabCluster.start(CASE) as lab:
        pod = ("--pod", "api-server", "-n", "production")
        code = await kai(lab, *pod, "--target", "networkpolicy/strict-egress", "--patch", ARTICLE)

    said = capsys.readouterr().out
    assert code == 1
    assert said.startswith("0 of ")
    assert "under this datapath a CIDR never matches the API server" in said


async def test_who_says_no_is_told_of_the_living_policies(capsys: pytest.CaptureFixture[str]) -> None:
    async with LabCluster.start(CASE) as lab:
        code = await kai(lab, "--can", "production/api-server->10.96.0.1:443")

    said = capsys.readouterr().out
    assert code == 1
    assert said.startswith("No.")
    assert "NetworkPolicy production/strict-egress" in said
