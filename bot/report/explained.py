"""Claude's part of a diagnosis in sentences: what it says, what it disputes, what it asked for, what was struck out."""

from __future__ import annotations

from collections.abc import Iterator

from bot.report.sanitize import clean
from flows.model import AskedLook, Diagnosis, Explanation, OtherCause, Usage

SAID, DISPUTED, NOTED = "said", "disputed", "noted"
"""What a line is: a statement, something to look at twice, or a note in passing."""


def headline(it: Diagnosis) -> str:
    """Claude's view of the verdict, in a clause."""
    said = it.explanation
    if said is None:
        return ""
    if said.failed and not said.statements:
        return clean(said.failed)
    if said.other is not None:
        return "sees another cause than the rules" if said.other.against else "suspects a cause that no rule shows"
    if it.confidence < said.rules_confidence:
        return f"is less sure: {it.confidence:.0%} where the rules say {said.rules_confidence:.0%}"
    return "explains the verdict of the rules" if said.statements else "adds nothing that the evidence carries"


def lines(it: Diagnosis, *, verbose: bool = False) -> Iterator[tuple[str, str]]:
    """Kind and sentence, in the order in which a person reads them."""
    said = it.explanation
    if said is None:
        return
    yield from ((SAID, f"{clean(each.text)} ({', '.join(each.evidence)})") for each in said.statements)
    if said.other is not None:
        yield DISPUTED, _other(said.other)
    if said.fix and said.fix != it.fix.id and said.fix in {each.id for each in it.alternatives}:
        title = next(each.title for each in it.alternatives if each.id == said.fix)
        yield DISPUTED, f"Claude would rather take another way: {clean(title)}"
    yield from ((NOTED, asked_line(each)) for each in said.asked)
    yield from ((NOTED, each) for each in _struck(said, verbose))
    if said.failed and said.statements:
        yield NOTED, clean(said.failed)
    if said.usage.calls:
        yield NOTED, spent(said.usage)


def _other(it: OtherCause) -> str:
    shown = f"{clean(it.cause)} ({it.cause_class}; {', '.join(it.evidence)})"
    if not it.against:
        return shown
    return f"{shown} Against the verdict it holds {', '.join(it.against)}. A change then needs two persons."


def asked_line(it: AskedLook) -> str:
    """A further look, and what it showed or why it was refused."""
    if it.refused:
        return f"Claude asked for a look that was refused: {clean(it.question, 120)} ({clean(it.refused, 120)})"
    return f"Claude asked for one more look: {clean(it.question, 120)}. {it.evidence}: {clean(it.summary, 200)}"


def _struck(said: Explanation, verbose: bool) -> Iterator[str]:
    if not said.struck:
        return
    count = len(said.struck)
    statements, were = ("statement", "was") if count == 1 else ("statements", "were")
    yield f"{count} {statements} of Claude {were} struck out: not carried by the evidence"
    if verbose:
        yield from (f"struck out: {clean(each.text, 200)} ({clean(each.why, 120)})" for each in said.struck)


def spent(it: Usage) -> str:
    """Cost of the explanation, for the one who pays."""
    read = it.input_tokens + it.cache_read_tokens + it.cache_write_tokens
    calls = "1 call" if it.calls == 1 else f"{it.calls} calls"
    tokens = f"{read:,} tokens in, {it.output_tokens:,} out"
    return f"{clean(it.model, 60)}: {calls}, {tokens}, ${it.cost_usd:.4f}, {it.seconds:.1f} s"
