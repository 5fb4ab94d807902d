"""A storm of alerts: 2,000 in ten seconds into the webhook of a `kai serve`, and a person in the middle of it.

    python bench/alerts.py [--alerts 2000] [--seconds 10] [--profile FILE]

The workspace and the sender of the alerts run in this process and take their share of the machine. Eight causes, each
with a pod that exists; every alert has a fingerprint of its own.

Reach: the webhook's p99 <= 200 ms, at most 10 investigations, none of the alerts lost, RSS + <= 30 MB, `/kai` in the
middle of it acked within 300 ms and answered within 10 s. On a machine that others use, too, wall time says little:
beside it stand the processor seconds of `kai serve`, during the storm and until all is said.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.slack import is_verdict, memory  # noqa: E402
from lab.workspace import Workspace  # noqa: E402

CASE = ROOT / "lab" / "cases" / "api-server-cannot-watch"
POD = "api-server-79fd8d4cc-jzc5m"
TOKEN = "a-token-for-the-bench"
CAUSES, NAMESPACES = 8, 40
P99_MS, INVESTIGATIONS, RSS_MB, ACK_MS, ANSWER_S = 200, 10, 30, 300, 10


@dataclass
class Measured:
    took_ms: list[float] = field(default_factory=list)
    ack_ms: float = 0.0
    answer_s: float = 0.0
    storm_cpu_s: float = 0.0
    all_cpu_s: float = 0.0


def cpu_of(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def serving(workspace: Workspace, folder: str, profile: str = "") -> AsyncIterator[tuple[str, int]]:
    """`kai serve`: its address and its process id."""
    environ = {
        **os.environ,
        "SLACK_BOT_TOKEN": workspace.app.bot_token,
        "SLACK_APP_TOKEN": workspace.app.app_token,
        "SLACK_API_URL": workspace.api_url,
        "KAI_DATABASE_URL": f"sqlite:///{folder}/kai.db",
        "KAI_CASE": str(CASE),
        "KAI_HOST": "127.0.0.1",
        "KAI_PORT": "0",
        "KAI_LOG_LEVEL": "ERROR",
        "KAI_ALERT_CHANNEL": workspace.world.channel("alerts").id,
        "KAI_ALERT_TOKEN": TOKEN,
    }
    piped = asyncio.subprocess.PIPE
    program = ["-m", "cProfile", "-o", profile] if profile else []
    command = [sys.executable, *program, "-m", "bot", "serve"]
    process = await asyncio.create_subprocess_exec(*command, env=environ, stderr=piped)
    assert process.stderr is not None
    said = (await process.stderr.readline()).decode()
    while "health on " not in said:
        if not said:
            raise SystemExit("kai serve did not start")
        said = (await process.stderr.readline()).decode()
    rest = asyncio.create_task(process.stderr.read())
    try:
        yield said.partition("health on ")[2].partition("/healthz")[0], process.pid
    finally:
        process.terminate()
        await process.wait()
        print((await rest).decode()[-2000:], file=sys.stderr, end="")


def notification(number: int) -> dict[str, Any]:
    """One alert, as Alertmanager would send it alone."""
    cause, first = number % CAUSES, number < CAUSES
    name = f"Cause{cause}CannotReach"
    namespace, pod = ("production", POD) if first else (f"team-{number % NAMESPACES}", f"web-{number}")
    labels = {"alertname": name, "namespace": namespace, "pod": pod}
    one = {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": f"the pod cannot reach 10.96.0.{cause + 1}:443"},
        "startsAt": "2026-11-28T22:00:00Z",
        "fingerprint": f"f{number:06}",
    }
    return {"version": "4", "status": "firing", "alerts": [one], "groupLabels": labels, "commonLabels": labels}


async def fire(url: str, count: int, seconds: float, measured: Measured) -> None:
    """Evenly over the time, however long an answer takes."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        began = time.perf_counter()

        async def one(number: int) -> None:
            at = time.perf_counter()
            async with session.post(f"{url}/hooks/alertmanager", json=notification(number)) as answer:
                assert answer.status == 200, answer.status
            measured.took_ms.append((time.perf_counter() - at) * 1000)

        async with asyncio.TaskGroup() as group:
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number * seconds / count - time.perf_counter()))
                group.create_task(one(number))


async def ask(workspace: Workspace, after: float, measured: Measured) -> None:
    await asyncio.sleep(after)
    began, before = time.perf_counter(), verdicts(workspace)
    reply = await workspace.user("alice").command("/kai netdebug postgres-588b6549d8-v4xtg production")
    if not reply.acked:
        raise SystemExit("the command in the middle of the storm was not acked")
    measured.ack_ms = (time.perf_counter() - began) * 1000
    await workspace.wait_for(lambda: verdicts(workspace) > before, 60.0)
    measured.answer_s = time.perf_counter() - began


def verdicts(workspace: Workspace) -> int:
    """Root messages in #incidents that say how it ended."""
    roots = workspace.messages("incidents")
    return sum(is_verdict(each["text"]) for each in roots)


def listed(workspace: Workspace) -> int:
    """Alerts that KAI's lists count, in threads and at the top."""
    room = workspace.world.channel("alerts").messages.values()
    texts = [each["text"] for each in room if each.get("user") == workspace.app.bot_user]
    counts = [text.partition(" alert")[0].replace(",", "") for text in texts if " investigation is for all" in text]
    others = [text.partition(" alert")[0].replace(",", "") for text in texts if "Not looked into" in text]
    return sum(int(each) for each in (*counts, *others) if each.isdigit())


def started(folder: str, by: str) -> int:
    with sqlite3.connect(f"{folder}/kai.db") as database:
        row = database.execute("select count(*) from investigations where door = ?", (by,)).fetchone()
    return int(row[0])


async def measure(count: int, seconds: float, profile: str) -> bool:
    measured = Measured()
    with tempfile.TemporaryDirectory() as folder:
        async with Workspace.start() as workspace, serving(workspace, folder, profile) as (url, pid):
            await workspace.wait_for(lambda: workspace.sockets.lines(), 60)
            await workspace.user("bob").command(f"/kai netdebug {POD} production")  # everything is loaded once
            await workspace.wait_for(
                lambda: any(each.get("files") for each in workspace.thread(workspace.messages()[0]["ts"])), 120
            )
            before, cpu = memory(pid), cpu_of(pid)
            async with asyncio.TaskGroup() as group:
                group.create_task(fire(url, count, seconds, measured))
                group.create_task(ask(workspace, seconds / 2, measured))
            began, measured.storm_cpu_s = time.perf_counter(), cpu_of(pid) - cpu
            with suppress(TimeoutError):
                await workspace.wait_for(lambda: listed(workspace) >= count, 90)
            kept, grown, alerts = listed(workspace), memory(pid) - before, started(folder, "alert")
            waited, measured.all_cpu_s = time.perf_counter() - began, cpu_of(pid) - cpu
    return report(measured, count, seconds, kept, grown, alerts, waited)


def report(it: Measured, count: int, seconds: float, kept: int, grown: float, alerts: int, waited: float) -> bool:
    p99 = statistics.quantiles(it.took_ms, n=100)[98]
    rows = [
        (f"webhook p50 {statistics.median(it.took_ms):.0f} ms, p99 {p99:.0f} ms", p99 <= P99_MS),
        (f"{alerts} investigations by alerts", 0 < alerts <= INVESTIGATIONS),
        (f"{kept:,} of {count:,} alerts looked into or listed, {waited:.1f} s after the last", kept >= count),
        (f"RSS + {grown:.0f} MB", grown <= RSS_MB),
        (f"/kai in the middle acked after {it.ack_ms:.0f} ms", it.ack_ms <= ACK_MS),
        (f"/kai in the middle answered after {it.answer_s:.1f} s", it.answer_s <= ANSWER_S),
    ]
    load = os.getloadavg()[0]
    print(f"{count:,} alerts in {seconds:.0f} s; {os.cpu_count()} processors, load {load:.1f}")
    print(f"  kai serve took {it.storm_cpu_s:.1f} s of processor in the storm, {it.all_cpu_s:.1f} s until all was said")
    for words, reached in rows:
        print(f"  {'reached' if reached else 'MISSED '}  {words}")
    return all(reached for _, reached in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--profile", default="", metavar="FILE", help="where cProfile's figures of kai serve go")
    asked = parser.parse_args()
    return 0 if asyncio.run(measure(asked.alerts, asked.seconds, asked.profile)) else 1


if __name__ == "__main__":
    sys.exit(main())
