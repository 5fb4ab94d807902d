"""Hides what must not leave the house: credentials, cookies, query strings, e-mail addresses, values of variables.

Each pattern is linear in the length of the text. Names and addresses stay here (`flows.agent.pseudonyms` hides them).
"""

from __future__ import annotations

import re

from sensors.kit.secrets import REDACTED, redact

_PRIVATE = (
    (re.compile(r"(?<=[\w/])\?[\w.~%+\[\]-]+=[^\s\"'<>]*"), "?[query]"),
    (re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[\w-]+\.)+[A-Za-z]{2,}"), "[e-mail]"),
    (re.compile(r"(?<![A-Za-z0-9_])([A-Z][A-Z0-9]*_[A-Z0-9_]*=)(?:\"[^\"]*\"|'[^']*'|\S+)"), rf"\1{REDACTED}"),
    (
        re.compile(r"(?<![\w+=])(?=[\w+]*[A-Z])(?=[\w+]*[a-z])(?=[\w+]*[0-9])[A-Za-z0-9+_]{28,}={0,2}"),
        REDACTED,
    ),
)
"""Query strings, e-mail addresses, `VARIABLE=value`, and long mixed strings as keys and encoded Secrets are."""


def without_private(text: str) -> str:
    """A text without what nobody outside needs in order to tell why a pod cannot talk."""
    text = redact(text)
    for pattern, instead in _PRIVATE:
        text = pattern.sub(instead, text)
    return text
