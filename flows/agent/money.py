"""Cost of a call at the list price of the settings, and the ceilings of spending."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens. `cache_write` is that of five minutes."""

    input: float
    output: float
    cache_write: float
    cache_read: float


LIST_PRICES: Mapping[str, Price] = {
    "claude-fable-5-1": Price(10.0, 50.0, 12.5, 0.25),
    "claude-haiku-5-5": Price(0.1, 0.5, 0.125, 0.01),  # prompts up to 100,000 tokens; ours have a tenth of that
    "claude-haiku-4-5": Price(1.0, 5.0, 1.25, 0.1),
    "claude-opus-5": Price(5.0, 25.0, 6.25, 0.5),
    "claude-opus-5-5": Price(4.0, 20.0, 5.0, 0.2),
    "claude-sonnet-5": Price(2.0, 10.0, 2.5, 0.2),
    "claude-sonnet-5-5": Price(2.0, 10.0, 2.5, 0.1),
}
"""As platform.claude.com/docs/en/about-claude/pricing had them in November 2026; `claude.prices` in the settings file
says otherwise."""


@dataclass(frozen=True, slots=True)
class SpentTokens:
    """Tokens of one call, as the API's `usage` counts them: `input` is without what the cache gave or took."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


def cost_of(spent: SpentTokens, price: Price) -> float:
    """US dollars."""
    read = spent.cache_read * price.cache_read + spent.cache_write * price.cache_write
    return (spent.input * price.input + spent.output * price.output + read) / MILLION


def at_most(tokens: int, max_tokens: int, price: Price) -> float:
    """US dollars that a call may cost: all of the input written to the cache, all of the output used."""
    return cost_of(SpentTokens(output=max_tokens, cache_write=tokens), price)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """US dollars that may be spent: on one investigation, and within 24 hours in all and by one person."""

    investigation: float = 0.25
    day: float = 20.0
    person: float = 5.0


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices in force: those of the settings file, else the list."""

    said: Mapping[str, Price] = field(default_factory=dict)

    def of(self, model: str) -> Price | None:
        """By the model's name, also where the provider writes more around it. None: no price is known."""
        known = {**LIST_PRICES, **self.said}
        named = [name for name in known if re.search(rf"(^|[./]){re.escape(name)}{_VERSION}", model)]
        return known[max(named, key=len)] if named else None


_VERSION = r"([@:].*|-v[0-9].*|-[0-9]{8}.*)?$"
"""What Bedrock, Vertex and dated names have behind a model's name; another model's number is none of it."""
