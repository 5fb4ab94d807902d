"""Finds what looks like a credential, in any text: one list for logs, recordings, the store and what leaves the house.

Each pattern is linear in the length of the text: none may begin a long run at every character of it.
"""

from __future__ import annotations

import re

REDACTED = "[redacted]"

_NAMED = (
    r"token|secret|passw(?:or)?d|passwd|pwd|passphrase|api[_-]?key|(?:secret|access|private|signing|encryption|account)"
    r"[_-]?(?:access[_-]?)?key"
)

SECRETS = tuple(
    re.compile(pattern)
    for pattern in (
        r"()-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:(?!-----)[\s\S])*(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?",
        r"(?i)(\bauthorization[\"']?\s*[=:]\s*[\"']?(?:(?:bearer|basic|digest|negotiate|token|apikey)\s+)?)[^\r\n\"',;]+",
        r"(?i)(\b(?:set-)?cookie[\"']?\s*[=:]\s*[\"']?)[^\r\n\"']+",
        r"(?i)(\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}",
        rf"(?i)((?:{_NAMED})[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;]+",
        r"(://)[^\s/:@]*:[^\s/@]+(?=@)",
        r"()(?<![\w-])eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?",
        r"()(?:xox[a-z]-[\w-]{3,}|xapp-[\w-]{8,}|xwfp-[\w-]{8,})",  # also right behind a colour's escape
        r"()\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,})",
        r"()\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{35}|ya29\.[\w-]{20,}|sk-[\w-]{16,}|hvs\.[\w-]{20,}|npm_\w{30,})",
        r"()https://hooks\.slack\.com/\S+",
    )
)
"""Private keys, authorization headers, cookies, `password=…`, user:password@, JSON web tokens, known key prefixes."""


_MARKS = (
    *(
        "-----begin",
        "authorization",
        "cookie",
        "bearer",
        "basic",
        "token",
        "secret",
        "passw",
        "pwd",
        "passphrase",
        "key",
    ),
    *("://", "eyj", "xox", "xapp-", "xwfp-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
    *("akia", "asia", "aiza", "ya29.", "sk-", "hvs.", "npm_"),
)
"""Every pattern needs one of these, in lower case: most texts have none, and are read once instead of ten times."""


def redact(text: str, mark: str = REDACTED) -> str:
    """A text without what looks like a credential; what introduces one stays, so that a reader sees what it was."""
    if not may_hold_secret(text):
        return text
    for pattern in SECRETS:
        text = pattern.sub(lambda found: found[1] + mark, text)
    return text


def may_hold_secret(text: str) -> bool:
    """False where no pattern can find anything, at a tenth of their cost."""
    if not text.isascii():  # a letter may count as another one's capital
        return True
    lower = text.lower()
    for each in _MARKS:  # noqa: SIM110 - a generator would cost more than what it looks for
        if each in lower:
            return True
    return False
