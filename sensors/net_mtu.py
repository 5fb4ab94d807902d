"""Whether full-size packets get as far as the pod's routes promise, and what the links on the way allow.

Reads    `ip -s link` of the pod and its node(s), `ip route` of the pod, path-MTU probes from inside the pod, and from
         /proc/net the data that nobody acknowledges.
Touches  sends a few ICMP or TCP probes of growing size to the asked peer.
Blind    when neither links, routes nor probes can be read. A destination that answers no size at all (ICMP is often
         denied by policy) says nothing about sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sensors.kit import Blind, Cluster, Sensor, Target


class Reach(StrEnum):
    """What probing one destination showed. `silent` (no answer to any size) is not evidence about the MTU."""

    OK = "ok"
    SMALLER = "smaller_than_promised"
    SILENT = "no_answer_of_any_size"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Path:
    """The way to one destination: `promised` bytes by the pod's route, `mtu` the largest size that was answered.

    `unanswered` are larger sizes that were sent and not answered. `unproven`: some size was answered, but no larger
    one was tried or nothing says what was promised.
    """

    destination: str
    reach: Reach
    mtu: int | None = None
    promised: int | None = None
    unanswered: tuple[int, ...] = ()
    method: str | None = None
    error: str | None = None

    @property
    def gap(self) -> int | None:
        """Bytes short of the promise; only where a smaller size was answered and larger ones were not."""
        if self.reach is not Reach.SMALLER or self.mtu is None or self.promised is None:
            return None
        return self.promised - self.mtu


@dataclass(frozen=True, slots=True)
class Link:
    """One interface with its counters since it was made. `holder` is `pod` or the node's name."""

    holder: str
    name: str
    mtu: int
    is_up: bool | None = None
    rx_errors: int = 0
    tx_errors: int = 0
    rx_dropped: int = 0
    tx_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the pod; `mtu` only where the route itself sets one (it then wins over the interface's)."""

    destination: str
    device: str | None
    gateway: str | None
    mtu: int | None


@dataclass(frozen=True, slots=True)
class Stall:
    """A connection whose data is repeated without acknowledgement: what a black hole for large packets looks like from
    the sender, and heavy loss too. `queued` bytes wait; `full_size` means more than one full packet waits."""

    pod: str
    peer: str
    peer_port: int
    queued: int
    retransmits: int
    full_size: bool


@dataclass(frozen=True, slots=True)
class TcpHints:
    """Counters that rise when large packets vanish, of one pod; None where the kernel does not count it."""

    pod: str
    segments_out: int | None = None
    retransmitted: int | None = None
    mtu_probe_fails: int | None = None
    mtu_probe_successes: int | None = None
    fragments_failed: int | None = None


@dataclass(frozen=True, slots=True)
class Mtu:
    """Links, routes, measured paths, and TCP's own hints from both ends. `unread` names what could not be read."""

    pod_links: tuple[Link, ...] = ()
    node_links: tuple[Link, ...] = ()
    routes: tuple[Route, ...] = ()
    paths: tuple[Path, ...] = ()
    stalls: tuple[Stall, ...] = ()
    hints: tuple[TcpHints, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def short(self) -> tuple[Path, ...]:
        """The destinations that full-size packets do not reach, by measurement."""
        return tuple(each for each in self.paths if each.reach is Reach.SMALLER)

    @property
    def route_mtu(self) -> int | None:
        """What the pod's default route promises: its own MTU, else that of its interface."""
        for route in self.routes:
            if route.destination == "default":
                return route.mtu or self._link_mtu(route.device)
        return None

    def _link_mtu(self, device: str | None) -> int | None:
        return next((each.mtu for each in self.pod_links if each.name == device), None)

    def summary(self) -> str:
        told = [_told(each) for each in self.paths] or ["path MTU not measured"]
        if self.stalls:
            told.append(f"{len(self.stalls)} connection(s) repeat unacknowledged data")
        return f"pod route MTU {self.route_mtu or 'unknown'}; " + "; ".join(told)


def _told(path: Path) -> str:
    if path.reach is Reach.SMALLER:
        sizes = ", ".join(map(str, path.unanswered))
        return f"{path.destination} answers up to {path.mtu} of {path.promised} bytes (unanswered: {sizes})"
    if path.reach is Reach.SILENT:
        return f"{path.destination} answers no size at all, which says nothing about the MTU"
    return f"{path.destination} answers {path.mtu} bytes ({path.reach.value})"


async def look(target: Target, cluster: Cluster) -> Mtu:
    """Measure the paths to the asked peer and read the links on the way."""
    raise Blind("links and paths are not wired")


SENSOR = Sensor(id="net.mtu", look=look, gives=Mtu, within=10.0, layers=("physical", "pod_network"))
