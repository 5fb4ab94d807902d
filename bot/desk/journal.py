"""Durable runs: what was started is carried on after a crash, each step's result written once. The only user of dbos.

A dbos application is a singleton: one `Journal` may be open in a process. Its queued runs execute on the event loop in
which it was opened; its own database work happens in threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbos import (
    DBOS,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    SetEnqueueOptions,
    SetWorkflowID,
    StepOptions,
    _dbos,
    error,
)

from bot.desk.bell import QUIET_S, Bell
from bot.desk.limits import Limits
from bot.store.database import is_sqlite, journal_engine, journal_url
from bot.store.notices import Notices, open_notices

log = logging.getLogger(__name__)

WORKFLOW_VERSION = "kai-desk-1"
"""Bump it when the steps of a workflow change: runs of another version are not carried on, but marked."""

POLLING = 0.4
"""Seconds between two looks at a queue: 0.2 s to start at the median. Each look a second costs a third of a percent of
one core, all night long; ten of them would be more than everything else in an idle `kai serve`.
"""

REST_S = 30.0
"""Seconds between two looks at a quiet Postgres: the bound in which work starts whose notification was lost."""

POLLING_THREADS = ("queue_thread", "background_jobs_thread")
"""Of dbos: they look at the database until an event is set. Where a later dbos has none, it looks as it likes."""

LISTENING_S = 1.0
"""Seconds between two looks of dbos for what runs tell each other. Ours tell nothing; but an end waits for the next."""

THREADS = 24
"""For the journal's database work and for `asyncio.to_thread`: opening a journal replaces the loop's executor."""

RECOVERIES = 100
"""A last net: the desk itself counts how often a look was interrupted, and gives up much earlier."""

ACTIVE = frozenset({"PENDING", "ENQUEUED", "DELAYED"})

DurableFunction = Callable[..., Coroutine[Any, Any, Any]]


class Steps:
    """Steps that the body of a workflow may take; what it returns is written once and read again after a crash."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def take(self, name: str, act: DurableFunction, *arguments: Any, preemptible: bool = False) -> Any:
        """A step. It runs again when a crash came before its result was written. `preemptible`: `cancel` ends it."""
        step = DBOS.reserve_step()
        return await step.run_async(StepOptions(name=name, preemptible=preemptible), act, *arguments)

    async def start(self, workflow: str, run: str, *arguments: Any) -> None:
        """Start another run, once."""
        await self._journal.start(workflow, run, *arguments)


@dataclass(frozen=True, slots=True)
class Workflow:
    """A kind of durable run. After a crash the body is called again with the same arguments (plain JSON).

    So the body takes the same steps in the same order each time, and reaches outside itself in steps only.
    """

    name: str
    body: Callable[..., Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class DurableRun:
    """A durable run as the journal has it."""

    id: str
    status: str
    executor: str
    version: str

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE


class Journal:
    """Runs of registered workflows, by id: a second start of one id changes nothing."""

    def __init__(self, url: str, executor: str, limits: Limits, clusters: Sequence[str]) -> None:
        self._url, self.executor, self._limits = url, executor, limits
        self._clusters = tuple(clusters)
        self._registered: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._notices: Notices | None = None
        alone = is_sqlite(url)
        self.rest_s = QUIET_S if alone else REST_S
        self._bell = Bell(quiet_s=self.rest_s, is_heard=lambda: alone or self._hears_others)
        self._closing = False

    async def open(self, workflows: Iterable[Workflow]) -> None:
        """Launch, carry on what a dead process of this executor left, and listen to the queues.

        It blocks the loop for some tens of milliseconds (a fresh Postgres: 0.3 s), before anything else runs: dbos
        adopts the loop in which it is launched.
        """
        DBOS(config=self._config())
        _log_like_everybody()
        for each in workflows:
            self._register(each)
        self._notices = open_notices(self._url, self._bell.ring)
        with self._listening():
            DBOS.launch()
        if self._notices is not None:
            self._notices.open()
        for cluster in self._clusters:
            await DBOS.register_queue_async(
                _queue(cluster),
                polling_interval_sec=POLLING,
                worker_concurrency=self._limits.each_process,
                global_concurrency=self._limits.each_cluster,
                partition_concurrency=self._limits.each_namespace,
                on_conflict="always_update",
            )

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Lets dbos be told of work instead of looking for it; its event stays unused."""
        usual = {each: getattr(_dbos, each) for each in POLLING_THREADS if hasattr(_dbos, each)}
        for name, look in usual.items():
            setattr(_dbos, name, lambda _, dbos, look=look: look(self._bell, dbos))
        try:
            yield
        finally:
            for name, look in usual.items():
                setattr(_dbos, name, look)

    def ring(self) -> None:
        """There is work here, or was a moment ago."""
        self._bell.ring()

    def _announce(self) -> None:
        """There is work for every replica."""
        self.ring()
        if self._notices is not None:
            self._notices.tell()

    @property
    def _hears_others(self) -> bool:
        return self._notices is not None and self._notices.is_listening

    @property
    def is_quiet(self) -> bool:
        """Nothing has happened for a while, here or in a replica that would have said so."""
        return not self._bell.is_busy

    def _config(self) -> DBOSConfig:
        return {
            "name": "kai-netdebug",
            "application_version": WORKFLOW_VERSION,
            "executor_id": self.executor,
            "system_database_url": journal_url(self._url),
            "system_database_engine": journal_engine(self._url),
            "serializer": DBOSPortableJSONSerializer(),  # its default is pickle, from a database
            "max_executor_threads": THREADS,
            "notification_listener_polling_interval_sec": LISTENING_S,
            "log_level": "ERROR",
        }

    def _register(self, workflow: Workflow) -> None:
        if workflow.name in self._registered:
            raise ValueError(f"two workflows are named {workflow.name}")

        async def run(*arguments: Any) -> None:
            with self._interruptible():
                await workflow.body(Steps(self), *arguments)
            self._announce()  # its place in the queue is free, for whoever has the next

        named = DBOS.workflow(name=workflow.name, max_recovery_attempts=RECOVERIES)
        self._registered[workflow.name] = named(run)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """A run that `close` can end. Ended in this way it is not over: the journal still has it as begun."""
        task = asyncio.current_task()
        if self._closing or task is None:
            raise asyncio.CancelledError
        self._running.add(task)
        try:
            yield
        finally:
            self._running.discard(task)

    async def queue(self, workflow: str, run: str, cluster: str, namespace: str, *arguments: Any) -> None:
        """Queue a run behind the others of its cluster and namespace. Again, from wherever: changes nothing."""
        with SetWorkflowID(run), SetEnqueueOptions(queue_partition_key=namespace):
            await DBOS.enqueue_workflow_async(_queue(cluster), self._registered[workflow], *arguments)
        self._announce()

    async def start(self, workflow: str, run: str, *arguments: Any) -> None:
        """Start a run at once. Again, from wherever: changes nothing."""
        with SetWorkflowID(run):
            await DBOS.start_workflow_async(self._registered[workflow], *arguments)
        self._announce()

    async def runs(self, ids: Sequence[str]) -> dict[str, DurableRun]:
        """The runs there are of these, by id."""
        if not ids:
            return {}
        return {each.id: each for each in await self._list(workflow_ids=list(ids))}

    async def owners(self) -> frozenset[str]:
        """The executors that have begun runs and not ended them, alive or not."""
        return frozenset(each.executor for each in await self._list(status="PENDING", app_version=WORKFLOW_VERSION))

    async def take_over(self, executor: str) -> int:
        """Queue again what a dead executor had begun; how many runs that were. The caller knows that it is dead."""
        taken = await asyncio.to_thread(DBOS._recover_pending_workflows, [executor])
        self._announce()
        return len(taken)

    async def cancel(self, run: str) -> None:
        await DBOS.cancel_workflow_async(run)

    async def forget(self, ids: Sequence[str]) -> None:
        """Delete runs with all that belong to them, whose ids begin with theirs and a dot."""
        if ids:
            parts = await self._list(workflow_id_prefix=[f"{each}." for each in ids])
            await DBOS.delete_workflows_async([*ids, *(each.id for each in parts)])

    async def close(self) -> None:
        """Interrupts what runs, to be carried on later. The loop gets an executor of its own again."""
        self._closing = True
        self._bell.set()
        notices, self._notices = self._notices, None  # a run that ends meanwhile tells nobody
        if notices is not None:
            await notices.close()
        await _ended(tuple(self._running))
        await asyncio.to_thread(_destroy)
        await _ended(tuple(filter(_is_of_dbos, asyncio.all_tasks())))
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(thread_name_prefix="kai"))

    async def _list(self, **which: object) -> list[DurableRun]:
        found = await DBOS.list_workflows_async(**which, load_input=False, load_output=False)  # type: ignore[arg-type]
        return [
            DurableRun(each.workflow_id, each.status, each.executor_id or "", each.app_version or "") for each in found
        ]


def _queue(cluster: str) -> str:
    return f"investigate-{cluster}"


def _log_like_everybody() -> None:
    """dbos writes to handlers of its own; what it has to say belongs into our log."""
    theirs = logging.getLogger("dbos")
    theirs.handlers.clear()
    theirs.propagate = True
    theirs.addFilter(_is_worth_saying)


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """That somebody cancelled a run is no error, and no reason for a trace."""
    return not (record.exc_info and isinstance(record.exc_info[1], _CANCELLED))


_CANCELLED = (error.DBOSAwaitedWorkflowCancelledError, error.DBOSWorkflowCancelledError)


async def _ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=5)


def _is_of_dbos(task: asyncio.Task[Any]) -> bool:
    """dbos watches for cancelled steps in a task that outlives it by a second."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and Path(code.co_filename).is_relative_to(Path(_dbos.__file__).parent)


def _destroy() -> None:
    DBOS.destroy(destroy_registry=True)
