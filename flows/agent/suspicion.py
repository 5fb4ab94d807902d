"""Finds text from a cluster that speaks to a model: an instruction where data should be.

The fences keep such text apart, and grounding strikes what the evidence does not carry. What is left is persuasion: a
model that lets itself be talked into doubting a verdict could cite innocent evidence for it. So a brief with such text
is explained, and Claude's weighing of it counts for nothing: the rules alone decide.

No list of words is complete. What is looked for first does not depend on a language: our own ids and words of the
answer, forged fences and roles, hidden letters, words of mixed scripts. Then come the words for "ignore", "model",
"instruction", "verdict" and "confidence" in many languages: two of these ideas beside an order are an instruction.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flows.agent.suspicion_words import IDEAS, ORDERS, PHRASES
from flows.causes import CAUSES
from flows.model import Diagnosis
from sensors.kit.catalog import sensors
from sensors.kit.reported import reported

QUESTION = "question"
"""The place of text that belongs to no look: the names that were asked about."""

_LONGEST = 4000
"""Characters of one piece that are read; the brief shows less of it."""

_CLASSES = "|".join(re.escape(each) for each in CAUSES if "." in each)
_SENSORS = "|".join(re.escape(each) for each in sensors())
_STRUCTURE = re.compile(
    rf"(?<![\w.-])(?:{_CLASSES})(?![\w-])"
    rf"|(?<![\w.-])(?:{_SENSORS})(?![\w-])"
    r"|(?<![\w-])E[1-9][0-9]?(?![\w-])"
    r"|(?<![\w-])fix-[0-9a-f]{8,}"
    r"|[<‹＜]\s*/?\s*(?:data|brief|evidence|system|user|assistant|human|instructions?|tool)\b"
    r"|<\|[a-z_]+\|>|\[/?(?:INST|SYS|SYSTEM)\]|<<SYS>>"
    r"|\b(?:assistant|human|developer)\s*:|\bsystem\s*:\s*(?:you|ignore|override|new|important|from now)\b"
    r"|\btool_(?:use|result|call)|\bfunction_(?:call|result)|\b(?:cause_class|contradicting_evidence)\b"
    r"|\"(?:statements|confidence|verdict|fix)\"\s*:",
    re.IGNORECASE,
)
_HIDDEN = re.compile("[\U000e0000-\U000e01ef\u202a-\u202e\u2066-\u2069]")
_WORDS = re.compile(r"[^\W_]+")
_BETWEEN = re.compile(r"[\s._/-]+")
_LEET = str.maketrans("013457", "oieast")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")


def suspects(it: Diagnosis) -> tuple[str, ...]:
    """Where text stands that speaks to a model: ids of evidence, or `question`."""
    places = dict(_places(it))
    found = [key for key, texts in places.items() if speaks_to_model(texts)]
    if not found and _is_instruction(" ".join(text for texts in places.values() for text in texts)):
        found = list(places)  # split over several looks: none of them alone says it
    return tuple(found)


def speaks_to_model(texts: Iterable[str]) -> bool:
    """Do these texts, each alone or all in a row, give orders to whoever weighs them?"""
    pieces = [each[:_LONGEST] for each in texts]
    if any(_HIDDEN.search(each) or _STRUCTURE.search(each) or _mixes_scripts(each) for each in pieces):
        return True
    return any(map(_is_instruction, pieces)) or _is_instruction(" ".join(pieces))


def _is_instruction(text: str) -> bool:
    plain = _BETWEEN.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    squeezed = "".join(_WORDS.findall(plain))
    if any(each.search(squeezed) or each.search(squeezed.translate(_LEET)) for each in PHRASES):
        return True
    ideas = sum(each.search(plain) is not None for each in IDEAS)
    return ideas >= 2 and (ideas >= 3 or ORDERS.search(plain) is not None)


def _mixes_scripts(text: str) -> bool:
    """A word of Latin and Cyrillic or Greek letters: only somebody who hides a word writes it so."""
    if text.isascii():
        return False
    return any(len({script for letter in word for script in _script(letter)}) > 1 for word in _WORDS.findall(text))


def _script(letter: str) -> Iterator[str]:
    if letter.isalpha() and letter not in "µμ":
        name = unicodedata.name(letter, "")
        yield from (each for each in _SCRIPTS if name.startswith(each))


# -- where a cluster has a say ---------------------------------------------------------------------------------------


def _places(it: Diagnosis) -> Iterator[tuple[str, list[str]]]:
    yield QUESTION, [it.target.pod, it.target.namespace, it.target.to_host or ""]
    for key, each in it.evidence.items():
        yield key, [each.why] if each.facts is None else list(_leaves(reported(each)))


def _leaves(value: Any) -> Iterator[str]:
    """Every text of the facts, and every key that is no name of a field: label keys are chosen by people."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (key for key in value if isinstance(key, str) and not key.isidentifier())
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each)
