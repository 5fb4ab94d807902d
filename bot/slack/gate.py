"""Everything that is checked before a listener's work, in one order: our workspace and app, first time, a member.

Nothing of it is skipped by any listener: what starts work starts it here. Slack sends again what is not acked within
three seconds, and a signed request can be replayed for five minutes: each delivery has a key, and the store tells its
first time from all others.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncAck

from bot.report.mrkdwn import safe
from bot.slack.background import Work
from bot.slack.connection import WorkspaceIdentity
from bot.slack.ephemeral import Asker, Ephemerals
from bot.slack.inbox import Inbox
from bot.slack.people import People
from bot.triggers.slack_text import typed
from sensors.kit.attempt import attempt

log = logging.getLogger(__name__)

WENT_WRONG = "Something went wrong here, and the log says what. Please try again in a moment."
RESTARTED = "KAI was restarted before it could take this on. Please ask again"

Json = Mapping[str, Any]


class Gate:
    """One for each process, before all listeners."""

    def __init__(
        self, identity: WorkspaceIdentity, people: People, inbox: Inbox, ephemerals: Ephemerals, work: Work
    ) -> None:
        self._identity, self._people, self._inbox = identity, people, inbox
        self._ephemerals, self._work = ephemerals, work

    async def ours(
        self, body: dict[str, Any], ack: AsyncAck, next: Callable[[], Awaitable[None]]
    ) -> BoltResponse | None:
        """Bolt's first middleware: what another workspace or app has sent is acked, and nothing else."""
        if is_ours(body, self._identity):
            await next()
            return None
        log.warning("a request of another workspace or app is ignored: %.60r", body.get("type") or body.get("command"))
        return await ack()

    def start(self, who: Asker, work: Callable[[], Awaitable[None]], said: str = "", *, examined: bool = True) -> None:
        """Work for a person, in the background. `said` is told back to who asked when a crash takes it.

        Not `examined`: the work itself asks who that is, with fresh answers, and writes down whom it refuses.
        """
        self._work.start(self._once(who, work, said, examined))

    def start_for(self, user: str, work: Callable[[], Awaitable[None]]) -> None:
        """Work that may be done again and answers nobody, such as the home tab; members only."""
        self._work.start(self._for_member(user, work))

    async def _for_member(self, user: str, work: Callable[[], Awaitable[None]]) -> None:
        if user and await self._people.why_not(user) == "":
            await work()

    async def _once(self, who: Asker, work: Callable[[], Awaitable[None]], said: str, examined: bool) -> None:
        if who.user and await self._inbox.first(who, said):
            await (self._allowed(who, work) if examined else self._done(who, work))
            await self._inbox.done(who)  # not where it is cancelled: then the next start tells the asker

    async def _allowed(self, who: Asker, work: Callable[[], Awaitable[None]]) -> None:
        if why := await self._people.why_not(who.user):
            await self._ephemerals.tell(who, safe(why))
            return
        await self._done(who, work)

    async def _done(self, who: Asker, work: Callable[[], Awaitable[None]]) -> None:
        outcome = await attempt(work())
        if isinstance(outcome, BaseException):
            log.error("a request from Slack failed", exc_info=outcome)
            await self._ephemerals.tell(who, WENT_WRONG)

    async def tell_lost(self) -> None:
        """Asks persons to ask again who were acked and got nothing, because a process ended at the wrong moment."""
        async for who, said in self._inbox.lost():
            words = f": {safe(typed(said), 300)}" if said else "."
            await self._ephemerals.tell(who, f"{RESTARTED}{words}")


def is_ours(body: Json, identity: WorkspaceIdentity) -> bool:
    """Does Slack say that this was sent to our app in our workspace, or in our organisation? Silence is a no."""
    team = body.get("team_id") or (body.get("team") or {}).get("id")
    enterprise = body.get("enterprise_id") or (body.get("enterprise") or {}).get("id")
    here = team == identity.team or (bool(identity.enterprise) and enterprise == identity.enterprise)
    return here and identity.app in ("", body.get("api_app_id"))
