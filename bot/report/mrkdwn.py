"""Text for Slack: escaped, so that nothing from a cluster becomes a link, a mention or markup, and cut to size."""

from __future__ import annotations

import re

from bot.report.sanitize import clean

BREAK = "\u200b"
"""A space without width: it keeps two characters apart that Slack would read as one thing."""

_FORMAT = re.compile(r"(?<![A-Za-z0-9])[*_~](?=\S)|(?<=\S)[*_~](?![A-Za-z0-9])")
_EMOJI = re.compile(r":(?=[0-9_+'-]*[a-z][a-z0-9_+'-]*:)")
_LINK = re.compile(r"(?i)\b(https?|mailto|ftp|slack|tel)(:)(?=\S)|\b(www)(\.)")
_MENTION = re.compile(r"(?<![\w@])@(?=\w)")
_ENTITY = re.compile(r"&[a-z]{0,4}$")


def safe(text: object, longest: int = 600) -> str:
    """Untrusted text as literal mrkdwn on one line, at most `longest` characters after escaping."""
    line = clean(text, longest).replace("`", "'")
    for pattern in (_FORMAT, _EMOJI, _MENTION):
        line = pattern.sub(lambda found: found[0] + BREAK, line)
    line = _LINK.sub(lambda found: f"{found[1] or found[3]}{BREAK}{found[2] or found[4]}", line)
    return fit(escape(line), longest)


def literal(text: object, longest: int = 600) -> str:
    """Untrusted text for a plain_text object, which knows no markup: washed and cut, and no Slack control sequence."""
    return fit(apart(clean(text, longest)), longest)


def escape(text: str) -> str:
    """The three characters that Slack gives a meaning."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def apart(text: str) -> str:
    """Text in which `<!channel>`, `<@U…>`, `<#C…>` and `<http…>` cannot be read as such by anybody."""
    return re.sub(r"<(?=[!@#]|[a-z]+:)", f"<{BREAK}", text)


def fit(text: str, longest: int) -> str:
    """Escaped text cut to `longest` characters, never inside an entity; what is missing is shown by an ellipsis."""
    if len(text) <= longest:
        return text
    return _ENTITY.sub("", text[: longest - 1]).rstrip() + "…"
