"""Alerts that were skipped where the channel has no message about them: kept for an hour, for those who ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.alerts.notices import SkippedAlert
from bot.alerts.plan import Received
from bot.store.seen import SeenIds, SeenKey
from sensors.kit.objects import one_line

SKIPPED_LIFETIME = timedelta(hours=1)
MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SkippedLine:
    """`pod` and `namespace`: what could be looked into nevertheless; empty where the alert names no pod."""

    name: str
    why: str
    pod: str
    namespace: str
    at: datetime
    cluster: str = ""


async def keep_skipped(seen: SeenIds, received: Received, notice: SkippedAlert, now: datetime) -> None:
    """Remember why nothing was started."""
    it, alert = notice.target, notice.alert
    names = (it.pod, it.namespace) if it is not None else ("", "")
    said = (
        one_line(alert.name or alert.title, 100),
        one_line(notice.why, 400),
        *names,
        *filter(None, [notice.cluster]),
    )
    await seen.first_time(f"{_beginning(received.channel)}{received.once}", now, SKIPPED_LIFETIME, "\n".join(said))


async def latest_skipped(seen: SeenIds, channel: str, now: datetime) -> tuple[SkippedLine, ...]:
    """The newest of a channel, the newest first."""
    rows = await seen.unsettled(_beginning(channel), now, MOST_SHOWN, newest_first=True)
    return tuple(_line(each) for each in rows)


def _line(row: SeenKey) -> SkippedLine:
    name, why, pod, namespace, cluster = (*row.value.split("\n"), "", "", "", "")[:5]
    return SkippedLine(name, why, pod, namespace, row.expires_at - SKIPPED_LIFETIME, cluster)


def _beginning(channel: str) -> str:
    return f"skipped {channel} "
