"""`kai ask`: a question about an investigation that was kept; the rules' own answers first, then Claude's."""

from __future__ import annotations

import getpass
import re

from bot.answers.answer import answer, cannot
from bot.answers.grammar import parse
from bot.answers.known import AnswerFacts
from bot.answers.question import Topic
from bot.commands.history import one_of, with_store
from bot.commands.output import write
from bot.errors import CouldNotLook, UsageMistake
from bot.explain.conversing import Conversing
from bot.report.blocks import Said, SlackBlock
from bot.report.mrkdwn import BREAK
from bot.report.sanitize import clean
from bot.settings import claude_of
from bot.store.store import Store
from flows.agent.asking import ClaudeClient
from flows.agent.reply import NoAnswer
from flows.agent.settings import ClaudeSettings
from flows.model import Diagnosis

_MARKS = re.compile(r"(?<!\w)\*|\*(?!\w)")


def ask(investigation: str, question: tuple[str, ...], database: str | None) -> int:
    """Answer from what was kept. Raises `UsageMistake` where nobody can."""
    text = " ".join(question).strip()
    if not text:
        raise UsageMistake('ask something: kai ask ID "why not DNS?"')
    write(with_store(database, lambda store: _answered(store, investigation, text)))
    return 0


async def _answered(store: Store, word: str, text: str) -> str:
    it = await one_of(store, word)
    question = parse(text)
    if question.topic is not Topic.UNKNOWN:
        commands = question.topic is Topic.FIX and it.fix.kubectl
        more = f"The commands for a shell: kai show {it.investigation_id} --fix\n" if commands else ""
        return _plain(answer(question, AnswerFacts(it, in_slack=False))) + more
    settings = claude_of()
    if not settings.enabled:
        raise UsageMistake(f"{_cannot(text)} (Claude answers the rest, with ANTHROPIC_API_KEY)")
    return await _by_claude(store, it, text, settings)


async def _by_claude(store: Store, it: Diagnosis, text: str, settings: ClaudeSettings) -> str:
    client = ClaudeClient(settings, store.claude_calls.within(settings.ceilings))
    try:
        lines = await Conversing(client)(it, it.investigation_id, text, f"terminal:{getpass.getuser()}")
    except NoAnswer as why:
        raise CouldNotLook(f"{clean(why)} {_cannot(text)}") from why
    finally:
        await client.close()
    return "".join(f"{clean(line)}\n" for line in lines)


def _cannot(text: str) -> str:
    return _plain(cannot(text)).strip()


def _plain(said: Said) -> str:
    """A message for Slack as plain lines; commands as they must be typed."""
    return "".join(map(_plain_block, said.blocks)) or _plain_line(said.text)


def _plain_block(block: SlackBlock) -> str:
    if block["type"] == "rich_text":
        return "".join(f"{part['text']}\n" for each in block["elements"] for part in each["elements"])
    if block["type"] == "container":
        return "".join(map(_plain_block, block["child_blocks"]))
    text = block.get("text")
    return "".join(map(_plain_line, text["text"].splitlines())) if isinstance(text, dict) else ""


def _plain_line(line: str) -> str:
    for escaped, sign in ((BREAK, ""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        line = line.replace(escaped, sign)
    return f"{clean(_MARKS.sub('', line), 2000)}\n" if line.strip("` ") else ""
