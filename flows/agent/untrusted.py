"""Text that others wrote, made fit to stand in a brief: one line, visible, short, without secrets, and fenced.

A name, a label, a log line or a DNS answer may say "ignore what was said before". It stands between fences whose word
is drawn anew for each brief, and no text inside can hold the sign that opens a fence: it cannot end its fence nor
begin one.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from flows.agent.pseudonyms import Pseudonyms
from flows.agent.redaction import without_private
from sensors.text import visible

MAX_FOREIGN_CHARS = 300
"""Characters of one piece of foreign text."""

_READ = 20
"""So many times the wanted length is read before a piece is cut: the rest cannot reach the brief."""

_MARKS = str.maketrans({"<": "‹", "﹤": "‹", "＜": "‹", "﹥": "›", "＞": "›", "`": "'", "⟦": "[", "⟧": "]"})
_RULES = re.compile(r"(?<!\S)(?:#{1,6}|={3,}|-{3,}|_{3,}|\*{3,}|~{3,})(?!\S)")


def new_nonce() -> str:
    """The word of a fence that nobody can know beforehand."""
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True)
class Fence:
    """Marks where foreign text begins and ends. `nonce` is drawn for one brief."""

    nonce: str

    @property
    def opening(self) -> str:
        return f"<data-{self.nonce}>"

    @property
    def closing(self) -> str:
        return f"</data-{self.nonce}>"

    def around(self, lines: str) -> str:
        """Washed lines as data."""
        return f"{self.opening}\n{lines}\n{self.closing}"


@dataclass(frozen=True, slots=True)
class Wash:
    """Makes foreign text fit for a brief: `wash(text)`. What it hides, `pseudonyms` can bring back."""

    pseudonyms: Pseudonyms = field(default_factory=Pseudonyms)

    def __call__(self, text: object, longest: int = MAX_FOREIGN_CHARS) -> str:
        """One line of at most `longest` characters. Secrets are looked for first: half a token is one, too."""
        line = " ".join(visible(str(text)[: longest * _READ]).split())
        hidden = self.pseudonyms.hide(without_private(line))
        plain = " ".join(_RULES.sub("", hidden.translate(_MARKS)).split())
        return plain if len(plain) <= longest else f"{plain[: longest - 1].rstrip()}…"
