"""The desk: takes requests on, has each looked into once, and sees to it that the answer is given, whatever crashes.

What is true is in the store; the journal only carries on. Each change of state is compared and set in one
transaction, the message about it is owed in the same one, and `_sweep` mends whatever a crash has left between the two.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from bot.desk import delivery
from bot.desk.delivery import Delivery
from bot.desk.journal import WORKFLOW_VERSION, DurableRun, Journal, Steps, Workflow
from bot.desk.limits import Limits, refusal, unknown_cluster
from bot.desk.notes import DESK_NOTES, VERDICT, NoteOf
from bot.desk.ports import CannotLook, LookFor, LookResult, Poster, nobody
from bot.desk.recording import AnswerRecorder, written
from bot.desk.watching import Later, LaterListener, OpenWatcher, fan_out, tell_later
from bot.store import Full, Investigation, InvestigationState, Request, StoredVerdict
from bot.store.claims import InvestigationClaims
from bot.store.store import Store
from flows.engine import Watcher
from sensors.kit.attempt import attempt_logged

log = logging.getLogger(__name__)

OLD = timedelta(minutes=10)
"""After this long, a run of another version is nobody's any more: no rolling update lasts longer."""

OVERTIME = 60.0
"""Seconds after which a look is ended whatever its flow allows; flows end by themselves long before."""

LOOKS = 5
"""Looks after which an investigation is given up: it may be what kills the process."""

SUSPECT = 2
"""An investigation that was interrupted so often is looked into alone, so that it takes no others with it."""

KEEP = timedelta(days=90)
TIDY = timedelta(hours=1)
SWEEP = 1.0
"""Seconds between two sweeps while something is under way; else the journal's `rest_s`."""
INVESTIGATE = "kai.investigate"
RETRY_CLAUSE = "it will be tried again"


@dataclass(frozen=True, slots=True)
class InvestigationStatus:
    """State of an investigation: `answered` sensors so far, and the verdict once there is one."""

    investigation: Investigation
    answered: int
    verdict: StoredVerdict | None


@dataclass(frozen=True, slots=True)
class Started:
    """The id to ask for; `joined` says that the same was already being looked into, or had been asked with that key."""

    id: str
    joined: bool


@dataclass(frozen=True, slots=True)
class Extensions:
    """Extensions by other parts of KAI: durable runs, notes by role, and listeners to what follows a verdict.

    `sweeps` are called once a second, as the desk mends what a crash has left of its own runs.
    """

    workflows: Sequence[Workflow] = ()
    notes: Mapping[str, NoteOf] = field(default_factory=dict)
    listeners: Sequence[LaterListener] = ()
    sweeps: Sequence[Callable[[Journal], Coroutine[Any, Any, None]]] = ()


@dataclass(frozen=True, slots=True)
class DeskTools:
    """Tools of a desk; the composition root fills it once. `alone`: no other replica shares the database."""

    store: Store
    journal: Journal
    claims: InvestigationClaims
    look: LookFor
    poster: Poster
    watching: OpenWatcher = nobody
    extensions: Extensions = field(default_factory=Extensions)
    limits: Limits = field(default_factory=Limits)
    clusters: tuple[str, ...] = ("default",)
    alone: bool = True
    overtime: float = OVERTIME
    looks: int = LOOKS
    keep: timedelta = KEEP
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex


class Desk:
    """One for each process. Open it with `bot.desk.open_desk`."""

    def __init__(self, tools: DeskTools) -> None:
        self._tools = tools
        self._store, self._journal = tools.store, tools.journal
        self._delivery = Delivery(tools.store, tools.poster, {**DESK_NOTES, **tools.extensions.notes}, tools.now)
        self._suspects = asyncio.Lock()
        self._looks: dict[str, asyncio.Task[LookResult]] = {}
        self._ends: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()  # those who wait keep them
        self._sweeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        own = (Workflow(INVESTIGATE, self._investigate), self._delivery.workflow())
        await self._journal.open((*own, *self._tools.extensions.workflows))

    async def close(self) -> None:
        """Stop here; what runs is carried on by whoever opens the desk next."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait({self._sweeping})
        await self._journal.close()

    # -- what others ask of it ----------------------------------------------------------------------------------------

    async def start(self, request: Request, once: str = "") -> Started:
        """Take a request on. `once` identifies what triggered it (a Slack envelope, an alert). Raises `Refused`."""
        if request.cluster not in self._tools.clusters:
            raise unknown_cluster(request, self._tools.clusters)
        now = self._tools.now()
        ceiling = self._tools.limits.ceiling
        said = await self._store.investigations.admit(request, self._tools.new_id(), now, ceiling, once)
        if isinstance(said, Full):
            raise refusal(said, request, now)
        if said.fresh:
            self._delivery.mine.add(said.investigation.id)
            await self._queue(said.investigation)
        return Started(said.investigation.id, joined=not said.fresh)

    async def cancel(self, investigation: str, why: str = "cancelled") -> bool:
        """End it without a verdict. False when it is over already, or was never there."""
        key = await self._end(investigation, InvestigationState.CANCELLED, why)
        if key is None:
            return False
        if (task := self._looks.get(investigation)) is not None:
            task.cancel()
        await self._journal.cancel(investigation)
        await self.deliver(key)
        return True

    @property
    def journal(self) -> Journal:
        """Journal in which durable runs are started."""
        return self._journal

    async def deliver(self, key: str) -> None:
        """Say at once what `bot.store.messages.owe` has written down; the sweep would say it within a second."""
        await delivery.start(self._journal, key)

    async def tell(self, moment: Later) -> None:
        """Something came after a verdict: tell everybody who listens for it."""
        await tell_later(moment, self._tools.extensions.listeners)

    async def status(self, investigation: str | None = None) -> tuple[InvestigationStatus, ...]:
        """One investigation (none: no such id), or everything that is live, oldest first."""
        if investigation is None:
            found = await self._store.investigations.live()
        else:
            one = await self._store.investigations.get(investigation)
            found = () if one is None else (one,)
        return tuple([await self._status(each) for each in found])

    async def wait(self, investigation: str) -> InvestigationStatus | None:
        """Until it is over, wherever it runs. None: no such id."""
        over = self._ends.setdefault(investigation, asyncio.Event())
        while True:
            over.clear()  # before the look at the store: what ends after it sets it again
            found = await self._store.investigations.get(investigation)
            if found is None or not found.is_live:
                return None if found is None else await self._status(found)
            await over.wait()

    async def resume(self) -> None:
        """Mend what a crash has left, once now and then every second. To be called when the desk is open."""
        await self.sweep()
        await self._sweep_others()
        self._sweeping = asyncio.create_task(self._keep_sweeping())

    async def forget(self, older_than: timedelta) -> int:
        """Delete what ended longer ago than that, in small steps; how many investigations that were."""
        now, count = self._tools.now(), 0
        while gone := await self._store.retention.forget(now - older_than, now):
            await self._journal.forget(gone)
            count += len(gone)
        return count

    async def _status(self, it: Investigation) -> InvestigationStatus:
        investigations = self._store.investigations
        verdict = None if it.is_live else await investigations.verdict(it.id)
        return InvestigationStatus(it, await investigations.answered(it.id), verdict)

    async def _queue(self, it: Investigation) -> None:
        await self._journal.queue(INVESTIGATE, it.id, it.request.cluster, it.request.target.namespace, it.id)

    async def _end(self, investigation: str, state: InvestigationState, why: str) -> str | None:
        key = await self._store.investigations.finish(investigation, state, why, state.value, self._tools.now())
        self._tell_waiting(investigation)
        return key

    def _tell_waiting(self, investigation: str) -> None:
        if (over := self._ends.get(investigation)) is not None:
            over.set()

    # -- what the journal runs ----------------------------------------------------------------------------------------

    async def _investigate(self, steps: Steps, investigation: str) -> None:
        key = await steps.take("look", self._look, investigation, preemptible=True)
        if key is not None:
            await delivery.start_from(steps, key)

    async def _look(self, investigation: str) -> str | None:
        """Look, and keep what came of it. The key of the message that is owed; None when there is nothing to say."""
        it = await self._store.investigations.get(investigation)
        async with self._suspects if it is not None and it.looks >= SUSPECT else nullcontext():
            it = await self._store.investigations.begin(investigation, self._tools.now())
            if it is None:  # a crash came between the verdict and the journal's learning of it, or it was cancelled
                return await self._delivery.owed(investigation)
            if it.looks > self._tools.looks:
                why = f"it was interrupted {self._tools.looks} times and is given up; ask again"
                return await self._end(investigation, InvestigationState.LOST, why)
            return await self._look_into(it)

    async def _look_into(self, it: Investigation) -> str | None:
        watcher = fan_out(AnswerRecorder(self._store, it.id).watch, self._tools.watching(it))
        task = asyncio.create_task(self._walk(it, watcher))
        self._looks[it.id] = task
        try:
            await asyncio.wait({task})
            return await self._settle(it, task)
        finally:
            task.cancel()
            del self._looks[it.id]

    async def _walk(self, it: Investigation, watcher: Watcher) -> LookResult:
        async with asyncio.timeout(self._tools.overtime):
            return await self._tools.look(it, watcher)

    async def _settle(self, it: Investigation, task: asyncio.Task[LookResult]) -> str | None:
        if task.cancelled():
            return None  # by `cancel`, which has said so already
        why = task.exception()
        if why is not None:
            return await self._end(it.id, InvestigationState.FAILED, self._in_words(it, why))
        result, rows = await asyncio.to_thread(written, task.result().diagnosis)
        key = await self._store.investigations.conclude(it.id, result, rows, VERDICT, self._tools.now())
        self._tell_waiting(it.id)
        return key

    def _in_words(self, it: Investigation, why: BaseException) -> str:
        if isinstance(why, CannotLook):
            return str(why)
        if isinstance(why, TimeoutError):
            return f"the look did not end within {self._tools.overtime:.0f} s"
        log.error("investigation %s failed", it.id, exc_info=why)
        return f"internal error: {type(why).__name__}; the log has more under {it.id}"

    # -- what a crash may have left -----------------------------------------------------------------------------------

    async def _keep_sweeping(self) -> None:
        tidied, swept = self._tools.now() - TIDY, self._tools.now()
        while True:
            await asyncio.sleep(SWEEP)
            if not self._journal.is_quiet or self._tools.now() - swept >= timedelta(seconds=self._journal.rest_s):
                swept = self._tools.now()
                await attempt_logged(self.sweep(), log, RETRY_CLAUSE)
            await self._sweep_others()
            if self._tools.now() - tidied >= TIDY:
                tidied = self._tools.now()
                await attempt_logged(self.forget(self._tools.keep), log, RETRY_CLAUSE)

    async def sweep(self) -> None:
        """Take over from the dead, queue what was admitted and never queued, mark what nobody will end, deliver."""
        alive = await self._tools.claims.hold(self._journal.executor)
        if alive and not self._tools.alone:
            await self._take_over()
        live = await self._store.investigations.live()
        for ended in set(self._ends) - {each.id for each in live}:
            self._tell_waiting(ended)  # it may have ended in another replica
        runs = await self._journal.runs([each.id for each in live])
        for each in live:
            await self._mend(each, runs.get(each.id))
        if live:
            self._journal.ring()
        await self._delivery.sweep(self._journal)

    async def _sweep_others(self) -> None:
        for sweep in self._tools.extensions.sweeps:
            await attempt_logged(sweep(self._journal), log, RETRY_CLAUSE)

    async def _take_over(self) -> None:
        for executor in sorted(await self._journal.owners() - {self._journal.executor}):
            async with self._tools.claims.orphaned(executor) as orphaned:
                if orphaned:
                    count = await self._journal.take_over(executor)
                    log.warning("%s is gone: %d of its runs are carried on here", executor, count)

    async def _mend(self, it: Investigation, run: DurableRun | None) -> None:
        if run is None:
            await self._queue(it)
        elif not run.is_active:
            await self._lose(it.id, "it broke off too often and was given up; ask again")
        elif run.version != WORKFLOW_VERSION and (self._tools.alone or self._tools.now() - it.asked_at > OLD):
            await self._journal.cancel(it.id)
            await self._lose(it.id, "it was begun by another version of KAI; ask again")

    async def _lose(self, investigation: str, why: str) -> None:
        """The run ended in between, perhaps well: only what is still live in the store is lost."""
        if await self._end(investigation, InvestigationState.LOST, why) is not None:
            log.error("investigation %s is lost: %s", investigation, why)


__all__ = ["Desk", "DeskTools", "Extensions", "InvestigationStatus", "Started"]
