"""Estimates how many tokens a text will cost: an estimate, on the high side.

No tokenizer of Claude is published, and `count_tokens` is a call over the network that would send the text first. So:
four letters or two digits make a token, each other sign is one, and what is beyond ASCII is two. Names and addresses,
of which a brief is full, cost about that; plain prose costs less. What a call really cost stands in its usage fields.
"""

from __future__ import annotations

import re

_PIECES = re.compile(r"[A-Za-z]{1,4}|[0-9]{1,2}|[!-~\n]")
_OTHER = 2


def estimated(text: str) -> int:
    """Tokens of a text, rather too many than too few."""
    beyond = 0 if text.isascii() else sum(not each.isascii() for each in text)
    return len(_PIECES.findall(text)) + _OTHER * beyond
