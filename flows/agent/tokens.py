"""Estimates how many tokens a text will cost: an estimate, on the high side.

No tokenizer of Claude is published, and `count_tokens` is a call over the network that would send the text first. So:
four letters or two digits make a token, each other sign is one, and what is beyond ASCII is two. Names and addresses,
of which a brief is full, cost about that; plain prose costs less. What a call really cost stands in its usage fields.
"""

from __future__ import annotations

import re

_PIECES = re.compile(r"(?P<letters>[A-Za-z]+)|(?P<digits>[0-9]+)|(?P<line>\n)|(?P<sign>[!-~])|(?P<other>[^\x00-\x7f])")
_LETTERS_OF_ONE, _DIGITS_OF_ONE, _OTHER = 4, 2, 2


def estimated(text: str) -> int:
    """Tokens of a text, rather too many than too few."""
    return sum(map(_cost, _PIECES.finditer(text)))


def _cost(piece: re.Match[str]) -> int:
    if piece.lastgroup == "letters":
        return -(-len(piece[0]) // _LETTERS_OF_ONE)
    if piece.lastgroup == "digits":
        return -(-len(piece[0]) // _DIGITS_OF_ONE)
    return _OTHER if piece.lastgroup == "other" else 1
