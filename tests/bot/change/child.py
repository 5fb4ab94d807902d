"""KAI in a process of its own, which may be killed: `python -m tests.bot.change.child URL KUBECONFIG RELAY PROPOSAL`.

Real are the database, the journal with its runs, the proof, and the writer on the API server of a simulated cluster.
It says `ready`, waits for a line, presses PRESS (approve, undo, nothing) PRESSES times, prints what alice was told as
JSON, and ends when nothing is under way any more. At the step that DIES_AT names (`write 1 after`) it kills itself with
SIGKILL: no handler, no `finally`, and nothing of it runs any further.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from bot.approval.person import Directory, Installation
from bot.approval.proposal import KubeUser, Proposal
from bot.approval.rules import Approvals
from bot.approval.states import UNDER_WAY
from bot.change.changes import Changes
from bot.change.deciding import Deciding
from bot.change.expiry import Expiry
from bot.change.opening import _line
from bot.change.orders import Orders
from bot.change.pipeline import Pipeline, PipelineTools
from bot.change.proving import Proving
from bot.clusters.opening import PolicyWorlds
from bot.clusters.options import Live
from bot.desk.desk import Extensions
from bot.desk.opening import open_desk
from bot.slack.approving import Approving
from bot.slack.button import Press
from bot.slack.ephemeral import Asker
from bot.store import OriginKind
from bot.store.store import open_store
from bot.verify.verdict import Verification, VerificationOutcome
from sensors.kit.catalog import sensors

BODY = {
    "api_app_id": "A1",
    "team": {"id": "T1"},
    "user": {"id": "U1ALICE", "team_id": "T1"},
    "channel": {"id": "C1"},
    "container": {"message_ts": "2.0"},
}
PEOPLE = {"U1ALICE": KubeUser("alice")}


class Deadly:
    """Something of which each method is a moment to die: before it, while it is under way, after it."""

    counted: ClassVar[Counter[str]] = Counter()

    def __init__(self, inside: Any) -> None:
        self._inside = inside

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inside, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        async def called(*args: Any, **more: Any) -> Any:
            self.counted[name] += 1
            now = f"{name} {self.counted[name]}"
            _die(f"{now} before")
            if os.environ.get("DIES_AT") == f"{now} during":
                threading.Timer(0.004, _kill).start()
            said = await method(*args, **more)
            _die(f"{now} after")
            return said

        return called


def _die(moment: str) -> None:
    if os.environ.get("DIES_AT") == moment:
        _kill()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Slack:
    """As much of Slack as is asked."""

    told: list[str] = field(default_factory=list)

    async def users_info(self, user: str) -> dict[str, Any]:
        return {"user": {"id": user, "team_id": "T1", "profile": {}}}

    async def tell(self, who: Asker, sentence: str) -> None:
        self.told.append(sentence)

    async def checked(self, it: Proposal, line: str) -> None:
        self.told.append(line)


class Stores:
    """The store, the parts that a change uses each a moment to die."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.proposals, self.audit = Deadly(store.proposals), Deadly(store.audit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def helped(it: Proposal, since: datetime) -> Verification:
    """What the flows say has its own tests; here it is about who writes what, and how often."""
    return Verification(VerificationOutcome.VERIFIED, forwarded=12)


@asynccontextmanager
async def changes_at(url: str, live: Live) -> AsyncIterator[Changes]:
    async with open_store(url) as plain:
        store: Any = Stores(plain)
        orders: Any = Deadly(Orders(lambda name: _line(lambda _: live, name)))
        rules = Approvals(Directory(PEOPLE))
        proving = Proving(lambda _: PolicyWorlds(live).cluster(), sensors(), orders)
        pipeline = Pipeline(PipelineTools(store, orders, proving, helped, settle=0.5))
        deciding = Deciding(store, orders, pipeline, lambda: rules)
        expiry = Expiry(store, orders, pipeline)
        yield Changes(store, pipeline, deciding, proving, expiry, lambda: rules, orders.may_read_logs, "T1")


async def main(url: str, kubeconfig: str, relay: str, proposal: str) -> None:
    nobody: Any = None
    live = Live(kubeconfig, server=relay, environ={})
    async with changes_at(url, live) as changes:
        more = Extensions(changes.workflows, sweeps=(changes.sweep,))
        async with open_desk(url, nobody, nobody, extensions=more):
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            print(json.dumps(await pressed(changes, proposal)), flush=True)
            await until_settled(changes, proposal)


async def pressed(changes: Changes, proposal: str) -> list[str]:
    slack: Any = Slack()
    approving = Approving(changes, slack, slack, Directory(PEOPLE), Installation("T1", "A1"), slack.checked)
    act = {"approve": approving.approve, "undo": approving.undo}.get(os.environ.get("PRESS", ""))
    press = Press(Asker("U1ALICE", "C1", "key", OriginKind.MENTION), proposal, BODY)
    if act is not None:
        await asyncio.gather(*(act(press) for _ in range(int(os.environ.get("PRESSES", "1")))))
    told: list[str] = slack.told
    return told


async def until_settled(changes: Changes, proposal: str) -> None:
    """By whichever process."""
    for _ in range(900):
        it = await changes.store.proposals.get(proposal)
        if it is not None and it.state not in UNDER_WAY:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(proposal)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
