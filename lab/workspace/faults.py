"""Faults between Slack and an app, on demand."""

from __future__ import annotations

from typing import Any

from lab.workspace.event_delivery import AppResponse, DeliveryAttempt, EventDelivery, NotAcked
from lab.workspace.rates import Rates
from lab.workspace.signed import SignedHttp, SignedRequest
from lab.workspace.sockets import Sockets
from lab.workspace.state import WorkspaceState

Json = dict[str, Any]


class Faults:
    def __init__(
        self, world: WorkspaceState, courier: EventDelivery, sockets: Sockets, signed: SignedHttp, rates: Rates
    ) -> None:
        self._world, self._courier, self._sockets, self._signed, self._rates = world, courier, sockets, signed, rates

    async def drop_socket(self) -> None:
        """Cuts every Socket Mode connection without a word."""
        await self._sockets.drop()

    async def refresh_socket(self, reason: str = "refresh_requested") -> None:
        """Slack asks the app to dial in anew: `warning`, `refresh_requested` or `link_disabled`."""
        await self._sockets.disconnect(reason)

    def storm_429(self, calls: int, seconds: int = 1) -> None:
        """The next so many calls are answered `ratelimited`, with that Retry-After."""
        self._rates.storm, self._rates.storm_seconds = calls, seconds

    def expire_triggers(self) -> None:
        """From now on the app is too late with every trigger id: more than three seconds have gone."""
        self._world.triggers.seconds = -1.0

    def lose_acks(self, count: int = 1) -> None:
        """The next so many acks do not arrive: Slack thinks that the app said nothing."""
        self._courier.mischief.lost = count

    def deliver_twice(self, count: int = 1) -> None:
        """The next so many deliveries are made two times at once."""
        self._courier.mischief.twice = count

    @property
    def last_request(self) -> SignedRequest | None:
        """The last signed request, to the last byte."""
        return self._signed.last

    @property
    def last_delivery(self) -> DeliveryAttempt:
        """The last thing sent to an app; raises LookupError when nothing was."""
        if not self._courier.log:
            raise LookupError("nothing was delivered yet")
        return self._courier.log[-1]

    async def replay(self, recorded: SignedRequest | DeliveryAttempt) -> int:
        """Sends a recorded request again: the app's HTTP status (over a socket: 200 when it was acked, else 408)."""
        if isinstance(recorded, SignedRequest):
            return await self._signed.replay(recorded)
        try:
            await self._resend(recorded)
        except NotAcked:
            return 408
        return 200

    async def _resend(self, delivery: DeliveryAttempt) -> AppResponse:
        return await self._courier.again(delivery, self._world.apps[delivery.app])
