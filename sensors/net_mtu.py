"""Checks whether full-size packets get as far as the pod's routes promise, and what the links on the way allow.

Reads    `ip -s link` of the pod and its node(s), `ip route` of the pod, path-MTU probes from inside the pod, and from
         /proc/net the data that is never acknowledged.
Touches  sends a few ICMP or TCP probes of growing size to the asked peer.
Blind    when neither links, routes nor probes can be read. A destination that answers no size at all (ICMP is often
         denied by policy) says nothing about sizes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from sensors.kit import Blind, Cluster, PathMtu, Sensor, Target
from sensors.kit.addresses import as_ip
from sensors.kit.objects import items, named, number, one_line, text, texts
from sensors.kit.reading import if_readable, pods_near
from sensors.kit.sockets import PodSockets, read_sockets
from sensors.topology.destination import Destination, destination_of, ports_by_pod


class Reach(StrEnum):
    """Result of probing one destination. `silent` (no answer to any size) is not evidence about the MTU."""

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
        """MTU that the pod's default route promises: its own MTU, else that of its interface."""
        for route in self.routes:
            if route.destination == "default":
                return route.mtu or self._link_mtu(route.device)
        return None

    def _link_mtu(self, device: str | None) -> int | None:
        return next((each.mtu for each in self.pod_links if each.name == device), None)

    def summary(self) -> str:
        told = [_told(each) for each in self.paths] or ["path MTU not measured"]
        if self.stalls:
            count = len(self.stalls)
            some = "1 connection repeats" if count == 1 else f"{count} connections repeat"
            told.append(f"{some} unacknowledged data")
        return f"pod route MTU {self.route_mtu or 'unknown'}; " + "; ".join(told)


def _told(path: Path) -> str:
    if path.reach is Reach.SMALLER:
        sizes = ", ".join(map(str, path.unanswered))
        return f"{path.destination} answers up to {path.mtu} of {path.promised} bytes (unanswered: {sizes})"
    if path.reach is Reach.SILENT:
        return f"no reply from {path.destination} at any packet size, which says nothing about the MTU"
    return f"{path.destination} answers {path.mtu} bytes ({path.reach.value})"


MOST_DESTINATIONS = 3
"""Every probe waits for answers that may not come: more destinations than this are not measured."""

HEADERS = 40
"""Bytes of an IPv4 and a TCP header without options: what a packet holds besides data, at least."""


async def look(target: Target, cluster: Cluster) -> Mtu:
    """Measure the paths to the asked peer and read the links on the way."""
    destination = await destination_of(target, cluster)
    (links, routes, paths), nodes, sockets = await asyncio.gather(
        _pod_side(target, cluster, destination),
        _node_links(target, cluster, destination),
        _both_ends(target, cluster, destination),
    )
    unread = tuple(dict.fromkeys(why for _, why in (links, routes, paths, *nodes) if why))
    seen = Mtu(
        pod_links=links[0],
        node_links=tuple(link for found, _ in nodes for link in found),
        routes=routes[0],
        hints=tuple(_hints(each) for each in sockets),
        unread=unread,
    )
    if not (seen.pod_links or seen.routes or paths[0]):
        raise Blind("; ".join(unread[:3]) or f"nothing of {target}'s links can be read")
    measured = tuple(judge_path(each, seen.route_mtu) for each in paths[0])
    return replace(seen, paths=measured, stalls=tuple(stalls(sockets, seen.route_mtu)))


Part = TypeVar("Part")
Row = Mapping[str, Any]


async def _pod_side(
    target: Target, cluster: Cluster, destination: Destination | None
) -> tuple[tuple[tuple[Link, ...], str], tuple[tuple[Route, ...], str], tuple[tuple[PathMtu, ...], str]]:
    """The pod's links, its routes and the probes, each with the reason where there is none."""
    who = target.namespace, target.pod
    links, routes, paths = await asyncio.gather(
        if_readable(cluster.pod_file(*who, "links.json")),
        if_readable(cluster.pod_file(*who, "routes.json")),
        if_readable(cluster.path_mtus(*who, destinations_to_probe(destination))),
    )
    return (
        _parsed(links, lambda text_: parse_links(text_, "pod")),
        _parsed(routes, parse_routes),
        (paths[0] or (), paths[1]),
    )


def _parsed(read: tuple[str | None, str], parse: Callable[[str], tuple[Part, ...]]) -> tuple[tuple[Part, ...], str]:
    said, why = read
    if said is None:
        return (), why
    try:
        return parse(said), ""
    except Blind as unknown:
        return (), str(unknown)


def destinations_to_probe(destination: Destination | None) -> tuple[str, ...]:
    """The addresses behind the asked peer; a Service's own address never answers and is not probed."""
    if destination is None:
        return ()
    behind = tuple(dict.fromkeys(each.address for each in destination.backends))
    itself = (destination.host,) if as_ip(destination.host) and destination.service is None else ()
    return (behind or itself)[:MOST_DESTINATIONS]


async def _node_links(
    target: Target, cluster: Cluster, destination: Destination | None
) -> list[tuple[tuple[Link, ...], str]]:
    """The links of the pod's node and of the nodes behind the peer, without the other pods' ends."""
    pods, _ = await if_readable(pods_near(cluster, target.namespace))
    home = text(named(pods or (), target.pod, target.namespace), "spec", "nodeName")
    theirs = destination.nodes if destination else ()
    wanted = [each for each in dict.fromkeys((home, *theirs)) if each][:MOST_DESTINATIONS]
    read = await asyncio.gather(*(if_readable(cluster.node_file(each, "links.json")) for each in wanted))
    return [_node_part(node, each) for node, each in zip(wanted, read, strict=True)]


def _node_part(node: str, read: tuple[str | None, str]) -> tuple[tuple[Link, ...], str]:
    found, why = _parsed(read, lambda said: parse_links(said, node))
    return tuple(each for each in found if not each.name.startswith(POD_ENDS)), why


POD_ENDS = ("lxc", "veth", "cali", "azv", "lo")
"""How CNI plugins name the node's ends of pod links (Cilium, bridge and kind, Calico, Azure), and the loopback."""


async def _both_ends(target: Target, cluster: Cluster, destination: Destination | None) -> list[PodSockets]:
    """TCP as the pod and the pods behind the peer count it, where it can be read: large data mostly flows back."""
    behind = list(ports_by_pod(destination.backends)) if destination else []
    ends = list(dict.fromkeys([(target.namespace, target.pod), *behind]))[: MOST_DESTINATIONS + 1]
    read = await asyncio.gather(*(read_sockets(cluster, *each) for each in ends))
    return [each for each in read if not each.blind]


# -- parsing ---------------------------------------------------------------------------------------------------------


def _rows(said: str, what: str) -> tuple[Row, ...]:
    try:
        found = json.loads(said)
    except ValueError:
        raise Blind(f"{what} is not JSON: {one_line(said, 60)!r}") from None
    rows = items({"rows": found}, "rows")
    if not isinstance(found, list) or len(rows) != len(found):
        raise Blind(f"{what} is not a list of rows")
    return tuple(each for each in rows if each)  # old iproute2 writes {} for what it left out


def parse_links(said: str, holder: str) -> tuple[Link, ...]:
    """`ip -j -s link`. Raises `Blind` where no row has a name and an MTU."""
    rows = [each for each in _rows(said, "links.json") if text(each, "ifname") and number(each, "mtu")]
    if not rows:
        raise Blind("links.json holds no interface with an MTU")
    return tuple(_link(each, holder) for each in rows)


def _link(row: Row, holder: str) -> Link:
    flags = texts(row, "flags")
    counts = {f"{way}_{name}": number(row, "stats64", way, name) or 0 for way in ("rx", "tx") for name in COUNTED}
    return Link(holder, text(row, "ifname"), number(row, "mtu") or 0, "UP" in flags if flags else None, **counts)


COUNTED = ("errors", "dropped")


def parse_routes(said: str) -> tuple[Route, ...]:
    """`ip -j route`. An empty list is an answer: the pod has no route at all."""
    rows = _rows(said, "routes.json")
    if any(not text(each, "dst") for each in rows):
        raise Blind("routes.json holds a row without a destination")
    return tuple(
        Route(
            destination=text(each, "dst"),
            device=text(each, "dev") or None,
            gateway=text(each, "gateway") or None,
            mtu=next((found for row in items(each, "metrics") if (found := number(row, "mtu"))), None),
        )
        for each in rows
    )


# -- what the probes say ---------------------------------------------------------------------------------------------


def judge_path(row: PathMtu, route_mtu: int | None) -> Path:
    """One destination's probes: a gap needs an answered size, a larger unanswered one, and a promise of more."""
    mtu, promised = _size(row.mtu), _size(row.route_mtu) or route_mtu
    sizes = row.unanswered if isinstance(row.unanswered, tuple | list) else ()
    unanswered = tuple(found for each in sizes if (found := _size(each)))
    return Path(
        destination=one_line(str(row.destination)),
        reach=_reach(mtu, promised, unanswered, bool(row.method or row.unanswered or row.route_mtu)),
        mtu=mtu,
        promised=promised,
        unanswered=unanswered,
        method=one_line(str(row.method)) if row.method else None,
        error=one_line(str(row.error)) if row.error else None,
    )


def _size(value: object) -> int | None:
    """A packet size in bytes; what no packet can have is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 65536 else None


def _reach(mtu: int | None, promised: int | None, unanswered: tuple[int, ...], is_search: bool) -> Reach:
    """A search says what it tried or what it was promised; a bare `mtu` is a result of its own (tracepath, say)."""
    if mtu is None:
        return Reach.SILENT
    if promised is not None and mtu >= promised:
        return Reach.OK
    larger = [each for each in unanswered if each > mtu]
    return Reach.SMALLER if promised is not None and (larger or not is_search) else Reach.UNPROVEN


# -- what TCP says ---------------------------------------------------------------------------------------------------


def stalls(pods: Iterable[PodSockets], route_mtu: int | None) -> Iterable[Stall]:
    """Connections of either end whose data is repeated and not acknowledged."""
    for pod in pods:
        for each in pod.stalled:
            full = route_mtu is not None and each.send_queue > route_mtu - HEADERS
            yield Stall(str(pod), each.peer, each.peer_port, each.send_queue, each.retransmits, full)


def _hints(pod: PodSockets) -> TcpHints:
    said = pod.counters
    return TcpHints(
        pod=str(pod),
        segments_out=said.segments_out,
        retransmitted=said.retransmitted,
        mtu_probe_fails=said.mtu_probe_fails,
        mtu_probe_successes=said.mtu_probe_successes,
        fragments_failed=said.fragments_failed,
    )


SENSOR = Sensor(id="net.mtu", look=look, gives=Mtu, within=10.0, layers=("physical", "pod_network"))
