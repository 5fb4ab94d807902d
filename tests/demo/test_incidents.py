"""Every incident that comes with KAI: what is typed in the chat ends in the verdict that is printed."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from bot.report.short_answer import short_answer
from flows.model import Diagnosis
from lab.demo import Demo, demonstrate
from tests.demo.conftest import CASES
from tests.demo.visitor import type_command, verdict, whole_thread
from tests.kit.diagnoses import diagnosis_of

pytestmark = pytest.mark.usefixtures("temporary")

NEEDS_ITS_PEER = ["chat-to-presence", "gallery-to-media"]
"""Without the peer in the question these end in another verdict, or in none."""
ALL = sorted(each.name for each in CASES.iterdir() if each.is_dir())


@pytest.mark.parametrize("name", NEEDS_ITS_PEER)
async def test_the_typed_question_names_the_peer_where_the_answer_hangs_on_it(name: str) -> None:
    await typed_like_printed(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
async def test_the_verdict_in_the_chat_is_the_printed_one(name: str) -> None:
    await typed_like_printed(name)


async def typed_like_printed(name: str) -> None:
    printed = await printed_diagnosis(name)
    async with demonstrate(CASES / name) as demo:
        said = await chat_verdict(demo)

    assert not printed.fault_found or f"({printed.cause_class})" in said["thread"]
    assert printed.component is None or printed.component.name in said["whole"]
    assert without_times(short_answer(printed).cause) in without_times(said["text"])


def without_times(text: str) -> str:
    """The recording's moments are moved to now."""
    return re.sub(r"\d\d:\d\d:\d\d|\b\d+ s\b", "…", text)


async def printed_diagnosis(name: str) -> Diagnosis:
    return await asyncio.to_thread(diagnosis_of, name)


async def chat_verdict(demo: Demo) -> dict[str, Any]:
    await type_command(demo)
    root = await verdict(demo)
    thread = json.dumps(await whole_thread(demo, root["ts"]))
    return {"thread": thread, "text": root["text"], "whole": json.dumps(root["blocks"]) + thread}
