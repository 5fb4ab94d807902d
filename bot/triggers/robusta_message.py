"""Robusta's message in a channel: sections with a severity, the subject and `Source: cluster`. Source: robusta-dev/
robusta, integrations/slack/sender.py."""

from __future__ import annotations

import re

from bot.store import OriginKind
from bot.triggers.alert import Alert, AlertState
from bot.triggers.alert_message import alert_in, author_of, message_of
from bot.triggers.message import text_of
from bot.triggers.trigger import Nothing, Payload, Trigger

_SOURCE = re.compile(r"\*?Source:?\*?\s*`?[\w.-]+")
_IN = re.compile(r"\bin namespace[ \t]+[`*]*([a-z0-9][a-z0-9-]{0,62})", re.IGNORECASE)
_RESOLVED = re.compile(r"(?i)prometheus (?:alert )?resolved|alert resolved")
_KIND = re.compile(r"(?i)alert firing|resolved|k8s event|^\W*(?:high|medium|low|info)\W*$|source:")
"""Lines that say what kind of message it is; the subject is the first other one, and the same when it resolves."""


def fits(payload: Payload) -> bool:
    message = message_of(payload)
    return author_of(message).startswith("robusta") or (
        _SOURCE.search(text_of(message)) is not None and "robusta" in str(message)[:8000].lower()
    )


def read(payload: Payload) -> Alert | Nothing:
    said = text_of(message_of(payload))
    if not said.strip():
        return Nothing("the message is empty")
    spaces = set(_IN.findall(said))
    labels = {"namespace": spaces.pop()} if len(spaces) == 1 else {}
    state = AlertState.RESOLVED if _RESOLVED.search(said) else None
    lines = (line.strip(" *_`") for line in said.splitlines())
    subject = next((line for line in lines if any(map(str.isalnum, line)) and not _KIND.search(line)), "")
    return alert_in("robusta_message", payload, subject[:300], labels=labels, state=state or AlertState.FIRING)


TRIGGER = Trigger("robusta_message", OriginKind.ALERT, read, fits)
