"""Claude's part in a report, in Slack and in JSON: what it says, what it disputes, what was struck out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.report import blocks
from bot.report.json_result import decode, encode, render
from bot.report.outline import outline
from bot.report.text import render as as_text
from flows.model import AskedLook, Diagnosis, Explanation, OtherCause, Statement, Struck, Usage
from tests.bot.report.examples import DENIED

USAGE = Usage("claude-sonnet-5-5", 2, 900, 210, 1200, 6100, 0.0213, 3.4, 8900)
FULL = Explanation(
    statements=(Statement("847 packets were dropped.", ("E1",)),),
    struck=(Struck("A meteor fell.", "there is no evidence E99"), Struck("It is magic.", "no cause")),
    other=OtherCause("dns.coredns_down", "CoreDNS is not ready.", ("E7",), ("E6",)),
    rules_confidence=0.94,
    asked=(AskedLook("net.mtu", "E15", "pod route MTU 1450"), AskedLook("try_peer x", refused="stands nowhere")),
    usage=USAGE,
)


def told(said: Explanation, *, verbose: bool = False, **more: Any) -> str:
    it = replace(DENIED, explanation=said, **more)
    text = as_text(outline(it, verbose=verbose))
    return text.partition("\nClaude: ")[2].partition("\n\n")[0]


def test_without_claude_a_report_says_nothing_of_it():
    assert "Claude" not in as_text(outline(DENIED))
    assert encode(DENIED)["explanation"] is None


def test_a_report_has_statements_with_their_evidence_disputes_looks_and_the_cost():
    lines = told(FULL).splitlines()

    assert lines[0] == "sees another cause than the rules"
    assert "- 847 packets were dropped. (E1)" in lines
    assert any("Against the verdict it holds E6. A change then needs two persons." in line for line in lines)
    assert any("one more look: net.mtu. E15: pod route MTU 1450" in line for line in lines)
    assert any("a look that was refused: try_peer x (stands nowhere)" in line for line in lines)
    assert any(line.startswith("- 2 statements of Claude were struck out") for line in lines)
    assert lines[-1] == "- claude-sonnet-5-5: 2 calls, 8,200 tokens in, 210 out, $0.0213, 3.4 s"
    assert "A meteor fell." not in told(FULL)
    assert "struck out: A meteor fell. (there is no evidence E99)" in told(FULL, verbose=True)


@pytest.mark.parametrize(
    ("said", "more", "headline"),
    [
        (Explanation(failed="Claude adds nothing: it slept."), {}, "Claude adds nothing: it slept."),
        (replace(FULL, other=None), {}, "explains the verdict of the rules"),
        (replace(FULL, other=None), {"confidence": 0.4}, "is less sure: 40% where the rules say 94%"),
        (Explanation(struck=FULL.struck), {}, "adds nothing that the evidence carries"),
        (
            replace(FULL, other=OtherCause("app.slow", "It is slow.", ("E2",))),
            {},
            "suspects a cause that no rule shows",
        ),
    ],
)
def test_the_headline_says_how_claude_stands_to_the_verdict(said: Explanation, more: dict[str, Any], headline: str):
    assert told(said, **more).splitlines()[0] == headline


def test_slack_shows_it_on_the_same_message_behind_the_verdict():
    texts = json.dumps(blocks.verdict(replace(DENIED, explanation=FULL)).blocks, ensure_ascii=False)

    assert texts.index(DENIED.root_cause[:40]) < texts.index("sees another cause than the rules")
    assert "847 packets were dropped. (E1)" in texts


def test_json_holds_all_of_it_and_reads_back():
    it = replace(DENIED, explanation=FULL, decided_by="rules+claude")

    assert decode(json.loads(render(it))).explanation == FULL


def test_a_result_of_before_there_was_an_explanation_reads_as_none():
    old = {key: value for key, value in encode(DENIED).items() if key != "explanation"}

    read: Diagnosis = decode(old)

    assert read.explanation is None


def test_what_claude_wrote_is_cleaned_as_text_of_a_cluster_is():
    said = Explanation((Statement("Bad \x1b[31mred\x1b[0m <!channel> *bold*", ("E1",)),))

    assert "\x1b" not in told(said)
    assert "<!channel>" not in json.dumps(blocks.verdict(replace(DENIED, explanation=said)).blocks)
