"""What the settings say of Claude: the key by environment or file, ceilings and prices in the file, mistakes named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.claude_settings import BadClaudeSettings, read
from bot.settings import claude_of
from flows.agent.money import Ceilings, Price
from flows.agent.settings import USUAL_MODEL

KEY = {"ANTHROPIC_API_KEY": "sk-ant-1"}


def test_without_a_key_nothing_is_enabled():
    assert not read(None, {}).enabled


def test_the_environment_stands_above_the_file():
    written = {"model": "claude-opus-5-5", "provider": "anthropic", "second_look": True}

    assert read(written, KEY).model == "claude-opus-5-5"
    assert read(written, {**KEY, "KAI_MODEL": "claude-haiku-5-5"}).model == "claude-haiku-5-5"
    assert read(written, KEY).second_look
    assert not read(written, {**KEY, "KAI_CLAUDE_SECOND_LOOK": "false"}).second_look
    assert read({}, KEY).model == USUAL_MODEL


def test_the_key_may_stand_in_a_file_or_in_another_variable_and_is_in_no_repr(tmp_path: Path):
    (tmp_path / "key").write_text("sk-ant-2\n")

    assert read({"api_key_file": str(tmp_path / "key")}, {}).key == "sk-ant-2"
    assert read({}, {"ANTHROPIC_API_KEY_FILE": str(tmp_path / "key")}).key == "sk-ant-2"
    assert read({"api_key_env": "OURS"}, {"OURS": "sk-ant-3"}).key == "sk-ant-3"
    assert "sk-ant" not in repr(read({}, KEY))


def test_a_cloud_needs_no_key_of_ours():
    it = read({"provider": "bedrock", "region": "eu-central-1"}, {})

    assert (it.enabled, it.region) == (True, "eu-central-1")


def test_ceilings_and_prices_are_read_from_the_file(tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text(
        "claude:\n  ceilings: {day: 3, person: 1.5}\n"
        "  prices:\n    claude-mine: {input: 1, output: 5, cache_write: 1.25, cache_read: 0.1}\n"
    )

    it = claude_of(file, KEY)

    assert it.ceilings == Ceilings(day=3.0, person=1.5)
    assert it.prices.of("claude-mine") == Price(1.0, 5.0, 1.25, 0.1)


@pytest.mark.parametrize(
    ("written", "environ", "words"),
    [
        ({"modle": "x"}, {}, "unknown word 'modle'"),
        ({"api_key": "sk"}, {}, "is a secret"),
        ({"provider": "betrock"}, {}, "bedrock"),
        ({"timeout": 60}, {}, "from 1 to 25"),
        ({"second_look": "perhaps"}, {}, "true or false"),
        ({"ceilings": {"day": -1}}, {}, "claude.ceilings.day"),
        ({"ceilings": {"hour": 1}}, {}, "unknown word 'hour'"),
        ({"prices": {"m": {"input": 1}}}, {}, "claude.prices.m.output is missing"),
        ({"base_url": "http://example.com"}, {}, "should be https"),
        ({"api_key_file": "/nowhere/key"}, {}, "cannot be read"),
        ({}, {"ANTHROPIC_API_KEY": "  "}, "set and empty"),
        ([], {}, "should hold keys"),
    ],
)
def test_a_mistake_is_named_in_one_line(written: Any, environ: dict[str, str], words: str):
    with pytest.raises(BadClaudeSettings) as why:
        read(written, environ)

    assert words in str(why.value)
    assert "\n" not in str(why.value)
