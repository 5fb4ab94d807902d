"""Which doors open when they are tried from inside the pod, and which of them the question is about.

Reads    the outcome of TCP connections opened inside the pod's network namespace; Services, EndpointSlices and Pods
         to tell what stands behind the asked peer.
Touches  opens and closes at most twelve TCP connections; sends no payload.
Blind    when the pod cannot be entered (no right to exec, no shell, not running) or nothing was tried.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sensors.kit import Blind, Cluster, Sensor, Target

MOST_DOORS = 12
"""A probe is traffic too: more doors than this are never tried."""


class About(StrEnum):
    """Whether the question is about a door. A failed context door is not a fault: the pod may never need it."""

    ASKED = "asked"
    CONTEXT = "context"


class Role(StrEnum):
    """What a door is: the peer as written, its Service address, a backend, or one of the doors every pod knows."""

    PEER = "peer"
    SERVICE = "service"
    BACKEND = "backend"
    BACKEND_OTHER_PORT = "backend_other_port"
    RESOLVER = "resolver"
    API_SERVER = "api_server"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Door:
    """One connection tried. `result`: open, refused, timeout, unreachable or reset; `errno` the kernel's word.

    `address` is what the name resolved to, `ms` wall time. EPERM at once means that nothing was sent at all: with
    Cilium's socket load balancer that is a Service without backends, elsewhere a local filter.
    """

    host: str
    port: int
    protocol: str
    result: str
    errno: str | None
    address: str | None
    ms: float | None
    about: About
    role: Role

    @property
    def is_open(self) -> bool:
        return self.result == "open"

    @property
    def where(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Connects:
    """All doors tried, in the order tried. `unread` says what could not be read to tell asked from context."""

    doors: tuple[Door, ...]
    to: str | None = None
    unread: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[Door, ...]:
        """The doors the question is about; empty where nobody asked for a peer or its name did not resolve."""
        return tuple(each for each in self.doors if each.about is About.ASKED)

    @property
    def context(self) -> tuple[Door, ...]:
        return tuple(each for each in self.doors if each.about is About.CONTEXT)

    def of(self, role: Role) -> tuple[Door, ...]:
        return tuple(each for each in self.doors if each.role is role)

    @property
    def asked_opens(self) -> bool | None:
        """Whether every asked way in opens; None where no asked door was tried."""
        return all(each.is_open for each in self.asked) if self.asked else None

    def summary(self) -> str:
        shown = self.asked or self.context
        told = ", ".join(f"{each.where} {each.result}{_errno(each)}" for each in shown[:6])
        if self.asked:
            return f"asked: {told}; {_tally(self.context)} of context"
        reason = "no asked door was tried" if self.to else "no peer was asked for"
        return f"{reason}; context: {told}"


def _errno(door: Door) -> str:
    return f" ({door.errno})" if door.errno else ""


def _tally(doors: Iterable[Door]) -> str:
    listed = tuple(doors)
    return f"{sum(each.is_open for each in listed)} of {len(listed)} open"


async def look(target: Target, cluster: Cluster) -> Connects:
    """Try the doors of the question and a few that every pod knows."""
    raise Blind("connecting is not wired")


SENSOR = Sensor(id="net.connect", look=look, gives=Connects, within=12.0, layers=("service", "application"))
