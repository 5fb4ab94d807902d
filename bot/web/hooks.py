"""Webhooks of alerts: who calls is known before anything is believed, and what is wrong costs one line of the log.

A bearer token, or the same as a basic password, is checked before the body is read. PagerDuty signs the body instead,
which is read within the route's bound and then checked. Source: developer.pagerduty.com, Verifying signatures.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bot.alerts.incidents import Novelty
from bot.alerts.plan import Received
from bot.triggers.alert import Alert
from bot.triggers.alerts import WEBHOOKS
from bot.triggers.catalog import triggers
from bot.triggers.trigger import Trigger
from bot.web.server import Route

log = logging.getLogger(__name__)

LARGEST = 4 * 1024 * 1024
"""Bytes of one notification: a thousand alerts with long texts."""

SIGNATURE = "X-PagerDuty-Signature"
SIGNED = "pagerduty"


@dataclass(frozen=True, slots=True)
class Hooks:
    """One address for each kind of alert: `/hooks/NAME`. Without its secret, an address is not there."""

    hear: Callable[[Received], Novelty]
    channel: str
    token: str = ""
    pagerduty: str = ""

    def routes(self) -> tuple[Route, ...]:
        kinds = [each for each in WEBHOOKS if (self.pagerduty if each == SIGNED else self.token)]
        return tuple(Route("POST", f"/hooks/{each}", self._handler(triggers()[each]), LARGEST) for each in kinds)

    def _handler(self, trigger: Trigger) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            if trigger.id != SIGNED and not may_call(request.headers.get("Authorization", ""), self.token):
                return _refused(trigger, request, 401, "the caller is not known")
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                return _refused(trigger, request, 413, "the body is too large")
            if trigger.id == SIGNED and not is_signed(body, request.headers.get(SIGNATURE, ""), self.pagerduty):
                return _refused(trigger, request, 401, "the signature is wrong")
            return self._taken(trigger, request, body)

        return handle

    def _taken(self, trigger: Trigger, request: web.Request, body: bytes) -> web.StreamResponse:
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
        return web.json_response({"heard": dict(counted)})


def payload_of(body: bytes) -> Mapping[str, Any] | None:
    """The JSON object of a body; None for anything else."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def may_call(authorization: str, token: str) -> bool:
    """`Bearer TOKEN`, or `Basic` with any name and TOKEN as the password. Takes as long whether it fits or not."""
    scheme, _, said = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            said = base64.b64decode(said, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError, ValueError):
            said = ""
    elif scheme.lower() != "bearer":
        said = ""
    return _same(said.strip(), token)


def is_signed(body: bytes, header: str, secret: str) -> bool:
    """Does one of the header's `v1=…` fit? There are several while a secret is being replaced."""
    wanted = "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return any(_same(each.strip(), wanted) for each in header.split(",")[:10])


def _same(said: str, wanted: str) -> bool:
    """Compared by digest, so that neither length nor content shows in the time it takes. Nothing never fits."""
    digests = (hashlib.sha256(each.encode("utf-8", "surrogateescape")).digest() for each in (said, wanted))
    return hmac.compare_digest(*digests) and bool(wanted)


def _refused(trigger: Trigger, request: web.Request, status: int, why: str) -> web.StreamResponse:
    log.warning("a webhook of %s is refused: %s (from %s)", trigger.id, why, request.remote)
    return web.json_response({"error": why}, status=status)
