"""Claude's part of a question in a terminal: after the report of the rules, never before it."""

from __future__ import annotations

import getpass
import sys
import time
from dataclasses import dataclass, replace

from bot.report.sanitize import clean
from bot.store.claude_calls import usage_of
from bot.store.database import BadDatabase, Unreachable
from bot.store.location import default_url
from bot.store.store import Store, open_store
from flows.agent.asking import ClaudeClient, Purse
from flows.agent.correlation import MIN_CLAUDE_S, Table, correlate, time_for
from flows.agent.open_walk import OpenWalk
from flows.agent.reply import NoAnswer
from flows.agent.settings import ClaudeSettings
from flows.agent.untrusted import new_nonce
from flows.engine import Walk, WalkTools
from flows.model import AskedLook, Diagnosis, Explanation
from sensors.kit import Cluster


async def explained(
    walked: Walk, cluster: Cluster, settings: ClaudeSettings, tools: WalkTools, since: float
) -> Diagnosis:
    """The diagnosis with Claude's part; where there is none, with a sentence about it. `since`: when waiting began."""
    return await Claude(settings, tools, since).explained(walked, cluster)


@dataclass(frozen=True, slots=True)
class Claude:
    """Needs of a question to Claude from a terminal. `database`: where what is spent is written down."""

    settings: ClaudeSettings
    tools: WalkTools
    since: float
    database: str = ""

    async def explained(self, walked: Walk, cluster: Cluster) -> Diagnosis:
        """The diagnosis with Claude's part; where there is none, with a sentence about it. The cluster stays open."""
        try:
            async with open_store(self.database or default_url()) as store:
                return await self._explained(walked, cluster, store)
        except (BadDatabase, Unreachable, OSError) as why:
            failed = NoAnswer(f"what it costs cannot be written down ({clean(why, 160)})")
            return replace(walked.diagnosis, explanation=Explanation(failed=str(failed)))

    async def _explained(self, walked: Walk, cluster: Cluster, store: Store) -> Diagnosis:
        before = walked.diagnosis
        ledger = store.claude_calls.within(self.settings.ceilings)
        asking = ClaudeClient(self.settings, ledger)
        purse = Purse(before.investigation_id, f"terminal:{getpass.getuser()}")
        table = Table(
            model=self.settings.model,
            ask=lambda purpose, request, within: asking.ask(purpose, request, purse, within),
            nonce=new_nonce(),
            sensors=self.tools.sensors,
            rules=self.tools.rules,
            anonymize=self.settings.anonymize,
            further=OpenWalk(walked, cluster, self.tools),
            second_look=self.settings.second_look,
            watch=tell_look,
            in_all=max(MIN_CLAUDE_S, time_for(before) - (time.monotonic() - self.since)),
        )
        try:
            it = await correlate(before, table)
        finally:
            await asking.close()
        usage = usage_of(await store.claude_calls.of(before.investigation_id))
        return replace(it, explanation=replace(it.explanation or Explanation(), usage=usage))


async def tell_look(asked: AskedLook) -> None:
    """On stderr, while it goes on."""
    told = f"refused: {asked.refused}" if asked.refused else f"{asked.evidence} {asked.summary}"
    print(clean(f"Claude asks for: {asked.question}. {told}", 300), file=sys.stderr)  # noqa: T201
