"""How full the connection tables of the pod's node are, the kernel's and Cilium's, and whether they refused anyone.

Reads    nf_conntrack_count, nf_conntrack_max, `conntrack -S` (or /proc/net/stat/nf_conntrack) and dmesg of the pod's
         node and a few others; Cilium's map pressure and drop counts where its metrics are there.
Touches  nothing.
Blind    when nothing of the pod's node can be read, or a file is not in a format this sensor knows. Counters run since
         boot, not since the trouble began; dmesg keeps only its newest lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sensors.kit import Blind, Cluster, Sensor, Target


@dataclass(frozen=True, slots=True)
class FullTable:
    """The kernel's own words that its table was full and packets were dropped, from one node's log.

    `netns` are the network namespaces named in the lines (newer kernels): nodes that share one kernel show each other's
    lines, and only the namespace tells them apart. `suppressed` counts messages the kernel says it left out; times
    are None where the log has no wall clock.
    """

    lines: int
    first: datetime | None = None
    newest: datetime | None = None
    netns: tuple[str, ...] = ()
    suppressed: int = 0


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
    has 0 lines where it was and said nothing. `unread` names what could not be read.
    """

    node: str
    hosts_target: bool
    count: int | None = None
    maximum: int | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    full: FullTable | None = None
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

    `cilium` (BPF maps), `netfilter` or `unknown`. The kernel's table still counts under Cilium for host-network pods
    and whatever goes through the node's own stack. `shared_log` means several nodes show the same kernel log, so
    "table full" lines prove it of one of them, not of each.
    """

    nodes: tuple[NodeTables, ...]
    datapath_table: str = "unknown"
    shared_log: bool = False
    left_out: int = 0
    at: datetime | None = None

    @property
    def here(self) -> NodeTables | None:
        """The tables of the pod's own node."""
        return next((each for each in self.nodes if each.hosts_target), None)

    def summary(self) -> str:
        return "; ".join(_told(each) for each in self.nodes)


def _told(node: NodeTables) -> str:
    parts = [f"nf_conntrack {node.count} of {node.maximum} ({node.fill:.1%})" if node.fill is not None else ""]
    if node.cilium is not None and node.cilium.connection_pressure is not None:
        parts.append(f"Cilium connection table {node.cilium.connection_pressure:.1%}")
    if node.full is not None and node.full.lines:
        parts.append(f'{node.full.lines} kernel lines "table full"')
    return f"{node.node}: {', '.join(filter(None, parts)) or 'no table could be read'}"


async def look(target: Target, cluster: Cluster, *, nodes: int = 4) -> Conntrack:
    """Read the connection tables of the pod's node and of at most `nodes` nodes in all."""
    raise Blind("the connection tables are not wired")


SENSOR = Sensor(id="net.conntrack_usage", look=look, gives=Conntrack, within=8.0, layers=("conntrack", "nat"))
