"""Claude's part of a diagnosis: statements with their evidence, what was struck, what was asked, the cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of Claude's, and the ids of the evidence that it cites. Every figure and name in it stands there."""

    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Struck:
    """A statement that was struck out, and why in a clause."""

    text: str
    why: str


@dataclass(frozen=True, slots=True)
class OtherCause:
    """A cause that Claude sees and the rules do not show: a class of the closed list, in one sentence, with evidence.

    `against` are the ids of the evidence that it holds against the verdict of the rules; empty where they have none.
    """

    cause_class: str
    cause: str
    evidence: tuple[str, ...]
    against: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AskedLook:
    """One more look that Claude asked for: which one, why it was refused (empty: it was taken), what it showed."""

    question: str
    evidence: str = ""
    summary: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of the calls: tokens as the API counted them, and US dollars at the list price of the settings.

    `estimated_tokens` is what was expected of the input before. `seconds` is wall time of all calls.
    """

    model: str = ""
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0
    estimated_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Claude's part of a diagnosis. `failed` says in a sentence why there is none; the rules' verdict stands then.

    `rules_confidence` is what the rules said; the confidence of the diagnosis is never higher. `fix` is the id of the
    candidate that Claude would take, empty for none. `other`: both verdicts are shown where it disputes the rules'.
    `sent` are the briefs exactly as they were sent.
    """

    statements: tuple[Statement, ...] = ()
    struck: tuple[Struck, ...] = ()
    other: OtherCause | None = None
    fix: str = ""
    rules_confidence: float = 0.0
    asked: tuple[AskedLook, ...] = ()
    failed: str = ""
    usage: Usage = Usage()
    sent: str = ""

    @property
    def disputes(self) -> bool:
        """Claude names evidence against the verdict of the rules: a change then needs two persons."""
        return self.other is not None and bool(self.other.against)
