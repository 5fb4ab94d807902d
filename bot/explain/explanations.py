"""Asks Claude about a verdict that has been said: a durable run, each call of which is paid for once.

The verdict of the rules is never held up by it. What comes of it is written down with the verdict, and the root message
is edited; when nothing comes of it, a sentence says why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from bot.desk.delivery import start_from
from bot.desk.desk import Extensions
from bot.desk.journal import Journal, Steps, Workflow
from bot.desk.looking import OpenCluster
from bot.desk.notes import Note, VerdictNote
from bot.desk.ports import Poster
from bot.desk.recording import written
from bot.desk.watching import Later
from bot.explain.further import durable_further
from bot.explain.notes import EXPLANATION, EXPLANATION_NOTES, Explained, owe_asked
from bot.explain.walks import Walks
from bot.report.json_result import CannotDecode, decode, encode
from bot.store import Investigation, Posted
from bot.store.claude_calls import usage_of
from bot.store.store import Store
from flows.agent.asking import ClaudeClient, Purse
from flows.agent.correlation import Table, correlate, time_for
from flows.agent.open_walk import OpenWalk
from flows.agent.reply import ModelReply, NoAnswer
from flows.agent.untrusted import new_nonce
from flows.engine import WalkTools, walk
from flows.load import FLOW_SENSOR, Flow
from flows.model import AskedLook, Diagnosis, Explanation

log = logging.getLogger(__name__)

EXPLAIN = "kai.explain"
EXPLAIN_PREFIX = "explain "
EXPLANATION_WINDOW = timedelta(minutes=30)
"""How long after a verdict its explanation is still begun; later, nobody waits for it."""


class ExplainingDesk(Protocol):
    """As much of the desk as an explanation needs."""

    async def tell(self, moment: Later) -> None: ...


@dataclass
class Explains:
    """One for each process. `follow` is the workflow that is started where a further look changed the verdict."""

    store: Store
    asking: ClaudeClient
    open_cluster: OpenCluster
    flows: Mapping[str, Flow]
    tools: WalkTools
    walks: Walks
    follow: str = ""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    desk: ExplainingDesk | None = None
    _asked: bool = field(default=True)  # a process that ended may have left some

    @property
    def workflow(self) -> Workflow:
        return Workflow(EXPLAIN, self._explain)

    def added_to(self, more: Extensions) -> Extensions:
        """The desk's extensions with ours."""
        notes = {**more.notes, **EXPLANATION_NOTES}
        return replace(more, workflows=(*more.workflows, self.workflow), notes=notes, sweeps=(*more.sweeps, self.sweep))

    # -- beginning ---------------------------------------------------------------------------------------------------

    async def after_verdict(self, it: Investigation) -> None:
        """Remember that it is to be explained; the next sweep, in whatever process, begins with it."""
        flow = self.flows.get(it.request.flow)
        if flow is not None and flow.agent is not None:
            await self.store.seen.first_time(f"{EXPLAIN_PREFIX}{it.id}", self.now(), EXPLANATION_WINDOW, it.id)
            self._asked = True

    async def sweep(self, journal: Journal) -> None:
        """Begin with what is to be explained."""
        if self._asked:
            self._asked = False
            for each in await self.store.seen.unsettled(EXPLAIN_PREFIX, self.now()):
                await journal.start(EXPLAIN, f"{each.value}.explain", each.value)
                await self.store.seen.settle(each.key)

    # -- the run -----------------------------------------------------------------------------------------------------

    async def _explain(self, steps: Steps, investigation: str) -> None:
        begun = await steps.take("begin", self._begin, investigation)
        if begun is None:
            return
        before = await asyncio.to_thread(decode, begun["result"])
        async with durable_further(steps, lambda stack: self._scene(investigation, stack)) as further:
            table = replace(self._table(steps, before, begun, investigation), further=further)
            it = await correlate(before, table)
        key = await steps.take("keep", self._keep, investigation, await asyncio.to_thread(encode, it))
        if key is not None:
            await start_from(steps, key)
        if self.follow and it.cause_class != before.cause_class:
            await steps.start(self.follow, f"{investigation}.{self.follow}.anew", investigation)
        await steps.take("tell", self._tell, investigation)

    async def _begin(self, investigation: str) -> dict[str, Any] | None:
        """Start of the run: it must be the same after a crash, when the verdict may be another already."""
        it = await self.store.investigations.get(investigation)
        verdict = await self.store.investigations.verdict(investigation)
        if it is None or verdict is None or verdict.result.get("explanation") is not None:
            return None
        try:
            await asyncio.to_thread(decode, verdict.result)
        except CannotDecode as why:
            log.warning("%s", why)
            return None
        return {"nonce": new_nonce(), "person": it.request.asked_by, "result": dict(verdict.result)}

    def _table(self, steps: Steps, before: Diagnosis, begun: Mapping[str, Any], investigation: str) -> Table:
        settings, purse = self.asking.settings, Purse(investigation, begun["person"])

        async def ask(purpose: str, request: Mapping[str, Any], within: float) -> ModelReply:
            said = await steps.take(purpose, self._paid, purpose, request, purse, within)
            if said["failed"] is not None:
                raise NoAnswer(said["failed"], no_time=said["no_time"])
            return ModelReply.of_json(said["reply"])

        numbers = iter(range(1, 100))

        async def watch(asked: AskedLook) -> None:
            number = next(numbers)
            key = await steps.take(f"owe-look-{number}", self._owe_look, investigation, number, asked)
            if key is not None:
                await start_from(steps, key)

        return Table(
            model=settings.model,
            ask=ask,
            nonce=begun["nonce"],
            sensors=self.tools.sensors,
            rules=self.tools.rules,
            anonymize=settings.anonymize,
            second_look=settings.second_look,
            watch=watch,
            in_all=time_for(before),
        )

    async def _paid(self, purpose: str, request: Mapping[str, Any], purse: Purse, within: float) -> dict[str, Any]:
        """One call. The ledger has it before it is sent, so that a crash in between pays for nothing twice."""
        try:
            reply = await self.asking.ask(purpose, request, purse, within)
        except NoAnswer as why:
            return {"failed": why.why, "no_time": why.no_time, "reply": None}
        return {"failed": None, "no_time": False, "reply": reply.as_json()}

    async def _scene(self, investigation: str, stack: AsyncExitStack) -> OpenWalk:
        it = await self.store.investigations.get(investigation)
        if it is None:
            raise NoAnswer("the investigation is forgotten")
        opened = await stack.enter_async_context(self.open_cluster(it.request))
        walked = self.walks.take(investigation)
        if walked is None:
            verdict = await self.store.investigations.verdict(investigation)
            target = decode(verdict.result).target if verdict is not None else it.request.target
            flow = self.flows[it.request.flow].asking(FLOW_SENSOR, since=it.request.since)
            own = replace(self.tools, new_id=lambda: investigation)
            walked = await walk(flow, target, opened.cluster, own, recording=opened.recording)
        return OpenWalk(walked, opened.cluster, self.tools)

    # -- its end -----------------------------------------------------------------------------------------------------

    async def _keep(self, investigation: str, result: Mapping[str, Any]) -> str | None:
        """Write it down beside the verdict, with what it cost. The key of the message that is owed."""
        it = await asyncio.to_thread(decode, result)
        usage = usage_of(await self.store.claude_calls.of(investigation))
        it = replace(it, explanation=replace(it.explanation or Explanation(), usage=usage))
        encoded, rows = await asyncio.to_thread(written, it)
        return await self.store.investigations.revise(investigation, encoded, rows, EXPLANATION, self.now())

    async def _tell(self, investigation: str) -> None:
        if self.desk is not None:
            await self.desk.tell(Explained(investigation))

    async def _owe_look(self, investigation: str, number: int, asked: AskedLook) -> str | None:
        return await owe_asked(self.store, investigation, number, asked, self.now())


class Explaining:
    """A poster that, once a verdict is posted, sees to its explanation."""

    def __init__(self, poster: Poster, explains: Explains) -> None:
        self._poster, self._explains = poster, explains

    async def post(self, note: Note) -> Posted:
        posted = await self._poster.post(note)
        if isinstance(note, VerdictNote):
            await self._explains.after_verdict(note.investigation)
        return posted

    async def find(self, note: Note) -> Posted | None:
        posted = await self._poster.find(note)
        if posted is not None and isinstance(note, VerdictNote):
            await self._explains.after_verdict(note.investigation)
        return posted
