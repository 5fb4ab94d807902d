"""`kai mcp`, asked by the reference client of the `mcp` package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters

from bot.cli import run
from bot.mcp.answers import LARGEST_CHANGE, Answers
from bot.mcp.server import server_of
from flows.agent.brief import MAX_BRIEF_TOKENS
from flows.agent.tokens import estimated
from tests.kit.cases import CASES

CASE = CASES / "api-server-cannot-watch"
POD = "production/api-server-79fd8d4cc-jzc5m"
TOOLS = {"diagnose", "may_talk", "simulate_change", "show_evidence"}


def client(**more: object) -> Client:
    return Client(server_of(Answers(CASE, nonce=lambda: "7f3a91c2", **more)))  # type: ignore[arg-type]


async def asked(of: Client, tool: str, **said: str) -> str:
    result = await of.call_tool(tool, said)
    return "\n".join(each.text for each in result.content if each.type == "text")


async def test_every_tool_says_that_it_only_reads() -> None:
    async with client() as it:
        tools = (await it.list_tools()).tools

    assert {each.name for each in tools} == TOOLS
    assert all(each.annotations and each.annotations.read_only_hint for each in tools)
    assert not any(each.annotations and each.annotations.destructive_hint for each in tools)


async def test_a_recording_is_diagnosed_and_its_evidence_shown() -> None:
    async with client() as it:
        said = await asked(it, "diagnose")
        investigation = said.split()[1].rstrip(".")
        evidence = await asked(it, "show_evidence", investigation=investigation, evidence="E1")

    assert "## Verdict of the rules: policy.egress_denied" in said
    assert estimated(said) <= MAX_BRIEF_TOKENS + 100
    assert "847 packets dropped" in evidence
    assert evidence.count("<data-7f3a91c2>") == 2, "once in the word about it, once around it"


@pytest.mark.parametrize(
    ("peer", "answer"),
    [("10.96.0.1:443", "No: the policies deny it."), ("postgres:5432", "Yes: the policies allow it.")],
)
async def test_may_talk_says_so_and_which_policy(peer: str, answer: str) -> None:
    async with client() as it:
        said = await asked(it, "may_talk", pod=POD, to=peer)

    assert said.startswith(answer)
    assert "strict-egress" in said


async def test_a_change_is_tried_and_nothing_is_applied() -> None:
    before = sorted((each, each.stat().st_mtime_ns) for each in CASE.rglob("*"))
    async with client() as it:
        said = await asked(it, "simulate_change", delete="networkpolicy/strict-egress", namespace="production")

    assert "847 of 847 dropped packets would be allowed" in said
    assert sorted((each, each.stat().st_mtime_ns) for each in CASE.rglob("*")) == before


@pytest.mark.parametrize(
    ("tool", "said", "why"),
    [
        ("diagnose", {"pod": "nobody", "namespace": "production"}, "nobody"),
        ("show_evidence", {"investigation": "x", "evidence": "E1"}, "diagnose first"),
        ("simulate_change", {}, "give one change"),
        ("simulate_change", {"change": "x" * (LARGEST_CHANGE + 1)}, "64,000"),
        ("may_talk", {"pod": POD, "to": "not a peer:x"}, "--to wants HOST:PORT"),
    ],
)
async def test_what_cannot_be_answered_is_one_line_that_says_why(tool: str, said: dict[str, str], why: str) -> None:
    async with client() as it:
        result = await it.call_tool(tool, said)

    assert result.is_error
    text = "\n".join(each.text for each in result.content if each.type == "text")
    assert why in text
    assert "Traceback" not in text


async def test_with_pseudonyms_no_name_is_told_and_pseudonyms_are_understood() -> None:
    async with client(anonymize=True) as it:
        said = await asked(it, "diagnose")
        again = await asked(it, "may_talk", pod="NS-1/POD-1", to="IP-1:443")

    for name in ("production", "api-server", "strict-egress", "10.96.0.1"):
        assert name not in said + again
    assert again.startswith("No: the policies deny it.")


async def test_the_command_itself_answers_over_standard_input_and_output(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot", "mcp", "--case", str(CASE)]
    async with Client(StdioServerParameters(command=command[0], args=command[1:], cwd=Path.cwd())) as it:
        said = await asked(it, "may_talk", pod=POD, to="10.96.0.1:443")

    assert said.startswith("No: the policies deny it.")


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bot.mcp.typed.find_spec", lambda name: None)

    assert run(["mcp"]) == 2
    assert capsys.readouterr().err == "kai: kai mcp needs the package mcp: pip install 'kai-netdebug[mcp]'\n"
