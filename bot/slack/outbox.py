"""Sends messages in order and no faster than Slack allows: one queue per channel; verdicts before evidence.

A progress state that waits is replaced by a newer one; an end state throws it away. A 429 makes the channel wait as
long as Slack says, and the same message is sent again. What Slack finds wrong with a message is mended by sending less.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias

from aiohttp import ClientConnectorError
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.report.blocks import Said, is_newer, older
from bot.report.mrkdwn import fit
from bot.slack.api_error import body_of, error_of
from bot.slack.limits import TEXT, problems
from sensors.kit.attempt import attempt

log = logging.getLogger(__name__)

CHANNEL_PACE_S = 1.1
"""Seconds between two messages in a channel."""

FIRST, LATER, LAST = 0, 1, 2
"""Lanes: roots and verdicts, then evidence and answers, then progress."""

TRIES = 4
UNWELCOME = frozenset(
    {"not_in_channel", "channel_not_found", "is_archived", "restricted_action", "user_not_in_channel", "no_permission"}
)
TOO_MUCH = frozenset(
    {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long", "invalid_attachments"}
)
MESSAGE_GONE_ERRORS = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})


MaySpeak: TypeAlias = Callable[[str], Awaitable[str]]
"""Why nothing may be said in a channel, in a word; empty where it may."""


async def anywhere(channel: str) -> str:
    """Allows every channel."""
    return ""


class Unwelcome(Exception):
    """KAI cannot write there: it is not in the channel, there is none, or it may not. `error` is the word for it."""

    def __init__(self, error: str) -> None:
        super().__init__(f"nothing can be said in the channel: {error}")
        self.error = error


class Vanished(Exception):
    """The message that should be changed is not there any more."""


class Stopped(Exception):
    """KAI stops, and this was not said. The desk says it later."""


@dataclass(order=True, slots=True)
class _Job:
    lane: int
    number: int
    act: Callable[[], Awaitable[Any]] = field(compare=False)
    done: asyncio.Future[Any] = field(compare=False)


@dataclass(slots=True)
class _Channel:
    """Queue of one channel: jobs by lane and age, and the newest progress of each message."""

    jobs: list[_Job] = field(default_factory=list)
    states: dict[str, Said] = field(default_factory=dict)
    worker: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        return not self.jobs and not self.states

    def skip_withdrawn(self) -> bool:
        """Whoever wanted the next job done does not want it any more: it costs no turn."""
        withdrawn = bool(self.jobs) and self.jobs[0].done.cancelled()
        if withdrawn:
            heapq.heappop(self.jobs)
        return withdrawn


class Outbox:
    """All that is posted or edited goes through here; ephemeral answers do not, they have limits of their own."""

    def __init__(
        self,
        client: AsyncWebClient,
        pace: float = CHANNEL_PACE_S,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        may_speak: MaySpeak = anywhere,
    ) -> None:
        self._client, self._pace, self._sleep, self._may_speak = client, pace, sleep, may_speak
        self._channels: dict[str, _Channel] = {}
        self._numbers = count()
        self._closed = False
        self.plain_only = False  # this workspace has refused the newer blocks once

    async def post(
        self, channel: str, said: Said, thread: str = "", key: str = "", lane: int = FIRST
    ) -> tuple[str, str]:
        """Post, and return the channel's id and the message's ts. `key` can be found again in its metadata.

        Until it is sent the caller may be cancelled, and nothing is sent.
        """
        more: dict[str, Any] = {"thread_ts": thread} if thread else {}
        if key:
            more["metadata"] = {"event_type": "kai_message", "event_payload": {"key": key}}

        async def act() -> tuple[str, str]:
            await self._welcome(channel)
            answer = await self._best(
                said, lambda parts: self._client.chat_postMessage(channel=channel, **parts, **more)
            )
            return str(answer["channel"]), str(answer["ts"])

        posted: tuple[str, str] = await self._queue(channel, lane, act)
        return posted

    async def update(self, channel: str, ts: str, said: Said, lane: int = FIRST) -> None:
        """Set a message's end state. Raises `Vanished` when the message is gone."""
        waiting = self._channels.get(channel)
        if waiting is not None:
            waiting.states.pop(ts, None)
        await self._queue(channel, lane, lambda: self._update(channel, ts, said))

    def refresh(self, channel: str, ts: str, said: Said) -> None:
        """Show progress when there is room for it; a newer state takes its place."""
        if self._closed:
            return
        self._channel(channel).states[ts] = said
        self._wake(channel)

    async def upload(
        self, channel: str, thread: str, name: str, content: bytes, title: str, alt: str, comment: str
    ) -> None:
        """A picture into a thread under `comment` (escaped mrkdwn); `alt` says in words what it shows."""
        shown: dict[str, Any] = {"filename": name, "content": content, "title": title, "alt_txt": alt}
        words = fit(comment, TEXT)

        async def act() -> None:
            await self._welcome(channel)
            await self._client.files_upload_v2(channel=channel, thread_ts=thread, initial_comment=words, **shown)

        await self._queue(channel, LATER, act)

    async def drain(self, seconds: float) -> bool:
        """Wait until all is said; False when it took longer."""
        workers = [each.worker for each in self._channels.values() if each.worker is not None]
        if not workers:
            return True
        _, late = await asyncio.wait(workers, timeout=seconds)
        for worker in late:
            worker.cancel()
        if late:
            await asyncio.wait(late)
        return not late

    async def close(self) -> None:
        """End what is still being said: whoever speaks from now on gets `Stopped`."""
        self._closed = True
        await self.drain(0)

    # -- the queue ----------------------------------------------------------------------------------------------------

    async def _queue(self, channel: str, lane: int, act: Callable[[], Awaitable[Any]]) -> Any:
        if self._closed:
            raise Stopped
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._channel(channel).jobs, _Job(lane, next(self._numbers), act, done))
        self._wake(channel)
        return await done

    def _channel(self, channel: str) -> _Channel:
        return self._channels.setdefault(channel, _Channel())

    def _wake(self, channel: str) -> None:
        waiting = self._channel(channel)
        if waiting.worker is None:
            waiting.worker = asyncio.create_task(self._work(channel, waiting))

    async def _work(self, channel: str, waiting: _Channel) -> None:
        try:
            while not waiting.is_empty:
                if waiting.skip_withdrawn():
                    continue
                await self._next(channel, waiting)
                await self._sleep(self._pace)
        finally:
            waiting.worker = None
            self._give_up(waiting)
            if waiting.is_empty and self._channels.get(channel) is waiting:
                del self._channels[channel]

    def _give_up(self, waiting: _Channel) -> None:
        """Only at a shutdown is there anything left: whoever waits for it must not wait for ever."""
        for job in waiting.jobs:
            _settle(job.done, Stopped())
        waiting.jobs.clear()
        waiting.states.clear()

    async def _next(self, channel: str, waiting: _Channel) -> None:
        if waiting.jobs:
            job = heapq.heappop(waiting.jobs)
            await self._do(job)
            return
        ts = next(iter(waiting.states))
        failure = await attempt(self._patiently(lambda: self._newest(channel, ts, waiting)))
        if isinstance(failure, BaseException):
            waiting.states.pop(ts, None)
            log.info("a progress state of %s was not shown: %s", channel, failure)

    async def _do(self, job: _Job) -> None:
        try:
            said = await attempt(self._patiently(lambda: self._wanted(job)))
        except asyncio.CancelledError:
            _settle(job.done, Stopped())
            raise
        _settle(job.done, said)

    async def _wanted(self, job: _Job) -> Any:
        """The last moment in which a job can be withdrawn: from here on it is sent."""
        if job.done.cancelled():
            raise Stopped
        return await job.act()

    async def _newest(self, channel: str, ts: str, waiting: _Channel) -> None:
        """The state as it is when it is really sent; after a 429 that may be another one than before."""
        said = waiting.states.get(ts)
        if said is not None:
            await self._update(channel, ts, said)
            if waiting.states.get(ts) is said:
                del waiting.states[ts]

    async def _update(self, channel: str, ts: str, said: Said) -> None:
        await self._welcome(channel)
        await self._best(said, lambda parts: self._client.chat_update(channel=channel, ts=ts, **parts))

    async def why_not(self, channel: str) -> str:
        """The reason why nothing may be said in a channel, in a word; empty where it may."""
        return await self._may_speak(channel)

    async def _welcome(self, channel: str) -> None:
        if why := await self.why_not(channel):
            raise Unwelcome(why)

    # -- one call -----------------------------------------------------------------------------------------------------

    async def _patiently(self, act: Callable[[], Awaitable[Any]]) -> Any:
        """Honours Retry-After however often it comes; tries again what surely did not arrive."""
        failures = 0
        while True:
            try:
                return await act()
            except SlackApiError as refused:
                pause = _pause(refused)
                if pause is None:
                    raise _meant(refused) from refused
            except ClientConnectorError:
                failures += 1
                if failures >= TRIES:
                    raise
                pause = 0.2 * 2.0**failures
            await self._sleep(pause)

    async def _best(self, said: Said, send: Callable[[dict[str, Any]], Awaitable[Any]]) -> Any:
        """The message as it is, else in older blocks, else its text alone: less is better than silence."""
        refused: SlackApiError | None = None
        for version in self._versions(said):
            if wrong := problems(version):
                log.error("a message is not sent as it is: %s", "; ".join(wrong[:5]))
                continue
            try:
                answer = await send(_parts(version))
            except SlackApiError as why:
                if error_of(why) not in TOO_MUCH:
                    raise
                log.warning("Slack refused a message: %s %s", error_of(why), _complaints(why))
                refused = why
                continue
            if refused is not None and error_of(refused) == "invalid_blocks" and version.blocks:
                self.plain_only = True
            return answer
        raise refused if refused is not None else ValueError("the message has no text")

    def _versions(self, said: Said) -> list[Said]:
        text = Said(fit(said.text, TEXT))
        whole = [] if self.plain_only and is_newer(said) else [Said(text.text, said.blocks)]
        return [*whole, *([Said(text.text, older(said).blocks)] if is_newer(said) else []), text]


def _settle(done: asyncio.Future[Any], said: Any) -> None:
    if done.done():
        return
    if isinstance(said, BaseException):
        done.set_exception(said)
    else:
        done.set_result(said)


def _parts(said: Said) -> dict[str, Any]:
    """`blocks` is always given: an edit without it would keep the old ones."""
    return {"text": said.text, "blocks": list(said.blocks), "unfurl_links": False, "unfurl_media": False}


def _complaints(why: SlackApiError) -> str:
    meta = body_of(why).get("response_metadata") or {}
    return "; ".join(str(each) for each in (meta.get("messages") or ())[:3])


def _pause(why: SlackApiError) -> float | None:
    """Seconds that Slack wants us to wait; None when it was refused for another reason."""
    if error_of(why) not in ("ratelimited", "rate_limited") and getattr(why.response, "status_code", 0) != 429:
        return None
    said = str(getattr(why.response, "headers", {}).get("Retry-After", "1"))
    return float(said) if said.isdigit() else 1.0


def _meant(why: SlackApiError) -> Exception:
    if error_of(why) in UNWELCOME:
        return Unwelcome(error_of(why))
    return Vanished(error_of(why)) if error_of(why) in MESSAGE_GONE_ERRORS else why


__all__ = ["FIRST", "LATER", "Outbox", "Stopped", "Unwelcome", "Vanished"]
