"""Webhooks of alerts: who calls is known before anything is believed, and what is wrong costs one line of the log.

A token or a certificate is checked before the body is read. PagerDuty, and Grafana where it is told to, sign the body
instead, which is read within the route's bound and then checked.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.alerts.incidents import Novelty
from bot.alerts.plan import Received
from bot.triggers.alert import Alert
from bot.triggers.alerts import WEBHOOKS
from bot.triggers.catalog import triggers
from bot.triggers.trigger import Trigger
from bot.web.callers import may_call, shows_certificate, signed_by_grafana, signed_by_pagerduty
from bot.web.server import HttpRoute

log = logging.getLogger(__name__)

Hear = Callable[[Received], Novelty]
WriteDown = Callable[[], Awaitable[bool]]
LeaveOut = Callable[[str, int], None]

MAX_NOTIFICATION_BYTES = 4 * 1024 * 1024
"""Bytes of one notification: a thousand alerts with long texts."""

Signed = Callable[[bytes, Mapping[str, str], str, float], str]
SIGNED: Mapping[str, Signed] = {"pagerduty": signed_by_pagerduty, "grafana": signed_by_grafana}
"""How the bodies of a kind are signed, where they are."""

ALWAYS_SIGNED = "pagerduty"


@dataclass(frozen=True, slots=True)
class Hooks:
    """One address for each kind of alert: `/hooks/NAME`. Where nobody could show who he is, an address is not there.

    `left_out` is told of a channel how many alerts of a notification are not in it.

    `written` waits until what was heard is safe from a crash: only then the caller is told that it was taken in.
    `secrets` are those of signatures, by kind: where there is one, nothing else counts for that kind.
    """

    hear: Hear
    written: WriteDown
    left_out: LeaveOut
    channel: str
    token: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    now: Callable[[], float] = time.time

    def routes(self, *, certificates: bool = False) -> tuple[HttpRoute, ...]:
        """`certificates`: callers may show one."""
        open_to_some = bool(self.token) or certificates
        kinds = [each for each in WEBHOOKS if self.secrets.get(each) or (open_to_some and each != ALWAYS_SIGNED)]
        signed = {each for each in kinds if self.secrets.get(each)}
        return tuple(
            HttpRoute("POST", f"/hooks/{each}", self._handler(triggers()[each]), MAX_NOTIFICATION_BYTES, each in signed)
            for each in kinds
        )

    def _handler(self, trigger: Trigger) -> Callable[[web.Request], Any]:
        secret = self.secrets.get(trigger.id, "")

        async def handle(request: web.Request) -> web.StreamResponse:
            if not (secret or self._is_known(request)):
                return _refused(trigger, request, 401, "the caller is not known")
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                return _refused(trigger, request, 413, "the body is too large")
            if secret and (why := SIGNED[trigger.id](body, request.headers, secret, self.now())):
                return _refused(trigger, request, 401, why)
            return await self._taken(trigger, request, body)

        return handle

    def _is_known(self, request: web.Request) -> bool:
        return may_call(request.headers.get("Authorization", ""), self.token) or shows_certificate(request)

    async def _taken(self, trigger: Trigger, request: web.Request, body: bytes) -> web.StreamResponse:
        payload = payload_of(body)
        if payload is None or not trigger.fits(payload):
            return _refused(trigger, request, 400, f"the body is not one of {trigger.id}")
        counted: Counter[str] = Counter()
        for each in trigger.split(payload):
            found = trigger.read(each)
            if isinstance(found, Alert):
                counted[self.hear(Received(found, self.channel, sender=f"webhook {trigger.id}"))] += 1
            else:
                counted["nothing"] += 1
        if (counted[Novelty.NEW] or counted[Novelty.RESOLVED]) and not await self.written():
            return _refused(trigger, request, 503, "it could not be written down: send it again")
        if counted[Novelty.NEW] and (missing := trigger.left_out(payload)):
            log.warning("a webhook of %s leaves out %d alerts: too many at once", trigger.id, missing)
            self.left_out(self.channel, missing)
        return web.json_response({"heard": dict(counted)})


def payload_of(body: bytes) -> Mapping[str, Any] | None:
    """The JSON object of a body; None for anything else."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _refused(trigger: Trigger, request: web.Request, status: int, why: str) -> web.StreamResponse:
    log.warning("a webhook of %s is refused: %s (from %s)", trigger.id, why, request.remote)
    return web.json_response({"error": why}, status=status)
