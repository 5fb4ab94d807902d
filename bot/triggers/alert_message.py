"""Reads a message in an alert channel: its title, its labels, how the alert stands. For every sender's trigger.

Alerts of most senders have an empty `text`: everything is in attachments or blocks. An edit comes as `message_changed`
with the new message inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.triggers.alert import MOST_WORDS, Alert, AlertState, key_of, mappings, text
from bot.triggers.alert_labels import KNOWN, peer_in, subjects_of
from bot.triggers.message import text_of
from bot.triggers.slack_text import words_of
from bot.triggers.trigger import Payload

_NAMES = "|".join(re.escape(each) for each in sorted(KNOWN, key=len, reverse=True))
_LABEL = re.compile(
    rf"(?<![\w.-])({_NAMES})[\"'`*]*(?:[ \t]*[:=][ \t\"'`*]*|[ \t]+`)"
    rf"(?!@|(?:{_NAMES})[\"'`*]*[ \t]*[:=])([^\s\"'`*,;|]{{1,300}})",  # not what follows a label without a value
    re.IGNORECASE,
)
_DENIAL = r"(?:\b(?:not|no|none|never|cannot|neither|nor|without|un|(?:fail\w*|unable) to)\b|n['’]t\b)"
_APART = r"(?:[:|(–—]|\s-)\s*"
"""Before a state that stands by itself: "names of shop cannot be looked up: resolved"."""

_AFFIRMED = (
    rf"(?:{_APART}|^(?:(?!{_DENIAL})[\s\S])*"
    r"\b(?<!\bbe )(?<!\bbeing )(?<!\bget )(?<!\bgets )(?<!\bgetting )(?<!\byet ))"
)
_BEGINNING = (
    r"^(?:\[[^\]]{0,40}\]\s*){0,3}(?:(?:the|prometheus|alert|incident|alarm|monitor|status)\b[\s:]*){0,3}"
    r"(?:(?:is|has|was|been)\s+){0,2}"
)
_STATES = (
    (AlertState.FIRING, re.compile(r"\[FIRING\b", re.IGNORECASE)),  # also of a message about some that resolved
    (
        AlertState.RESOLVED,
        re.compile(
            rf"\[(?:RESOLVED|RECOVERED|OK)\b|✅|^:white_check_mark:|{_BEGINNING}(?:resolved|recovered)\b"
            rf"|{_AFFIRMED}(?:resolved|recovered)\W*$",
            re.IGNORECASE,
        ),
    ),
    (AlertState.ACKNOWLEDGED, re.compile(rf"{_AFFIRMED}acknowledged\b", re.IGNORECASE)),
)
_SIGNS = re.compile(r"^(?::[a-z0-9_+-]{1,40}:|[^\w\[(<#]){1,20}", re.IGNORECASE)
"""Emoji and bullets before the first word."""

_STATUS = re.compile(
    r"\[(?:FIRING|RESOLVED|ALERTING|OK)\b[^\]]{0,40}\]\s*"
    r"|^\s*(?:re-)?(?:triggered|recovered|resolved|warn|no data|acknowledged)(?:\s*\([^)]{0,40}\))?:?\s*",
    re.IGNORECASE,
)


def message_of(payload: Payload) -> Payload:
    """The message itself, also of an edit."""
    inner = payload.get("message")
    return inner if payload.get("subtype") == "message_changed" and isinstance(inner, Mapping) else payload


def title_of(message: Payload) -> str:
    """The line that a reader sees first: an attachment's title, a header, the first line of the text."""
    return next((line for line in map(_one_line, _titles(message)) if line), "")


def _titles(message: Payload) -> Iterator[str]:
    for each in mappings(message.get("attachments"), 5):
        yield text(each.get("title"))
    for block in mappings(message.get("blocks"), 10):
        inner = block.get("text")
        yield text(inner.get("text")) if isinstance(inner, Mapping) else ""
    yield text(message.get("text"))
    for each in mappings(message.get("attachments"), 5):
        yield text(each.get("pretext")) or text(each.get("text")) or text(each.get("fallback"))
        yield next((title for title in _titles({"blocks": each.get("blocks")}) if title), "")
    yield text_of({"blocks": message.get("blocks")})


def shown_title(title: str) -> str:
    """A title as `title_of` has it, for comparing."""
    return _one_line(title)


def _one_line(said: str) -> str:
    lines = (line.replace("*", "").strip(" _`") for line in words_of(said).splitlines())
    return next((line for line in lines if any(letter.isalnum() for letter in line)), "")[:300]


def subject_of(title: str) -> str:
    """The title without how the alert stands: the same when it fires, repeats and resolves."""
    return _STATUS.sub("", _SIGNS.sub("", title)).strip()


def state_of(title: str) -> AlertState:
    """By the sender's own words at the beginning or the end of a title; what says nothing fires."""
    bare = _SIGNS.sub("", title)
    return next((state for state, said in _STATES if said.search(title) or said.search(bare)), AlertState.FIRING)


def labels_in(message: Payload) -> dict[str, str]:
    """Known labels that the text names with exactly one value each; of several, none: nothing is guessed."""
    found: dict[str, set[str]] = {}
    for label, value in _LABEL.findall(text_of(message)[:MOST_WORDS]):
        found.setdefault(label.lower(), set()).add(value.rstrip(".)]}"))
    return {label: next(iter(values)) for label, values in found.items() if len(values) == 1 and "" not in values}


def alert_in(source: str, payload: Payload, title: str = "", key: str = "", **more: Any) -> Alert:
    """The alert of a message. `key`: the sender's own id of the incident, where the message has one."""
    message = message_of(payload)
    title = title or title_of(message)
    labels, words = {**labels_in(message), **more.get("labels", {})}, text_of(message)[:MOST_WORDS]
    name = text(labels.get("alertname")) or more.get("name") or subject_of(title)[:120]
    return Alert(
        source=source,
        name=name,
        state=more.get("state") or state_of(title),
        key=key or key_of(source, subject_of(title), str(sorted(labels.items()))),
        title=title,
        labels=labels,
        words=words,
        meant=subjects_of(labels, name),
        peer=peer_in(labels, words, name),
    )


def author_of(message: Payload) -> str:
    """The sender's name as the message shows it, in lower case: a hint for its form, never a proof of who it is."""
    profile = message.get("bot_profile")
    named = text(profile.get("name")) if isinstance(profile, Mapping) else ""
    return (text(message.get("username")) or named).lower()


def attachment_of(message: Payload) -> Mapping[str, Any]:
    """The first attachment; empty where there is none."""
    return next(iter(mappings(message.get("attachments"), 1)), {})
