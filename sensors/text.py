"""Text from a cluster is untrusted: names, logs and labels may carry escapes or letters that nobody sees."""

from __future__ import annotations

import re
import unicodedata

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, …: titles, links
    r"|\x1b[@-Z\\-~]?"
)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_WHITE = "\t\n\r\v\f"
_BLANK = frozenset(
    map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10)))
) | frozenset(map(chr, range(0xE0100, 0xE01F0)))
"""Letters and marks that show nothing (fillers, joiners, variation selectors): bytes can be hidden in a row of them."""


def visible(text: str) -> str:
    """Visible part of a text: no escapes, controls, direction tricks, zero-width or tag characters."""
    if text.isascii() and text.isprintable():
        return text  # as nearly all of them
    stripped = _ESCAPES.sub("", text)
    return "".join(" " if letter in _WHITE else letter for letter in stripped if _is_shown(letter))


def _is_shown(letter: str) -> bool:
    return letter in _WHITE or (unicodedata.category(letter) not in _INVISIBLE and letter not in _BLANK)


def counted(number: int, word: str) -> str:
    """`1 packet`, `1,200 packets`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def capital(text: str) -> str:
    """Text with a capital as its first letter, as a sentence begins."""
    return f"{text[:1].upper()}{text[1:]}"
