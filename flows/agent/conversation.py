"""Answers a question about a kept diagnosis, where the rules' own answers do not cover it: from its brief, with ids.

Each sentence is held against the evidence that it cites, as in an explanation. What was not measured is said to be
not measured. An answer can name one further look that would tell; it starts none, and it never changes anything.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from flows.agent.brief import brief_of, wash_for
from flows.agent.claims import BadAnswer, Claim
from flows.agent.grounding import Ground, why_struck
from flows.agent.prompt import converse
from flows.agent.reply import ModelReply, NoAnswer
from flows.agent.untrusted import Fence
from flows.agent.weighing import ground_of
from flows.model import Diagnosis, Statement
from sensors.kit.catalog import sensors

LONGEST_QUESTION = 500
"""Characters of a question."""

MAX_CLAIMS = 6
NO_EVIDENCE = "none"

SendRequest: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[ModelReply]]
"""Asks the model once. Raises `NoAnswer`."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Answer to a question: the sentences that hold, how many do not, whether the evidence tells at all, and the sensor
    that would tell more (empty: none)."""

    statements: tuple[Statement, ...]
    struck: int = 0
    measured: bool = True
    look: str = ""


async def spoken(
    it: Diagnosis, question: str, nonce: str, model: str, ask: SendRequest, *, anonymize: bool = False
) -> Spoken:
    """The answer to a question about a diagnosis. Raises `NoAnswer`."""
    wash = wash_for(it, anonymize=anonymize)
    brief, asked = brief_of(it, nonce, wash), wash(question, LONGEST_QUESTION)
    reply = await ask(converse(brief, Fence(nonce).around(asked), [*sorted(sensors()), NO_EVIDENCE], model))
    claims, measured, look = _read(reply.text)
    ground = ground_of(it, brief.cited, f"{brief.question} {asked}")
    kept = _kept(claims, ground)[:MAX_CLAIMS]
    shown = tuple(Statement(wash.pseudonyms.reveal(each.text.strip()), each.evidence) for each in kept)
    return Spoken(shown, len(claims) - len(kept), measured, look)


def _kept(claims: list[Claim], ground: Ground) -> list[Claim]:
    return [each for each in claims if not why_struck(each, ground)]


def _read(text: str) -> tuple[list[Claim], bool, str]:
    """The statements, whether the evidence tells it, the look that would. Raises `NoAnswer`."""
    try:
        it = json.loads(text)
        claims = [Claim(str(each["text"]), tuple(map(str, each["evidence"]))) for each in it["statements"]]
        look = str(it["look"])
        return claims, bool(it["measured"]), look if look in sensors() else ""
    except (ValueError, KeyError, TypeError, RecursionError, BadAnswer):
        raise NoAnswer("its answer cannot be read") from None


def in_words(it: Spoken, investigation: str) -> tuple[str, ...]:
    """The answer line by line, for a person."""
    lines = [f"{each.text} [{', '.join(each.evidence)}]" for each in it.statements]
    if not it.measured or not lines:
        lines.append("The evidence of this investigation does not tell that: it was not measured.")
    if it.struck:
        many = "statement was" if it.struck == 1 else "statements were"
        lines.append(f"{it.struck} {many} struck out: the evidence does not carry them.")
    if it.look:
        lines.append(f"{it.look} could tell more: run the investigation again ({investigation}).")
    return tuple(lines)
