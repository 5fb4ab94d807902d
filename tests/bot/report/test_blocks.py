"""What a diagnosis looks like in Slack: the verdict first, everything escaped, nothing too long."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.report import blocks, details, thread
from bot.report.blocks import Said, older, with_opinions
from bot.report.mrkdwn import BREAK
from bot.report.outline import ledger
from bot.slack.limits import MAX_BLOCK_CHARS, length, problems
from flows.model import Diagnosis
from lab.workspace.limits import check_message
from sensors.kit import Target
from tests.bot.report.examples import DENIED, FIX, HEALTHY, with_root
from tests.bot.report.hostile import ATTACK, LONG, attacked
from tests.kit.cases import names
from tests.kit.diagnoses import diagnosis_of

GOLDEN = Path(__file__).parent / "golden"
DIAGNOSES = {"denied": DENIED, "healthy": HEALTHY}


def everything(it: Diagnosis) -> list[Said]:
    """Every message that can be made of a diagnosis, with its version for older workspaces."""
    made = [
        blocks.looking(it.investigation_id, it.target, "13 of 14 checks done", "prod"),
        blocks.verdict(it, "U0ALICE", "prod"),
        thread.failing(it),
        thread.rest(it),
        *(details.layer(row, it) for row in ledger(it)),
        *(blocks.ended(it.target, role, it.root_cause, it.investigation_id, "U0BOB") for role in ("failed", "lost")),
        *(part(it) for part in (details.proof, details.fix, details.undo, details.why)),
        *(details.facts(key, it) for key in it.evidence),
    ]
    return [*made, *map(older, made)]


def texts(value: Any) -> list[str]:
    """Every string a reader can see."""
    if isinstance(value, dict):
        own = [each for name, each in value.items() if name in ("text", "title", "alt_text") and isinstance(each, str)]
        return [*own, *(each for part in value.values() for each in texts(part))]
    return [each for part in value for each in texts(part)] if isinstance(value, list | tuple) else []


@pytest.mark.parametrize("name", DIAGNOSES)
def test_a_verdict_is_said_like_this(name: str):
    it = DIAGNOSES[name]
    root = blocks.verdict(it, "U0ALICE", "prod")
    replies = [[said.text, list(said.blocks)] for said in (thread.failing(it), thread.rest(it))]

    told = {"text": root.text, "blocks": list(root.blocks), "thread": replies}

    assert told == json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    assert check_message({"text": root.text, "blocks": list(root.blocks)}) is None


@pytest.mark.parametrize("name", names())
def test_every_message_about_a_recorded_incident_is_one_that_slack_takes(name: str):
    said = everything(diagnosis_of(name))

    assert [each for each in said if problems(each)] == []
    assert [each for each in said if check_message({"text": each.text, "blocks": list(each.blocks)})] == []


@pytest.mark.parametrize(
    "words", [ATTACK, LONG, "", " ", "\x00", "𝕏" * 5000], ids=["attack", "long", "", " ", "nul", "wide"]
)
def test_whatever_a_cluster_says_slack_takes_the_message(words: str):
    said = everything(
        attacked(words) if words.strip("\x00 ") else replace(with_root(DENIED, cause=words), reasoning=words)
    )

    assert [problems(each) for each in said if problems(each)] == []
    assert [each for each in said if check_message({"text": each.text, "blocks": list(each.blocks)})] == []
    assert max(length(list(each.blocks)) for each in said) <= MAX_BLOCK_CHARS


def test_nothing_from_a_cluster_becomes_a_mention_a_link_or_a_format():
    said = [text for each in everything(attacked()) for text in (each.text, *texts(list(each.blocks)))]
    ours = re.compile(r"<@U0(ALICE|BOB)>$")
    shown = [ours.sub("", text) for text in said]

    assert [text for text in shown if re.search(r"<[!@#]|<https?:|<javascript:", text)] == []
    assert [text for text in shown if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)] == []


def test_sentences_hold_no_code_no_bare_address_and_no_mention_by_name():
    sections = [
        text["text"]
        for each in everything(attacked())
        for text in walk(list(each.blocks))
        if isinstance(text, dict) and text.get("type") == "mrkdwn"
    ]

    assert sections
    assert [text for text in sections if re.search(r"`|https?://|www\.|(?<![\w<])@\w|:siren:", text)] == []
    assert all(
        text.get("verbatim") is True
        for each in everything(attacked())
        for text in walk(list(each.blocks))
        if isinstance(text, dict) and text.get("type") == "mrkdwn"
    )


def walk(value: Any):
    yield value
    if isinstance(value, dict):
        for part in value.values():
            yield from walk(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from walk(part)


def test_a_cut_never_splits_an_entity():
    said = [text for each in everything(attacked(LONG)) for text in texts(list(each.blocks))]

    assert [text[-12:] for text in said if re.search(r"&[a-z]{0,4}…?$", text)] == []


def test_a_command_is_said_literally_or_not_at_all():
    typed = "kubectl apply -f - <<'EOF'\na: \"&<>\"\nEOF"
    short, long = (details.fix(replace(DENIED, fix=replace(FIX, kubectl=command))) for command in (typed, "x" * 10_000))

    assert typed in texts(list(short.blocks))
    assert [text for text in texts(list(long.blocks)) if text.startswith("# 10000 characters are too many")]


def test_a_button_is_only_there_when_it_does_something():
    def actions(it: Diagnosis) -> list[str]:
        (row,) = (block for block in blocks.verdict(it).blocks if block["type"] == "actions")
        return [element["action_id"] for element in row["elements"]]

    always = ["kai_why", "kai_rerun", "kai_right", "kai_wrong"]
    assert actions(DENIED) == ["kai_fix", *always]
    assert actions(HEALTHY) == always
    assert actions(replace(DENIED, fix=replace(FIX, refused="too much", proof=None))) == ["kai_fix", *always]


def test_a_thumb_says_how_many_hold_that_opinion_and_nothing_where_nobody_does():
    def thumbs(right: int, wrong: int) -> list[str]:
        (row,) = (
            block for block in with_opinions(blocks.verdict(DENIED), right, wrong).blocks if block["type"] == "actions"
        )
        return [element["text"]["text"] for element in row["elements"][-2:]]

    assert [thumbs(0, 0), thumbs(2, 1)] == [["👍", "👎"], ["👍 2", "👎 1"]]


def test_the_fix_holds_command_undo_proof_and_what_it_opens():
    said = "\n".join(texts(list(details.fix(diagnosis_of("api-server-cannot-watch")).blocks)))

    assert [each for each in ("*Command*", "*Undo*", "Newly allowed", "847 of 847") if each not in said] == []


def test_a_long_command_stands_in_several_blocks_divided_at_line_ends_and_says_where_it_is_whole():
    command = "kubectl apply -f - <<'EOF'\n" + "\n".join(f"- port: {number}" for number in range(250)) + "\nEOF"
    said = details.fix(replace(DENIED, fix=replace(FIX, kubectl=command)))
    parts = [each for each in texts(list(said.blocks)) if "- port" in each]

    assert "\n".join(parts) == command
    assert max(map(len, parts)) <= 2900
    assert any("--fix" in each for each in texts(list(said.blocks)))


def test_no_code_block_holds_a_space_that_nobody_sees():
    said = [each for it in (DENIED, diagnosis_of("checkout-to-bank")) for each in everything(it)]
    code = [text for each in said for block in walk(list(each.blocks)) if is_code(block) for text in texts(block)]

    assert code
    assert [text for text in code if BREAK in text] == []


def is_code(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "rich_text_preformatted"


def test_what_caps_the_confidence_is_said_in_the_thread_with_the_failing_layer():
    assert "The confidence is capped by coverage: net.mtu: pods/production/api-server/pmtu.json is not in" in (
        thread.failing(DENIED).text
    )


def test_each_layer_has_a_word_for_its_state():
    said = {row.layer.value: details.layer(row, DENIED).text for row in ledger(DENIED)}

    assert said["policy"] == "policy ✖ FAILED: strict-egress denies the connection"
    assert said["application"] == "application – not measured: no sensor of this flow looks at it"


def test_the_details_are_folded_and_older_workspaces_see_them_unfolded():
    reply = next(details.layer(row, DENIED) for row in ledger(DENIED) if row.layer.value == "policy")

    assert [block["type"] for block in reply.blocks] == ["section", "container"]
    assert reply.blocks[1]["default_collapsed"] is True
    assert [block["type"] for block in older(reply).blocks] == ["section", "context", "section"]


def test_progress_and_verdict_have_one_layout_and_nothing_is_green_before_it_is_judged():
    said = blocks.looking("1f00baa5e77e", Target("web", "shop"), "4 of 14 checks done", "prod")
    verdict = blocks.verdict(DENIED, cluster="prod")

    assert said.text == "⚪ shop/web: looking. 4 of 14 checks done."
    assert [each["type"] for each in said.blocks] == ["header", "section", "actions", "context"]
    assert [each["type"] for each in verdict.blocks] == [
        "header",
        "section",
        "section",
        "actions",
        "context",
    ]
    assert not set("🟢✔") & set("".join(texts(list(said.blocks))))


def test_the_cluster_is_named_in_every_state_of_the_root():
    target = DENIED.target
    said = [
        blocks.looking("i1", target, "Starting", "prod-eu"),
        blocks.verdict(DENIED, cluster="prod-eu"),
        blocks.ended(target, "lost", "x", "i1", cluster="prod-eu"),
    ]

    assert all("cluster prod-eu" in "".join(texts(list(each.blocks))) for each in said)


def test_an_answer_with_an_error_counts_as_a_reached_peer():
    it = diagnosis_of("cart-to-coupons")

    assert blocks.verdict(it).text.startswith(f"🟡 {it.target} → coupons:80: opens, but answers with errors. ")


def test_who_cancelled_is_shown_by_name_and_nothing_else_in_a_reason_is():
    assert blocks.reason("cancelled by U0BOB") == "cancelled by <@U0BOB>"
    assert "<@" not in blocks.reason("cancelled by U0BOB and <@U0ALICE>")
