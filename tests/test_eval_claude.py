"""The evaluation itself: what it counts, and that it asks nothing without a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import eval_claude
from bench.eval_claude import Answer, changed, main, summary
from bench.truth import ROOT
from tests.flows.agent.answers import FAIR
from tests.kit.messages_api import KEY, MessagesApi, says, serving_beside


def test_without_a_key_it_says_so_and_exits_with_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))

    assert main([]) == 2
    assert "no key for Claude" in capsys.readouterr().err


def test_rules_alone_stand_beside_rules_with_claude_with_cost_and_what_was_struck(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys
):
    spoilt = {**FAIR, "statements": [*FAIR["statements"], {"text": "A meteor fell.", "evidence": ["E99"]}]}
    with serving_beside(MessagesApi([says(spoilt)])) as api:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # it is set anew, and must be as before afterwards
        code = main(["--times", "1", "api-server-cannot-watch"])

    told = capsys.readouterr().out.splitlines()
    assert (code, api.calls) == (0, 1)
    assert "policy.egress_denied" in told[0]
    assert "2 said, 1 struck" in told[1]
    assert "1 of 3 struck" in next(line for line in told if line.startswith("rules + Claude"))
    assert told[-1] == "  nothing"


def test_what_became_worse_is_named():
    before = {"a": Answer("a", "app.slow", True, None, 0.9), "b": Answer("b", "inconclusive", False, None, 0.3)}
    after = [Answer("a", "app.error", False, None, 0.9), Answer("b", "mtu.mismatch", True, None, 0.9)]

    assert changed(before, after) == [
        "a: app.slow -> app.error (WORSE)",
        "b: inconclusive -> mtu.mismatch (better)",
    ]
    assert "1/2 classes right" in summary("rules + Claude", after)


def test_it_runs_on_the_shelves_of_the_scoreboard():
    assert eval_claude.truths([ROOT / "lab/cases"], ["api-server"])
