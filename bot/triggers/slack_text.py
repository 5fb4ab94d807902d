"""Restores the typed text out of Slack's markup: links, entities, typographic dashes and quotes undone."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_SCHEME = re.compile(r"^(?:https?://|mailto:|tel:)")
_DASHES = re.compile(r"(?<!\S)[\u2014\u2013\u2012\u2015](?=\w)")  # phones write an em dash where `--` was typed
_QUOTES = str.maketrans(dict.fromkeys("`“”‘’\"'*", " "))
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
MAX_MESSAGE_CHARS = 4000
"""Characters of a message that are read; a question is shorter."""


def typed(text: str) -> str:
    """One line as the person typed it; mentions of people and channels are gone."""
    shown = _TOKEN.sub(_token, text[:MAX_MESSAGE_CHARS])
    for entity, letter in _ENTITIES:
        shown = shown.replace(entity, letter)
    return " ".join(_DASHES.sub("--", shown.translate(_QUOTES)).split())


def words_of(text: str) -> str:
    """Text of an alert: the same with line breaks kept, since they part labels."""
    shown = _TOKEN.sub(_token, text[:MAX_MESSAGE_CHARS])
    for entity, letter in _ENTITIES:
        shown = shown.replace(entity, letter)
    return shown


def _token(found: re.Match[str]) -> str:
    sigil, target, label = found.groups()
    if sigil:
        return " "
    return label if label else _SCHEME.sub("", target)
