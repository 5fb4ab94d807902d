"""Use of the connection tables of the pod's node, the kernel's and Cilium's, and entries that they refused.

Reads    nf_conntrack_count, nf_conntrack_max, `conntrack -S` (or /proc/net/stat/nf_conntrack) and dmesg of the pod's
         node and a few others; Cilium's map pressure and drop counts where its metrics are there.
Touches  nothing.
Blind    when nothing of the pod's node can be read, or a file is not in a format this sensor knows. Counters run since
         boot, not since the trouble began; dmesg keeps only its newest lines.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sensors.kit import Blind, Cluster, Environment, Sensor, Target
from sensors.kit.kernel_log import FULL, BadChecksums, FullTable, InvalidSegments, parse_log
from sensors.kit.kinds import NODE
from sensors.kit.metrics import parse_metrics
from sensors.kit.objects import flag, name_of, named, one_line, text
from sensors.kit.reading import if_readable, pods_near
from sensors.topology.destination import destination_of


@dataclass(frozen=True, slots=True)
class CiliumTables:
    """Cilium's own tables on a node: `pressure` per map, 0 to 1 (`ct4_global`, `ct_any4_global`, `nat…`), `drops` per
    reason since the agent's start, in Cilium's words (`CT: Map insertion failed`)."""

    pressure: Mapping[str, float] = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)

    @property
    def connection_pressure(self) -> float | None:
        """The fullest connection table, 0 to 1."""
        found = [value for name, value in self.pressure.items() if name.removeprefix("cilium_").startswith("ct")]
        return max(found, default=None)

    @property
    def nat_pressure(self) -> float | None:
        """The fullest address translation table, 0 to 1."""
        found = [value for name, value in self.pressure.items() if "snat" in name or "nat_" in name]
        return max(found, default=None)

    @property
    def insert_failures(self) -> int:
        return sum(count for reason, count in self.drops.items() if reason.lower() in INSERT_FAILED)

    @property
    def no_nat_mapping(self) -> int:
        return sum(count for reason, count in self.drops.items() if reason.lower() in NO_MAPPING)


INSERT_FAILED = frozenset({"ct: map insertion failed", "ct_map_insertion_failed"})
NO_MAPPING = frozenset({"no mapping for nat masquerade", "no_mapping_for_nat_masquerade", "no available port for nat"})


@dataclass(frozen=True, slots=True)
class NodeTables:
    """One node's connection tables. `count` and `maximum` are entries of the kernel's table in the node's namespace.

    `counters` are sums over all CPUs since boot, by the tool's own names (`insert_failed`, `drop`, `early_drop`, …; the
    counter `early_drop` is an eviction that made room, not a refusal). `full` is None where dmesg could not be read and
    has 0 lines where it was and said nothing; `bad_checksums` and `invalid` are what it says of packets thrown away.
    `unread` names what could not be read.
    """

    node: str
    hosts_target: bool
    count: int | None = None
    maximum: int | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    full: FullTable | None = None
    bad_checksums: tuple[BadChecksums, ...] = ()
    invalid: tuple[InvalidSegments, ...] = ()
    cilium: CiliumTables | None = None
    unread: tuple[str, ...] = ()

    @property
    def fill(self) -> float | None:
        """Entries over maximum, 0 to 1 and above."""
        return self.count / self.maximum if self.count is not None and self.maximum else None

    def counted(self, name: str) -> int | None:
        """One counter; None where this node did not report it."""
        return self.counters.get(name)


@dataclass(frozen=True, slots=True)
class Conntrack:
    """The connection tables, the pod's node first. `datapath_table` says which one the datapath uses for pod traffic.

    `cilium` (BPF maps), `netfilter` or `unknown`. Under Cilium the kernel's table still counts for host-network pods
    (`host_network`) and for whatever else goes through the node's own stack. `shared_log` means several nodes show the
    same kernel log, so "table full" lines prove it of one of them, not of each. `left_out` nodes were not looked at.
    """

    nodes: tuple[NodeTables, ...]
    datapath_table: str = "unknown"
    host_network: bool | None = None
    shared_log: bool = False
    left_out: int = 0
    at: datetime | None = None

    @property
    def here(self) -> NodeTables | None:
        """The tables of the pod's own node."""
        return next((each for each in self.nodes if each.hosts_target), None)

    def summary(self) -> str:
        told = "; ".join(_told(each) for each in self.nodes)
        return f"{told} (the nodes show one and the same kernel log)" if self.shared_log else told


def _told(node: NodeTables) -> str:
    parts = [f"nf_conntrack {node.count} of {node.maximum} ({node.fill:.1%})" if node.fill is not None else ""]
    if node.cilium is not None and node.cilium.connection_pressure is not None:
        parts.append(f"Cilium connection table {node.cilium.connection_pressure:.1%}")
    if node.full is not None and node.full.lines:
        parts.append(f'{node.full.lines} kernel lines "table full"')
    return f"{node.node}: {', '.join(filter(None, parts)) or 'no table could be read'}"


async def look(target: Target, cluster: Cluster, *, nodes: int = 4) -> Conntrack:
    """Read the connection tables of the pod's node and of at most `nodes` nodes in all."""
    home, host_network = await _home(target, cluster)
    wanted = await _nodes_to_read(target, cluster, home)
    if not wanted:
        raise Blind(f"the node of {target} is not known")
    read = await asyncio.gather(*(read_node(cluster, each, each == home) for each in wanted[: max(nodes, 1)]))
    seen = [(tables, log) for tables, log in read if tables.hosts_target or not _is_empty(tables)]
    if not seen or (home and _is_empty(seen[0][0])):
        raise Blind(f"nothing of node {wanted[0]} can be read: {read[0][0].unread[0]}")
    return Conntrack(
        nodes=tuple(tables for tables, _ in seen),
        datapath_table=datapath_table(await cluster.environment()),
        host_network=host_network,
        shared_log=_shares_log([log for _, log in seen]),
        left_out=max(len(wanted) - nodes, 0),
        at=await cluster.now(),
    )


async def _home(target: Target, cluster: Cluster) -> tuple[str, bool | None]:
    """The pod's node and whether the pod lives in its namespace. `Blind` for a pod that is on no node yet."""
    pods, _ = await if_readable(pods_near(cluster, target.namespace))
    pod = named(pods or (), target.pod, target.namespace)
    if pod is None:
        return "", None
    if not text(pod, "spec", "nodeName"):
        raise Blind(f"{target} is on no node yet")
    return text(pod, "spec", "nodeName"), flag(pod, "spec", "hostNetwork") is True


async def _nodes_to_read(target: Target, cluster: Cluster, home: str) -> list[str]:
    """The pod's own node, those of the asked backends, then the rest by name."""
    (listed, _), destination = await asyncio.gather(if_readable(cluster.objects(NODE)), destination_of(target, cluster))
    theirs = destination.nodes if destination else ()
    rest = sorted(map(name_of, listed or ()))
    return [each for each in dict.fromkeys((home, *theirs, *rest)) if each]


def datapath_table(environment: Environment) -> str:
    """Table that the datapath uses for pod traffic: Cilium's own maps, the kernel's, or unknown."""
    if environment.cni is None:
        return "unknown"
    return "cilium" if environment.cni == "cilium" else "netfilter"


def _is_empty(node: NodeTables) -> bool:
    return node.count is None and not node.counters and node.full is None and node.cilium is None


def _shares_log(logs: list[str]) -> bool:
    full = [each for each in logs if FULL.search(each)]
    return len(full) > len(set(full))


# -- one node --------------------------------------------------------------------------------------------------------

FILES = ("nf_conntrack_count", "nf_conntrack_max", "conntrack_stats", "dmesg", "cilium/metrics.txt")


async def read_node(cluster: Cluster, node: str, hosts_target: bool) -> tuple[NodeTables, str]:
    """One node's tables, and its kernel log for comparing nodes. Files that cannot be read are named in `unread`.

    An unknown format blinds the look only where it concerns the kernel's table of the pod's own node.
    """
    read = await asyncio.gather(*(if_readable(cluster.node_file(node, each)) for each in FILES))
    texts = {name: value for name, (value, _) in zip(FILES, read, strict=True) if value is not None}
    unread = tuple(
        why if why.startswith(f"{name}: ") else f"{name}: {why}"
        for name, (_, why) in zip(FILES, read, strict=True)
        if why
    )
    try:
        return parse_node(node, hosts_target, texts, unread), texts.get("dmesg", "")
    except Blind as why:
        if hosts_target:
            raise
        return NodeTables(node, hosts_target, unread=(*unread, str(why))), ""


def parse_node(node: str, hosts_target: bool, texts: Mapping[str, str], unread: tuple[str, ...] = ()) -> NodeTables:
    """Pure: one node's files, by name, into facts. Raises `Blind` on a kernel file it does not know."""
    count, maximum, stats, log, metrics = (texts.get(name) for name in FILES)
    cilium, why = (None, "") if metrics is None else _cilium_or_why(metrics)
    kernel = None if log is None else parse_log(log)
    return NodeTables(
        node=node,
        hosts_target=hosts_target,
        count=None if count is None else parse_number(count, "nf_conntrack_count"),
        maximum=None if maximum is None else parse_number(maximum, "nf_conntrack_max"),
        counters={} if stats is None else parse_stats(stats),
        full=kernel.full if kernel else None,
        bad_checksums=kernel.bad_checksums if kernel else (),
        invalid=kernel.invalid if kernel else (),
        cilium=cilium,
        unread=(*unread, why) if why else unread,
    )


def _cilium_or_why(metrics: str) -> tuple[CiliumTables | None, str]:
    """An agent that is down answers with a complaint instead of metrics: the kernel's table can still be told."""
    try:
        return parse_cilium(metrics), ""
    except Blind as why:
        return None, str(why)


def parse_number(said: str, name: str) -> int:
    """A file that holds one number."""
    if not said.strip().isdecimal():
        raise Blind(f"{name} holds {one_line(said, 40)!r}, not a number")
    return int(said)


# -- counters of the kernel's table ----------------------------------------------------------------------------------


def parse_stats(said: str) -> dict[str, int]:
    """`conntrack -S` (`cpu=0 found=0 …`) or /proc/net/stat/nf_conntrack (hexadecimal, one line per CPU), summed."""
    if said.split()[:1] == ["entries"]:
        return _hex_stats(said)
    rows = [re.findall(r"(\w+)=(\d+)", line) for line in said.splitlines() if line.strip()]
    if not rows or any(not row or row[0][0] != "cpu" for row in rows):
        raise Blind("the connection tracker's counters are in a format this sensor does not know")
    return _summed((name, int(value)) for row in rows for name, value in row[1:])


def _hex_stats(said: str) -> dict[str, int]:
    """Columns were renamed between kernels (`searched` → `clash_resolve`): only the header says what they are.

    `entries` is the whole table's count, repeated on every line, and is left out of the sums.
    """
    names, *rows = [line.split() for line in said.splitlines() if line.strip()]
    try:
        cells = [(name, int(value, 16)) for row in rows for name, value in zip(names, row, strict=True)]
    except ValueError:
        raise Blind("/proc/net/stat/nf_conntrack is in a format this sensor does not know") from None
    if not rows:
        raise Blind("/proc/net/stat/nf_conntrack has no CPU in it")
    return _summed((name, value) for name, value in cells if name != "entries")


def _summed(cells: Iterable[tuple[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for name, value in cells:
        total[name] += value
    return dict(total)


# -- Cilium's tables -------------------------------------------------------------------------------------------------


def parse_cilium(said: str) -> CiliumTables:
    """Map pressure and drop counts from Cilium's metrics. Raises `Blind` where there is no Cilium metric at all."""
    metrics = list(parse_metrics(said))
    if not any(each.name.startswith("cilium_") for each in metrics):
        raise Blind("cilium/metrics.txt holds no Cilium metric")
    pressure = [each for each in metrics if each.name == "cilium_bpf_map_pressure" and each.labels.get("map_name")]
    drops = [each for each in metrics if each.name == "cilium_drop_count_total" and each.labels.get("reason")]
    return CiliumTables(
        pressure={each.labels["map_name"]: each.value for each in pressure},
        drops=_summed((each.labels["reason"], int(each.value)) for each in drops),
    )


SENSOR = Sensor(id="net.conntrack_usage", look=look, gives=Conntrack, within=8.0, layers=("conntrack", "nat"))
