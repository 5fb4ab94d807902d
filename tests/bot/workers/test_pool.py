"""Worker processes: what they do, and what is left when they die, hang, or their server does."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bot.workers import WorkerLost, WorkerPool
from bot.workers.process import ROOT, WORKER
from bot.workers.wire import pared
from flows.catalog import RulesByNeed, rules
from flows.engine import WalkTools, look, walk
from flows.load import load_flows
from flows.model import Missing
from flows.runner import ThreadRunner
from sensors.access.casefolder import open_case
from sensors.kit.catalog import sensors
from tests.bot.workers import work

CASES = sorted(each.parent for each in (ROOT / "lab" / "cases").glob("*/case.yaml"))
FLOW = load_flows()["flow.k8s_network_debug"]


@asynccontextmanager
async def pool(**how: object) -> AsyncIterator[WorkerPool]:
    made = WorkerPool(**how)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        await made.close()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)


# -- the same verdicts -------------------------------------------------------------------------------------------------


async def test_a_worker_says_of_every_recorded_case_what_a_thread_says():
    async with pool() as workers:
        for folder in CASES:
            opened = open_case(folder)
            assert opened.header.target is not None
            tools = [
                WalkTools(sensors(), RulesByNeed(), runner=each, new_id=lambda: "id")
                for each in (ThreadRunner(), workers)
            ]
            by_thread, by_worker = [(await walk(FLOW, opened.header.target, opened, each)).diagnosis for each in tools]
            took = {key: each.took_ms for key, each in by_thread.evidence.items()}
            evidence = {key: replace(each, took_ms=took[key]) for key, each in by_worker.evidence.items()}
            assert replace(by_worker, total_ms=by_thread.total_ms, evidence=evidence) == by_thread, folder.name
        assert len(workers.pids) == 1  # one after the other: the second was never needed


def test_pods_travel_without_what_no_rule_looks_into_and_everything_else_whole():
    kept = {
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"nodeName": "a", "containers": [{"env": []}]},
    }
    more = {
        "metadata": {**kept["metadata"], "managedFields": []},
        "spec": {**kept["spec"], "volumes": [], "tolerations": []},
    }

    assert pared({"kind": "Pod", **more}) == {"kind": "Pod", **kept}
    assert pared({"kind": "Deployment", **more}) == {"kind": "Deployment", **more}
    assert pared({"kind": "Pod", "spec": None}) == {"kind": "Pod", "spec": None}


async def test_a_worker_looks_for_garbage_seldom():
    async with pool() as workers:
        assert await workers(gc.get_threshold) == (2_000, 50, 40)


async def test_policies_of_one_moment_are_indexed_once_and_those_of_the_next_anew():
    opened = open_case(CASES[0])
    assert opened.header.target is not None
    seen = [await look(FLOW, opened.header.target, opened, WalkTools(sensors(), rules())) for _ in range(2)]
    later = open_case(CASES[0])
    seen.append(await look(FLOW, opened.header.target, later, WalkTools(sensors(), rules())))
    async with pool() as workers:
        assert [await workers(work.new_world, each) for each in seen] == [True, False, True]


# -- what comes back ---------------------------------------------------------------------------------------------------


async def test_work_is_done_in_another_process_without_our_secrets(monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    async with pool() as workers:
        assert await workers(work.process_id) not in (os.getpid(), 0)
        assert "SLACK_BOT_TOKEN" not in await workers(work.environment)
        assert await workers(work.prints, "no answer") == "no answer"


async def test_what_work_raises_comes_back_as_it_was_or_in_its_words():
    async with pool() as workers:
        with pytest.raises(Missing, match="not in the recording"):
            await workers(work.misses)
        with pytest.raises(RuntimeError, match="Unfit: this and that"):
            await workers(work.unfit)
        assert await workers(work.doubled, 21) == 42


async def test_what_work_warns_of_stands_in_our_log(caplog):
    async with pool() as workers:
        await workers(work.warns, "rule x failed")
    assert [(each.name, each.getMessage()) for each in caplog.records] == [("flows.engine", "rule x failed")]


async def test_the_loop_goes_on_while_a_worker_works(tmp_path):
    marker = tmp_path / "begun"
    async with pool() as workers:
        asking = asyncio.create_task(workers(work.hangs, str(marker)))
        await until(marker.exists)
        assert not asking.done()
        asking.cancel()
        await asyncio.wait([asking])


# -- death and hanging -------------------------------------------------------------------------------------------------


async def test_work_whose_worker_is_killed_is_done_once_by_another(tmp_path, caplog):
    async with pool() as workers:
        assert await workers(work.killed_once, str(tmp_path / "killed")) == "done"
    assert "ended in the middle of its work; another one begins anew" in caplog.text


async def test_work_that_kills_two_workers_is_kept_away_from_the_process_that_serves(caplog):
    async with pool() as workers:
        with pytest.raises(WorkerLost, match="ended in the middle of its work"):
            await workers(work.killed)
        assert await workers(work.doubled, 1) == 2
    assert "it is given up" in caplog.text


async def test_a_worker_that_hangs_is_killed_and_replaced(tmp_path, caplog):
    async with pool(timeout_s=8.0) as workers:
        assert await workers(work.hangs_once, str(tmp_path / "hung")) == "done"
    assert "gave no answer within 8 s; another one begins anew" in caplog.text


async def test_a_worker_whose_asker_is_gone_is_killed_and_not_asked_again(tmp_path):
    marker = tmp_path / "hung"
    async with pool() as workers:
        asking = asyncio.create_task(workers(work.hangs, str(marker)))
        await until(lambda: marker.exists() and marker.read_text())
        asking.cancel()
        await asyncio.wait([asking])
        await until(lambda: not is_there(int(marker.read_text())))
        assert await workers(work.doubled, 4) == 8


async def test_threads_judge_where_no_process_can_be_started_and_the_log_says_so(caplog):
    async with pool(command=("/there/is/no/such/program",)) as workers:
        assert await workers(work.process_id) == os.getpid()
    assert "no worker process can be started" in caplog.text
    assert "this process judges by itself" in caplog.text


# -- beginning and ending ----------------------------------------------------------------------------------------------


async def test_no_more_workers_than_allowed_however_much_there_is_to_do():
    async with pool(most=1) as workers:
        assert len({await each for each in asyncio.as_completed([workers(work.process_id) for _ in range(5)])}) == 1


async def test_a_worker_that_has_the_objects_already_is_asked_again():
    opened = open_case(CASES[0])
    assert opened.header.target is not None
    case = await look(FLOW, opened.header.target, opened, WalkTools(sensors(), rules()))
    async with pool() as workers:
        both = await asyncio.gather(workers(work.pid_for, case), workers(work.process_id))
        again = [await workers(work.pid_for, case) for _ in range(3)]
    assert set(again) == {both[0]}


async def test_one_worker_at_a_time_judges_a_large_cluster(monkeypatch):
    monkeypatch.setattr("bot.workers.pool.LARGE_SNAPSHOT", 3)
    opened = open_case(CASES[0])
    assert opened.header.target is not None
    case = await look(FLOW, opened.header.target, opened, WalkTools(sensors(), rules()))
    async with pool() as workers:
        assert len(set(await asyncio.gather(*(workers(work.pid_for, case) for _ in range(4))))) == 1


async def test_a_warm_worker_is_the_one_that_works():
    async with pool() as workers:
        workers.warm()
        await until(lambda: workers.pids)
        (pid,) = workers.pids
        assert await workers(work.process_id) == pid


async def test_a_worker_without_work_ends_and_the_next_work_begins_another():
    async with pool(idle_s=0.0) as workers:
        first = await workers(work.process_id)
        await until(lambda: not is_there(first))
        assert await workers(work.process_id) != first


async def test_closing_leaves_no_process_not_even_a_busy_one(tmp_path):
    marker = tmp_path / "busy"
    async with pool() as workers:
        idle = await workers(work.process_id)
        asking = [asyncio.create_task(workers(work.hangs, str(marker)))]
        await until(lambda: marker.exists() and marker.read_text())
        workers.warm()
        await workers.close()
        await asyncio.wait(asking)
        assert isinstance(asking[0].exception(), WorkerLost)
    assert not any(map(is_there, (idle, int(marker.read_text()))))


SERVER = """
import asyncio, signal, sys
from bot.workers import WorkerPool
from tests.bot.workers import work

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it

async def main():
    workers = WorkerPool()
    await workers(work.hangs, sys.argv[1])

asyncio.run(main())
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
async def test_no_worker_outlives_its_server_and_none_prints_a_trace(tmp_path, end):
    marker = tmp_path / "working"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", SERVER, str(marker)], env=environ, stderr=subprocess.PIPE, text=True
    ) as server:
        await until(lambda: marker.exists() and marker.read_text())
        server.send_signal(end)
        _, said = await asyncio.to_thread(server.communicate)
    await until(lambda: not is_there(int(marker.read_text())))
    assert "worker.py" not in said


def test_a_folder_with_a_file_of_our_name_changes_nothing(tmp_path):
    (tmp_path / "bot.py").write_text("raise SystemExit('somebody else')")
    ended = subprocess.run(WORKER, cwd=tmp_path, input=b"", capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_the_worker_imports_no_connection_to_anything():
    asked = "import sys; import bot.workers.worker as w; w.rules(), w.sensors(); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"grpc", "kubernetes", "aiohttp", "sqlalchemy", "slack_sdk", "dbos"} & set(said.split())
