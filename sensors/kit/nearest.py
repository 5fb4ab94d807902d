"""The nearest right word: what every message about an unknown name ends with."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Up to `limit` known words that resemble `word`, best first; a word that begins with it counts as near."""
    words = sorted(set(known))
    prefixed = [each for each in words if word and each.startswith(word)]
    close = get_close_matches(word, words, n=limit, cutoff=0.5)
    return list(dict.fromkeys([*prefixed, *close]))[:limit]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x' or 'y'?`, or nothing when no known word resembles it."""
    near = nearest(word, known)
    return f"; did you mean {' or '.join(repr(each) for each in near)}?" if near else ""
