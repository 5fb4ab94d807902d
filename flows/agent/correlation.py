"""The step `agentType: correlation`: asks for the look that decides where rules are unsure, then explains the verdict.

It is handed everything that reaches outside: who asks the model, who looks further, what time it is. Whatever fails,
the verdict of the rules comes back, with a sentence about it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

from flows.agent import prompt
from flows.agent.brief import Brief, brief_of
from flows.agent.claims import BadAnswer, read_claims, read_review
from flows.agent.reply import NoAnswer, Reply, sentence
from flows.agent.untrusted import Wash
from flows.agent.weighing import BOTH, CLAUDE, Bench, explained, ground_of, reviewed, weighed
from flows.belief import ROOT_CAUSE_FROM
from flows.model import AskedLook, Diagnosis, Explanation, Statement
from sensors.kit import Sensor

TURNS, TURNS_WITHIN = 4, 20.0
"""So often, and in so many seconds, a further look may be asked for."""

IN_ALL = 26.0
"""Seconds for all that Claude does about one verdict: with the rules' part a person waits at most thirty."""

UNSURE_BELOW = 0.6
"""A verdict less sure than this is worth another look."""

Ask: TypeAlias = Callable[[str, Mapping[str, Any], float], Awaitable[Reply]]
"""Asks the model: the purpose, the request, seconds. Raises `NoAnswer`."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a further look: how it is told, and the diagnosis of the rules with it (None: it was refused)."""

    asked: AskedLook
    diagnosis: Diagnosis | None = None


class Further(Protocol):
    """Looks further, as far as that is possible here."""

    async def tools(self) -> list[dict[str, Any]]:
        """What may be asked for, as the Messages API wants it."""
        ...

    async def look(self, number: int, tool: str, said: Mapping[str, Any], known: str) -> Looked: ...


Watch: TypeAlias = Callable[[AskedLook], Awaitable[None]]


async def unwatched(asked: AskedLook) -> None:
    """For those who only want the result."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a correlation works with. `nonce` is drawn for it alone; `rules_know` are the classes rules can name."""

    model: str
    ask: Ask
    nonce: str
    sensors: Mapping[str, Sensor]
    rules_know: frozenset[str]
    wash: Wash = field(default_factory=Wash)
    further: Further | None = None
    second_look: bool = False
    watch: Watch = unwatched
    clock: Callable[[], float] = time.monotonic
    in_all: float = IN_ALL

    def brief(self, it: Diagnosis) -> Brief:
        return brief_of(it, self.nonce, self.wash)


def is_unsure(it: Diagnosis) -> bool:
    """The rules shrug, are hardly sure, or name two causes of which none hides the other."""
    rivals = [each for each, _ in it.others if each.belief >= ROOT_CAUSE_FROM and not it.is_hidden(each)]
    return it.cause_class == "inconclusive" or it.confidence < UNSURE_BELOW or bool(rivals)


async def correlate(it: Diagnosis, table: Table) -> Diagnosis:
    """The diagnosis with Claude's part. `usage` is for the caller to fill in: who asks knows what was paid."""
    until = table.clock() + table.in_all
    asked: list[AskedLook] = []
    try:
        if table.further is not None and is_unsure(it):
            it = await _escalated(it, table, table.further, asked, until)
        it = await _explained(it, table, until)
        if table.second_look:
            it = await _second_look(it, table, until)
    except NoAnswer as why:
        said = it.explanation or Explanation(rules_confidence=it.confidence)
        it = replace(it, explanation=replace(said, failed=str(why)))
    return _revealed(replace(it, explanation=replace(it.explanation or Explanation(), asked=tuple(asked))), table)


# -- escalation ------------------------------------------------------------------------------------------------------


async def _escalated(it: Diagnosis, table: Table, further: Further, asked: list[AskedLook], until: float) -> Diagnosis:
    """The diagnosis after the looks that Claude asked for, as the rules judge it. Asks until the rules are sure."""
    first, so_far = table.brief(it), list[dict[str, Any]]()
    if first.suspects:  # somebody may choose the looks who must not
        return it
    ends = min(until, table.clock() + TURNS_WITHIN)
    brief, before = first, it.cause_class
    for number in range(1, TURNS + 1):
        request = prompt.ask(first, so_far, await further.tools(), table.model)
        reply = await table.ask(f"ask-{number}", request, ends - table.clock())
        if not reply.asked:
            break
        looked = await _taken(number, reply, brief, further)
        asked.append(looked.asked)
        await table.watch(looked.asked)
        it = looked.diagnosis or it
        brief = table.brief(it)
        so_far += [{"role": "assistant", "content": list(reply.blocks)}, _told(reply, looked, brief, table)]
        if brief.suspects or (looked.diagnosis is not None and not is_unsure(it)):
            break
    return replace(it, decided_by=BOTH) if it.cause_class != before else it


async def _taken(number: int, reply: Reply, brief: Brief, further: Further) -> Looked:
    """The first look that was asked for; there is one at a time."""
    one = reply.asked[0]
    known = "\n".join((brief.question, *brief.cited.values()))
    return await further.look(number, one.tool, one.said, known)


def _told(reply: Reply, looked: Looked, brief: Brief, table: Table) -> dict[str, Any]:
    """What the API wants behind a turn that asks: a result for each block, in the same order."""
    results = [_result(each.id, looked, brief, table, first=at == 0) for at, each in enumerate(reply.asked)]
    return {"role": "user", "content": results}


def _result(block: str, looked: Looked, brief: Brief, table: Table, *, first: bool) -> dict[str, Any]:
    if not first or looked.diagnosis is None:
        why = looked.asked.refused if first else "one look at a time"
        return {"type": "tool_result", "tool_use_id": block, "content": f"refused: {why}", "is_error": True}
    now = f"The rules now say {looked.diagnosis.cause_class}, confidence {looked.diagnosis.confidence:.2f}."
    row = brief.cited.get(looked.asked.evidence, "")
    fenced = f"<data-{table.nonce}>\n{row}\n</data-{table.nonce}>"
    return {"type": "tool_result", "tool_use_id": block, "content": f"{now}\n{fenced}"}


# -- explanation -----------------------------------------------------------------------------------------------------


async def _explained(it: Diagnosis, table: Table, until: float) -> Diagnosis:
    brief = table.brief(it)
    request = prompt.explain(brief, table.model, read_again=table.second_look)
    reply = await table.ask("explain", request, until - table.clock())
    try:
        claims = read_claims(reply.text)
    except BadAnswer as why:
        raise NoAnswer(sentence(f"its answer cannot be read ({why})")) from None
    bench = _bench(it, brief, table)
    return weighed(it, claims, explained(it, claims, bench), bench)


def _bench(it: Diagnosis, brief: Brief, table: Table) -> Bench:
    ground = ground_of(it, brief.cited, brief.question)
    return Bench(ground, brief.candidates, table.sensors, table.rules_know, brief.suspects)


async def _second_look(it: Diagnosis, table: Table, until: float) -> Diagnosis:
    """The same case before somebody who doubts it. When that fails, the explanation stands as it is."""
    said, brief = it.explanation, table.brief(it)
    if said is None or not said.statements:
        return it
    request = prompt.review(brief, [each.text for each in said.statements], table.model)
    reply = await table.ask("review", request, until - table.clock())
    try:
        review = read_review(reply.text)
    except BadAnswer as why:
        raise NoAnswer(f"The second look says nothing: its answer cannot be read ({why}).") from None
    return reviewed(it, review, _bench(it, brief, table))


# -- pseudonyms ------------------------------------------------------------------------------------------------------


def _revealed(it: Diagnosis, table: Table) -> Diagnosis:
    """The real names again, here at home."""
    said, reveal = it.explanation, table.wash.pseudonyms.reveal
    if said is None:
        return it
    statements = tuple(Statement(reveal(each.text), each.evidence) for each in said.statements)
    struck = tuple(replace(each, text=reveal(each.text), why=reveal(each.why)) for each in said.struck)
    other = None if said.other is None else replace(said.other, cause=reveal(said.other.cause))
    findings = tuple((replace(each, cause=reveal(each.cause)), ids) for each, ids in it.findings)
    named = it if it.decided_by != CLAUDE else replace(it, findings=findings)
    return replace(named, explanation=replace(said, statements=statements, struck=struck, other=other))
