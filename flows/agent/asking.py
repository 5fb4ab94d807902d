"""Asks Claude within what may be spent: estimated before, written down before it is sent, measured afterwards."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from flows.agent.clients import RequestSender, opened
from flows.agent.money import SpentTokens, at_most, cost_of
from flows.agent.prompt import tokens_of
from flows.agent.reply import ModelReply, NoAnswer
from flows.agent.settings import ClaudeSettings


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call that is about to be paid for. `key` is the same when it is tried again after a crash.

    `estimated_tokens` of the whole input are rather too many than too few. `most_usd` is what it may cost at the worst;
    it is held against the ceilings until the cost is known.
    """

    key: str
    investigation: str
    person: str
    model: str
    purpose: str
    estimated_tokens: int
    most_usd: float


@dataclass(frozen=True, slots=True)
class Over:
    """A ceiling would be passed: which (investigation, day, person), how much it allows and how much is spent, in US
    dollars."""

    ceiling: str
    limit_usd: float
    spent_usd: float


@dataclass(frozen=True, slots=True)
class Before:
    """The call was begun before, by a process that ended. `reply` is there when its answer was written down."""

    reply: Mapping[str, Any] | None


class Ledger(Protocol):
    """Writes calls down before and after: what is spent, and that nothing is paid for twice."""

    async def begin(self, call: PlannedCall) -> Over | Before | None:
        """Count it, unless a ceiling would be passed or it is counted already. None: it may be sent."""
        ...

    async def end(self, key: str, spent: SpentTokens, cost_usd: float, reply: Mapping[str, Any] | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Purse:
    """Budgets that pay for a call: the investigation's and the person's."""

    investigation: str
    person: str


Open: TypeAlias = Callable[[ClaudeSettings], Awaitable[RequestSender]]


@dataclass
class ClaudeClient:
    """One for each process. The SDK is imported at the first call, or by `warm`."""

    settings: ClaudeSettings
    ledger: Ledger
    open: Open = opened
    clock: Callable[[], float] = time.monotonic
    _line: RequestSender | None = field(default=None, repr=False)

    async def warm(self) -> None:
        """Import what is heavy, in a thread. Raises `NoAnswer` when that cannot be."""
        self._line = self._line or await self.open(self.settings)

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()

    async def ask(self, purpose: str, request: Mapping[str, Any], purse: Purse, within: float) -> ModelReply:
        """The answer, paid for once. Raises `NoAnswer`."""
        if within <= 0:
            raise NoAnswer("no time was left to ask it", no_time=True)
        key, tokens = f"{purse.investigation}.{purpose}", tokens_of(request)
        most = self._most(tokens, int(request["max_tokens"]))
        call = PlannedCall(key, purse.investigation, purse.person, self.settings.model, purpose, tokens, most)
        said = await self.ledger.begin(call)
        if isinstance(said, Before):
            return _before(said)
        if said is not None:
            raise NoAnswer(_over(said))
        return await self._sent(call, request, within)

    async def _sent(self, call: PlannedCall, request: Mapping[str, Any], within: float) -> ModelReply:
        until = self.clock() + within
        try:
            await self.warm()  # the first time it is an import, which takes of the same time
            left = min(until - self.clock(), self.settings.timeout)
            if self._line is None or left <= 0:
                raise NoAnswer("no time was left to ask it", no_time=True)
            reply = await self._line.send(request, left)
        except NoAnswer as why:
            await self.ledger.end(
                call.key, why.spent, call.most_usd if why.unknown_cost else self.cost(why.spent), None
            )
            raise
        await self.ledger.end(call.key, reply.spent, self.cost(reply.spent), reply.as_json())
        return reply

    def _most(self, tokens: int, max_tokens: int) -> float:
        price = self.settings.prices.of(self.settings.model)
        if price is None:
            why = f"no price is known for {self.settings.model}, so no ceiling can be kept (claude.prices sets one)"
            raise NoAnswer(why)
        return at_most(tokens, max_tokens, price)

    def cost(self, spent: SpentTokens) -> float:
        """US dollars at the price in force."""
        price = self.settings.prices.of(self.settings.model)
        return 0.0 if price is None else cost_of(spent, price)


def _before(said: Before) -> ModelReply:
    if said.reply is None:
        raise NoAnswer("KAI ended while it was answering, and no call is paid for twice")
    return ModelReply.of_json(said.reply)


_CEILINGS = {
    "investigation": "for one investigation",
    "day": "in 24 hours",
    "person": "in 24 hours for one person",
}


def _over(it: Over) -> str:
    spent = f"${it.spent_usd:.2f} are spent" if it.spent_usd else "this call might cost more"
    return f"the ceiling of ${it.limit_usd:.2f} {_CEILINGS[it.ceiling]} would be passed ({spent})"
