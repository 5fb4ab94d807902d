"""The step `agentType: correlation`: asks for the look that decides where rules are unsure, then explains the verdict.

It is handed everything that reaches outside: who asks the model, who looks further, what time it is. Whatever fails,
the verdict of the rules comes back, with a sentence about it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from flows.agent import prompt
from flows.agent.bare_brief import bare_brief_of
from flows.agent.brief import Brief, brief_of
from flows.agent.claims import BadAnswer, read_claims, read_review
from flows.agent.pseudonyms import Pseudonyms, pseudonyms_of
from flows.agent.reply import ModelReply, NoAnswer
from flows.agent.untrusted import Fence, Wash
from flows.agent.weighing import (
    BOTH,
    CLAUDE,
    Bench,
    disagrees,
    doubts,
    explained,
    ground_of,
    heard_of,
    reviewed,
    weighed,
)
from flows.belief import ROOT_CAUSE_FROM
from flows.model import AskedLook, Diagnosis, Explanation, Rule, Statement, Struck
from sensors.kit import Sensor

TURNS, TURNS_WITHIN = 4, 20.0
"""So often, and in so many seconds, a further look may be asked for."""

IN_ALL = 26.0
"""Seconds for all that Claude does about one verdict: with the rules' part a person waits at most thirty."""

ANSWER_BUDGET_S = 28.0
"""Seconds that a person waits for rules and Claude together."""

MIN_CLAUDE_S = 8.0
"""Seconds that Claude gets however long everything before it took."""


def time_for(it: Diagnosis) -> float:
    """Seconds for Claude, by how long the rules took: what a person waits for in all is bounded."""
    return max(MIN_CLAUDE_S, min(IN_ALL, ANSWER_BUDGET_S - it.total_ms / 1000))


WEIGHING, NOT_BARE = "what Claude makes of the verdict", "it does not hold without the words of programs and people"

UNSURE_BELOW = 0.6
"""A verdict less sure than this is worth another look."""

SendTimedRequest: TypeAlias = Callable[[str, Mapping[str, Any], float], Awaitable[ModelReply]]
"""Asks the model: the purpose, the request, seconds. Raises `NoAnswer`."""


@dataclass(frozen=True, slots=True)
class FurtherLookResult:
    """Result of a further look: how it is told, and the diagnosis of the rules with it (None: it was refused)."""

    asked: AskedLook
    diagnosis: Diagnosis | None = None


class Further(Protocol):
    """Looks further, as far as that is possible here."""

    async def tools(self) -> list[dict[str, Any]]:
        """Looks that may be asked for, as the Messages API wants it."""
        ...

    async def look(self, number: int, tool: str, said: Mapping[str, Any], known: str) -> FurtherLookResult:
        """Take a look, if everything it names stands in `known`."""
        ...


WatchLook: TypeAlias = Callable[[AskedLook], Awaitable[None]]


async def unwatched(asked: AskedLook) -> None:
    """For those who only want the result."""


@dataclass(frozen=True, slots=True)
class Table:
    """Tools and limits of a correlation. `nonce` is drawn for it alone."""

    model: str
    ask: SendTimedRequest
    nonce: str
    sensors: Mapping[str, Sensor]
    rules: Mapping[str, Rule]
    anonymize: bool = False
    further: Further | None = None
    second_look: bool = False
    watch: WatchLook = unwatched
    clock: Callable[[], float] = time.monotonic
    in_all: float = IN_ALL


def is_unsure(it: Diagnosis) -> bool:
    """The rules shrug, are hardly sure, or name two causes of which none hides the other."""
    rivals = [each for each, _ in it.others if each.belief >= ROOT_CAUSE_FROM and not it.is_hidden(each)]
    return it.cause_class == "inconclusive" or it.confidence < UNSURE_BELOW or bool(rivals)


async def correlate(it: Diagnosis, table: Table) -> Diagnosis:
    """The diagnosis with Claude's part. `usage` is for the caller to fill in: who asks knows what was paid."""
    course = _Course(it, table)
    try:
        await course.run()
    except NoAnswer as why:
        course.failed(str(why))
    return course.end()


class _Course:
    """One correlation on its way: the diagnosis so far, the looks that were asked for, the time that is left."""

    def __init__(self, it: Diagnosis, table: Table) -> None:
        self._it, self._table = it, table
        self._until = table.clock() + table.in_all
        self._asked: list[AskedLook] = []
        self._names = Pseudonyms()
        self._is_weighed = False
        self._sent: list[str] = []

    async def run(self) -> None:
        """Every part of it. Raises `NoAnswer` where one fails; what was reached stays."""
        if self._table.further is not None and is_unsure(self._it):
            await self._escalate(self._table.further)
        await self._explain()
        if self._table.second_look:
            await self._look_twice()

    def failed(self, why: str) -> None:
        said = self._it.explanation or Explanation(rules_confidence=self._it.confidence)
        self._it = replace(self._it, explanation=replace(said, failed=why))

    def end(self) -> Diagnosis:
        """The diagnosis with the looks that were asked for, and the real names again."""
        said = self._it.explanation or Explanation(rules_confidence=self._it.confidence)
        return _revealed(
            replace(self._it, explanation=replace(said, asked=tuple(self._asked), sent=self._told_in_all())),
            self._names,
        )

    def _brief(self) -> Brief:
        return brief_of(self._it, self._table.nonce, Wash(self._named()) if self._table.anonymize else Wash())

    def _bare(self) -> Brief:
        return bare_brief_of(self._it, self._table.nonce, self._named())

    def _named(self) -> Pseudonyms:
        """The pseudonyms of what was seen so far; those that were given stay."""
        self._names = pseudonyms_of(self._it, self._names)
        return self._names

    def _told_in_all(self) -> str:
        """The briefs and the answers to its questions that were sent, each once."""
        return "\n".join(dict.fromkeys(self._sent))

    def _left(self, until: float | None = None) -> float:
        return (self._until if until is None else min(until, self._until)) - self._table.clock()

    # -- escalation --------------------------------------------------------------------------------------------------

    async def _escalate(self, further: Further) -> None:
        """Asks for one look after the other, until the rules are sure of what they say."""
        first, before = self._bare(), self._it.cause_class
        so_far = list[dict[str, Any]]()
        self._sent.append(first.text)
        ends = self._table.clock() + TURNS_WITHIN
        for number in range(1, TURNS + 1):
            request = prompt.ask(first, so_far, await further.tools(), self._table.model)
            self._sent += _told_in(so_far[-1:])
            reply = await self._asked_for(number, request, self._left(ends))
            if reply is None or not reply.asked:
                break
            looked = await self._take(number, reply, further)
            brief = self._bare()
            so_far += [{"role": "assistant", "content": list(reply.blocks)}, self._told(reply, looked, brief)]
            if looked.diagnosis is not None and not is_unsure(self._it):
                break
        if self._it.cause_class != before:
            self._it = replace(self._it, decided_by=BOTH)

    async def _asked_for(self, number: int, request: Mapping[str, Any], within: float) -> ModelReply | None:
        """A turn; None when there is no time for it, which is no failure. Whoever asks decides that, as it must be
        the same when a run is carried on."""
        try:
            return await self._table.ask(f"ask-{number}", request, within)
        except NoAnswer as why:
            if why.no_time:
                return None
            raise

    async def _take(self, number: int, reply: ModelReply, further: Further) -> FurtherLookResult:
        """The first look that was asked for: there is one at a time. What may be named stands in the whole brief."""
        one, reveal, brief = reply.asked[0], self._names.reveal, brief_of(self._it, self._table.nonce)
        known = "\n".join((brief.question, *brief.cited.values()))
        said = {key: reveal(each) if isinstance(each, str) else each for key, each in one.said.items()}
        looked = await further.look(number, one.tool, said, known)
        self._asked.append(looked.asked)
        self._it = looked.diagnosis or self._it
        await self._table.watch(looked.asked)
        return looked

    def _told(self, reply: ModelReply, looked: FurtherLookResult, brief: Brief) -> dict[str, Any]:
        """Results for a turn that asks: a result for each block, in the same order."""
        shown = [self._result(each.id, looked, brief) for each in reply.asked[:1]]
        more = [_error(each.id, "one look at a time") for each in reply.asked[1:]]
        return {"role": "user", "content": [*shown, *more]}

    def _result(self, block: str, looked: FurtherLookResult, brief: Brief) -> dict[str, Any]:
        if looked.diagnosis is None:
            return _error(block, looked.asked.refused)
        now = f"The rules now say {looked.diagnosis.cause_class}, confidence {looked.diagnosis.confidence:.2f}."
        row = Fence(self._table.nonce).around(brief.cited.get(looked.asked.evidence, ""))
        return {"type": "tool_result", "tool_use_id": block, "content": f"{now}\n{row}"}

    # -- explanation -------------------------------------------------------------------------------------------------

    async def _explain(self) -> None:
        brief = self._brief()
        self._sent.append(brief.text)
        request = prompt.explain(brief, self._table.model, read_again=self._table.second_look)
        reply = await self._table.ask("explain", request, self._left())
        try:
            claims = read_claims(reply.text)
        except BadAnswer as why:
            raise NoAnswer(f"its answer cannot be read ({why})") from None
        bench = self._bench(brief)
        said = explained(self._it, claims, bench)
        if disagrees(self._it, claims, said, bench):
            await self._weigh(said)
        else:
            self._it = weighed(self._it, claims, said, bench)

    async def _weigh(self, said: Explanation) -> None:
        """Asks the same of the bare brief, where no word can talk Claude into anything. Only that counts."""
        bare, self._is_weighed = self._bare(), True
        self._sent.append(bare.text)
        try:
            reply = await self._table.ask("weigh", prompt.explain(bare, self._table.model), self._left())
            claims = read_claims(reply.text)
        except (BadAnswer, NoAnswer) as why:
            lost = Struck(WEIGHING, f"it was not weighed: {why.why if isinstance(why, NoAnswer) else why}")
            said = replace(said, other=None, fix="", struck=(*said.struck, lost))
            self._it = replace(self._it, explanation=said, decided_by=BOTH if said.statements else self._it.decided_by)
            return
        bench = self._bench(bare)
        again = _revealed_words(explained(self._it, claims, bench), self._names.reveal)
        lost_cause = (Struck(said.other.cause, NOT_BARE),) if said.other and not again.other else ()
        said = replace(said, other=again.other, fix=again.fix, struck=(*said.struck, *lost_cause))
        self._it = weighed(self._it, claims, said, bench)

    def _bench(self, brief: Brief) -> Bench:
        ground = ground_of(self._it, brief.cited, brief.question)
        heard = heard_of(self._it, self._table.rules)
        return Bench(ground, brief.candidates, self._table.sensors, heard)

    async def _look_twice(self) -> None:
        """The same case before somebody who doubts it. When that fails, the explanation stands as it is."""
        said, brief = self._it.explanation, self._brief()
        if said is None or not said.statements:
            return
        listed = [each.text for each in said.statements]
        request = prompt.review(brief, listed, self._table.model)
        self._sent += [brief.text, *listed]
        try:
            review = read_review((await self._table.ask("review", request, self._left())).text)
        except (BadAnswer, NoAnswer) as why:
            clause = why.why if isinstance(why, NoAnswer) else f"its answer cannot be read ({why})"
            self.failed(f"No second look was taken: {clause}.")
        else:
            bench = self._bench(brief)
            self._it = reviewed(self._it, review, bench)
            if self._it.explanation and not self._is_weighed and doubts(self._it, review, bench):
                await self._weigh(self._it.explanation)


def _told_in(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """The words of our answers to what Claude asked."""
    return [str(each["content"]) for message in messages for each in message["content"]]


def _error(block: str, why: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": block, "content": f"refused: {why}", "is_error": True}


def _revealed(it: Diagnosis, names: Pseudonyms) -> Diagnosis:
    """The real names again, here at home."""
    said, reveal = it.explanation, names.reveal
    if said is None:
        return it
    findings = tuple((replace(each, cause=reveal(each.cause)), ids) for each, ids in it.findings)
    named = it if it.decided_by != CLAUDE else replace(it, findings=findings)
    return replace(named, explanation=_revealed_words(said, reveal))


def _revealed_words(said: Explanation, reveal: Callable[[str], str]) -> Explanation:
    statements = tuple(Statement(reveal(each.text), each.evidence) for each in said.statements)
    struck = tuple(replace(each, text=reveal(each.text), why=reveal(each.why)) for each in said.struck)
    other = None if said.other is None else replace(said.other, cause=reveal(said.other.cause))
    return replace(said, statements=statements, struck=struck, other=other)
