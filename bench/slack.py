"""How fast KAI answers Slack: a hundred commands at once in both transports, and what an idle `kai serve` costs.

Run it with `python bench/slack.py`; the workspace, Slack's side of all this, runs in the same process as the first part
and takes its share of the time.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent.parent))

from bot.app import running
from bot.desk.bell import BUSY_S
from bot.desk.limits import Limits
from bot.desk.ports import LookResult, Watcher
from bot.report.short_answer import VerdictStatus
from bot.secret import Secret
from bot.settings import Settings, SlackSettings
from bot.store import Ceiling, Investigation
from bot.store.store import open_store
from flows.engine import Concluded, Saw
from flows.load import Step
from lab.workspace import Workspace
from tests.bot.report.examples import DENIED

COMMANDS = 100
NAMESPACES = 10
IDLE_SECONDS = 20
LIMITS = Limits(Ceiling(cluster=1000, namespace=1000, user=1000))


async def look(it: Investigation, watcher: Watcher) -> LookResult:
    """As fast as a look can be: what is measured is everything around it."""
    found = replace(DENIED, investigation_id=it.id, target=it.request.target)
    for number, (key, evidence) in enumerate(found.evidence.items()):
        await watcher(Saw(Step(f"s{number}", "sensor", evidence.sensor), key, evidence))
    await watcher(Concluded(found))
    return LookResult(found)


def pods(folder: Path) -> Path:
    """A recording of nothing but pods, so that each command names one that exists."""
    made = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"web-{number:03}", "namespace": f"shop-{number % NAMESPACES}"},
        }
        for number in range(COMMANDS)
    ]
    (folder / "objects").mkdir()
    (folder / "objects" / "pods.yaml").write_text(yaml.safe_dump_all(made))
    (folder / "case.yaml").write_text("synthetic: true\n")
    return folder


async def storm(mode: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Workspace.start() as workspace:
            case = pods(Path(folder))
            app = workspace.app
            slack = SlackSettings(
                Secret(app.bot_token), mode, Secret(app.app_token), Secret(app.signing_secret), workspace.api_url, 0.0
            )
            database = Secret(f"sqlite:///{folder}/kai.db")
            settings = Settings(slack, database, case, host="127.0.0.1", port=0)
            async with running(settings, look, LIMITS) as served:
                if mode == "http":
                    await workspace.use_http(f"{served.url}/slack/events")
                else:
                    await workspace.connected()
                await _storm(workspace, mode)


async def _storm(workspace: Workspace, mode: str) -> None:
    people = [workspace.user(name) for name in ("alice", "bob", "carol")]
    took: list[float] = []

    async def ask(number: int) -> bool:
        began = time.perf_counter()
        pod, namespace = f"web-{number:03}", f"shop-{number % NAMESPACES}"
        reply = await people[number % 3].command(f"/kai netdebug {pod} {namespace}")
        took.append((time.perf_counter() - began) * 1000)
        return reply.acked

    began = time.perf_counter()
    acked = await asyncio.gather(*(ask(number) for number in range(COMMANDS)))
    await workspace.wait_for(lambda: len(workspace.messages()) == COMMANDS, 120)
    roots = time.perf_counter() - began
    await workspace.wait_for(lambda: all(is_verdict(each["text"]) for each in workspace.messages()), 300)
    verdicts = time.perf_counter() - began
    order = [each["text"].split("shop-")[1].split(" ")[0] for each in workspace.messages()]
    names = [each.partition("/")[2] for each in order]
    in_order = sum(a < b for a, b in itertools.pairwise(names))
    print(
        f"{mode:6} {sum(acked)} of {COMMANDS} acked, p50 {statistics.median(took):.0f} ms, "
        f"p99 {statistics.quantiles(took, n=100)[98]:.0f} ms, max {max(took):.0f} ms; "
        f"{len(set(names))} roots in {roots:.1f} s ({in_order} of {COMMANDS - 1} in the order asked), "
        f"all verdicts in {verdicts:.1f} s"
    )


async def idle() -> Served:
    """`kai serve` as a process of its own, started again on the database of an earlier start."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(f"sqlite:///{folder}/kai.db"), Workspace.start() as workspace:
            environ = {
                **{key: value for key, value in os.environ.items() if key != "SSL_CERT_FILE"},
                "SSL_CERT_DIR": "/etc/ssl/certs",  # as in the image: authorities are read when they are asked for
                "SLACK_BOT_TOKEN": workspace.app.bot_token,
                "SLACK_APP_TOKEN": workspace.app.app_token,
                "SLACK_API_URL": workspace.api_url,
                "KAI_DATABASE_URL": f"sqlite:///{folder}/kai.db",
                "KAI_CASE": str(Path(__file__).parent.parent / "lab" / "cases" / "api-server-cannot-watch"),
                "KAI_HOST": "127.0.0.1",
                "KAI_PORT": "0",
            }
            began = time.perf_counter()
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot", "serve", env=environ)
            try:
                await workspace.wait_for(lambda: workspace.sockets.lines(), 60)
                started = time.perf_counter() - began
                await workspace.user("alice").command("/kai netdebug api-server production")
                await workspace.wait_for(
                    lambda: any(each.get("files") for each in workspace.thread(workspace.messages()[0]["ts"])), 60
                )
                await asyncio.sleep(BUSY_S + 2)  # what was begun is over
                before, at = cpu(process.pid), time.perf_counter()
                await asyncio.sleep(IDLE_SECONDS)
                share = (cpu(process.pid) - before) / (time.perf_counter() - at)
                rss = memory(process.pid) + sum(map(memory, workers_of(process.pid)))
                began = time.perf_counter()
            finally:
                process.terminate()
                await process.wait()
            return Served(started, rss, share, time.perf_counter() - began)


@dataclass(frozen=True)
class Served:
    """What an idle `kai serve` costs, and how fast it comes and goes."""

    started_s: float
    rss_mb: float
    core_share: float
    ended_s: float

    def __str__(self) -> str:
        return (
            f"serve  connected after {self.started_s:.1f} s; idle, after one investigation: {self.rss_mb:.0f} MB RSS, "
            f"{self.core_share:.1%} of a core; ended {self.ended_s:.1f} s after SIGTERM"
        )


def is_verdict(text: str) -> bool:
    """A root message that says how it ended; one that is looked into has the sign of the undecided, too."""
    return text.startswith(tuple(VerdictStatus)) and ": looking" not in text


def workers_of(pid: int) -> list[int]:
    """Process ids of the workers that have not ended yet."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Resident megabytes."""
    line = next(each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def main() -> None:
    logging.basicConfig(level=logging.ERROR)
    for mode in sys.argv[1:] or ("socket", "http"):
        await storm(mode)
    print(await idle())


if __name__ == "__main__":
    asyncio.run(main())
