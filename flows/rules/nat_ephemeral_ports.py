"""The pod's own kernel has no local port left for another connection: connect() fails at once, and nothing is sent.

Proof: the pod's log says "cannot assign requested address" of connections (EADDRNOTAVAIL), and either its sockets to
one peer take up nearly all of the local port range, or the pod asks for a range of next to none (a sysctl). Not to be
mistaken for a server that cannot bind an address, for an IPv6 address in a pod without IPv6, nor for a node's table of
translated addresses that is full (that is seen by the datapath, and packets do leave the pod).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from flows.belief import CONFIRMED, CONSISTENT, CONTEXT, OWN_TROUBLE, SUSPECTED
from flows.model import Case, Finding, Rule
from flows.symptoms.dns import is_recent
from flows.symptoms.owner import owner
from sensors.k8s_pod import PodFacts
from sensors.kit.addresses import as_ip, spelled
from sensors.kit.app_log import LogError, LogTrouble
from sensors.kit.sockets import PodSockets
from sensors.net_tcp_stats import TcpStats

RANGE = "net.ipv4.ip_local_port_range"
DEFAULT_PORT_RANGE = (32768, 60999)
"""The kernel's default range of local ports."""
NEARLY_ALL_SHARE = 0.9
FEW_PORTS = 1000
"""A range this small is used up by a busy client within the minute that a closed connection keeps its port."""


def judge(case: Case) -> Iterator[Finding]:
    pod = case[PodFacts]
    said = [each for each in pod.log_errors if each.trouble is LogTrouble.NO_PORT and is_recent(case, each.time)]
    line = next((each for each in said if not _is_ipv6(each.host)), None)
    if line is not None:
        yield _finding(case, pod, line)


def _is_ipv6(host: str) -> bool:
    address = as_ip(host)
    return address is not None and address.version == 6


def _weight(case: Case, line: LogError) -> float:
    """Ports that ran out towards another peer than the asked one need not be why that one fails."""
    asked = case.target.to_host
    if asked is None or not line.host:
        return OWN_TROUBLE
    return OWN_TROUBLE if spelled(line.host) == spelled(asked) or as_ip(line.host) is not None else CONTEXT


def local_ports(pod: PodFacts) -> tuple[int, int]:
    """The range that the pod asks for, else the kernel's default."""
    said = dict(pod.sysctls).get(RANGE, "").split()
    if len(said) == 2 and all(each.isascii() and each.isdigit() and len(each) <= 5 for each in said):
        return int(said[0]), int(said[1])
    return DEFAULT_PORT_RANGE


def _busiest(sockets: PodSockets, ports: tuple[int, int]) -> tuple[str, int]:
    """The peer to which most of the range is taken up, and how many ports that is."""
    low, high = ports
    mine = (each for each in sockets.connections if low <= each.port <= high)
    counted = Counter(f"{each.peer}:{each.peer_port}" for each in mine)
    return counted.most_common(1)[0] if counted else ("", 0)


def _finding(case: Case, pod: PodFacts, line: LogError) -> Finding:
    ports, stats = local_ports(pod), case.get(TcpStats)
    size = max(ports[1] - ports[0] + 1, 1)
    sockets = stats.target if stats is not None and stats.target.knows_listeners else None
    peer, used = _busiest(sockets, ports) if sockets else ("", 0)
    full, few = used >= NEARLY_ALL_SHARE * size, size <= FEW_PORTS
    level = CONFIRMED if full or few else CONSISTENT if sockets is None else SUSPECTED
    told = f"{used:,} of the {size:,} local ports lead to {peer}" if used else f"its range has {size:,} local ports"
    return Finding(
        cause_class="nat.ephemeral_ports",
        cause=f"{case.target} has no local port left for another connection: connect() fails before anything is sent",
        component=owner(case),
        belief=level * _weight(case, line),
        because=f'its log says "{line.text}" ({line.count} {"time" if line.count == 1 else "times"}); {told}',
        shown_by=(PodFacts, TcpStats),
        recommendation=_advice(case, few, ports),
    )


def _advice(case: Case, few: bool, ports: tuple[int, int]) -> str:
    if few:
        return f"Widen the sysctl {RANGE} of {owner(case)} (it is {ports[0]} {ports[1]}; the default is 32768 60999)."
    return (
        f"Let {owner(case)} keep its connections open and use them again (a pool, HTTP keep-alive), or run more pods."
    )


RULE = Rule(id="nat-ephemeral-ports", judge=judge, causes=("nat.ephemeral_ports",), needs=(PodFacts,))
