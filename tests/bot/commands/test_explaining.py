"""`kai netdebug` with a key: the report of the rules first, then Claude's part; without one, everything as it was."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.cli import run
from tests.flows.agent.answers import FAIR, TRUE
from tests.kit.cases import CASES
from tests.kit.messages_api import KEY, MessagesApi, error, says, serving_beside

ROOT = Path(__file__).parents[3]
CASE = str(CASES / "api-server-cannot-watch")


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    with serving_beside(MessagesApi([says(FAIR)])) as api:
        yield api


@dataclass(frozen=True)
class Said:
    returncode: int
    stdout: str
    stderr: str


Kai = Callable[..., Said]


@pytest.fixture
def kai(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kai:
    """`kai` in this process, with a home of its own; `api` gives it a key."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)

    def run_kai(*words: str, api: MessagesApi | None = None, **more: str) -> Said:
        known = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url} if api is not None else {}
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in {**known, **more}.items():
                patch.setenv(name, value)
            code = run(words)
        return Said(code, out.getvalue(), err.getvalue())

    return run_kai


def test_the_report_of_the_rules_stands_first_and_claude_s_part_behind_it(kai: Kai, tmp_path: Path, api: MessagesApi):
    said = kai("netdebug", "--llm", "--case", CASE, api=api)
    alone = kai("netdebug", "--llm", "--case", CASE)

    before, _, after = said.stdout.partition("\nClaude: ")
    assert (said.returncode, alone.returncode) == (1, 1)
    assert without_moving_parts(before) == without_moving_parts(alone.stdout)
    assert after.startswith("explains the verdict of the rules\n")
    assert f"- {TRUE[0][0]} (E1)" in " ".join(after.split())
    assert "claude-sonnet-5-5: 1 call, " in " ".join(after.split())


def without_moving_parts(report: str) -> list[str]:
    """The report in words, without the run's own id and time, which stand in its foot."""
    return re.sub(r"\b\d+\.\d s\b|\bid \w+", "…", " ".join(report.split())).split()


def test_json_holds_statements_usage_and_cost(kai: Kai, tmp_path: Path, api: MessagesApi):
    said = json.loads(kai("netdebug", "--llm", "--case", CASE, "-o", "json", api=api).stdout)

    assert said["decided_by"] == "rules+claude"
    assert [each["text"] for each in said["explanation"]["statements"]] == [text for text, _ in TRUE]
    usage = said["explanation"]["usage"]
    assert (usage["calls"], usage["model"]) == (1, "claude-sonnet-5-5")
    assert 0 < usage["cost_usd"] <= 0.05
    assert usage["estimated_tokens"] >= usage["input_tokens"] + usage["cache_write_tokens"] > 1000


def test_nothing_is_asked_with_no_llm_about_a_recording_by_itself_or_by_a_flow_without_that_step(
    kai: Kai, tmp_path: Path, api: MessagesApi
):
    flow = tmp_path / "plain.yaml"
    flow.write_text("steps: [{type: sensor, ref: k8s.pod}]")

    kai("netdebug", "--case", CASE, "--no-llm", api=api)
    kai("netdebug", "--case", CASE, api=api)
    kai("run-flow", str(flow), "--llm", "--case", CASE, api=api)

    assert api.calls == 0


def test_a_wrong_key_costs_a_sentence_and_neither_the_verdict_nor_the_exit_code(
    kai: Kai, tmp_path: Path, api: MessagesApi
):
    api.answers = [error(401)]

    said = kai("netdebug", "--llm", "--case", CASE, api=api)

    assert said.returncode == 1
    assert "Claude: Claude adds nothing: the API does not accept the key (401)" in " ".join(said.stdout.split())
    assert KEY not in said.stdout + said.stderr


def test_an_empty_key_is_a_mistake_that_is_said_and_the_rules_go_on(kai: Kai):
    said = kai("netdebug", "--llm", "--case", CASE, ANTHROPIC_API_KEY=" ")

    assert said.returncode == 1
    assert "Claude is not asked: ANTHROPIC_API_KEY is set and empty" in said.stderr


def test_history_tells_what_was_asked_and_what_it_cost(kai: Kai, api: MessagesApi):
    asked = json.loads(kai("netdebug", "--llm", "--case", CASE, "-o", "json", api=api).stdout)
    told = kai("history", "--cost")
    as_json = json.loads(kai("history", "--cost", "-o", "json").stdout)

    cost = asked["explanation"]["usage"]["cost_usd"]
    assert asked["investigation_id"] in told.stdout
    assert f"1 call, ${cost:.4f} in all that is remembered" in told.stdout
    assert [each["purpose"] for each in as_json["calls"]] == ["explain"]
    assert as_json["sums"]["last_1_days_usd"] == pytest.approx(cost)


def test_a_day_s_ceiling_is_kept_from_one_run_to_the_next(kai: Kai, tmp_path: Path, api: MessagesApi):
    config = tmp_path / "config.yaml"
    config.write_text("claude: {ceilings: {day: 0.06}}")
    said = [kai("netdebug", "--llm", "--case", CASE, api=api, KAI_CONFIG=str(config)).stdout for _ in range(3)]

    assert api.calls == 2
    assert "the ceiling of $0.06 in 24 hours would be passed" in " ".join(said[2].split())


HEAVY = """
import contextlib, io, os, sys
from bot.cli import run
for words, key in {asked!r}:
    os.environ.pop("ANTHROPIC_API_KEY", None)
    os.environ.update({{"ANTHROPIC_API_KEY": "sk-ant-nobody-s"}} if key else {{}})
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        run(words)
    print(words[:2], sorted({{"anthropic", "httpx2", "flows.agent.wire"}} & set(sys.modules)))
"""


def test_the_sdk_is_imported_only_where_claude_is_asked(tmp_path: Path):
    asked = [
        (["--help"], True),
        (["netdebug", "--case", CASE], True),
        (["netdebug", "--llm", "--case", CASE], False),
        (["netdebug", "--no-llm", "--case", CASE], True),
        (["netdebug", "--llm", "--show-brief", "--case", CASE], True),
        (["demo", "--once"], True),
    ]
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", HEAVY.format(asked=asked)]

    said = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)

    assert said.stdout.splitlines() == [f"{words[:2]} []" for words, _ in asked], said.stderr


@pytest.mark.slow  # it waits for a server that is slower than anybody would
def test_with_a_server_that_is_25_s_slow_the_rules_are_at_once_there_and_the_whole_ends_within_30_s(
    tmp_path: Path, api: MessagesApi
):
    api.answers = [says(FAIR, delay=25)]
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
    environ |= {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}
    command = [sys.executable, "-m", "bot", "netdebug", "--llm", "--case", CASE]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        verdict = next(line for line in process.stdout if line.startswith("Root Cause:"))
        asked_before_the_verdict = api.calls
        rest = process.stdout.read()
    took = re.search(r", ([0-9.]+) s$", rest.strip())

    assert "strict-egress" in verdict
    assert asked_before_the_verdict == 0
    assert "it did not answer within" in " ".join(rest.split())
    assert took is not None
    assert float(took[1]) <= 27.0  # the call with the import before it, by the ledger's clock
