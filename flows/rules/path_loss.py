"""Some packets between the pod and its peer are lost on the way: it works, late or now and then.

Proof: connections open only after a repeated SYN (1 s, 3 s, 7 s), and the kernel at one end sends at least one of fifty
segments again; or an experiment of Chaos Mesh that spoils the network selects one of the two ends: then the experiment
is what has to go. Not to be mistaken for a peer that is slow to answer (it opens at once and nothing is repeated), a
full accept queue, packets that are only too large, a full connection table, or a path that is shut.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import CONFIRMED, EVIDENT, LIKELY
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.objects import Json, objects
from flows.symptoms.peers import Peer, suspects
from flows.symptoms.slowness import is_slow, opened_late
from sensors.k8s_network_policies import Policies
from sensors.k8s_nodes import Nodes
from sensors.kit.objects import items, labels_of, mapping, name_of, namespace_of, string_map, text, texts
from sensors.kit.sockets import PodSockets
from sensors.net_connect import Connects
from sensors.net_conntrack_usage import Conntrack
from sensors.net_mtu import Link, Mtu
from sensors.net_tcp_stats import TcpStats

REPEATED_SHARE = 0.02
"""Of the segments sent: a healthy network repeats far fewer than one in a hundred."""
ENOUGH_SEGMENTS = 100
"""With fewer, one lost packet is a large share."""
FULL_SHARE = 0.95


def judge(case: Case) -> Iterator[Finding]:
    stats = case[TcpStats]
    for peer, weight in suspects(case):
        experiment = next((each for each in objects(case, "NetworkChaos") if _spoils(case, each, peer)), None)
        if experiment is not None and (peer.fails or is_slow(peer)):
            yield _by_experiment(case, peer, experiment, weight)
        elif opened_late(peer) and not _looks_alike(case, stats, peer):
            lossy = max(_repeating(stats, peer), key=_share, default=None)
            if lossy is not None:
                yield _measured(case, peer, lossy, weight)


# -- what was measured -------------------------------------------------------------------------------------------------


def _ends(stats: TcpStats, peer: Peer) -> list[PodSockets]:
    behind = {each.pod for each in (peer.service.matching_pods or ())} if peer.service else set()
    behind |= {peer.pod.name} if peer.pod else set()
    return [stats.target, *(each for each in stats.peers if each.pod in behind)]


def _repeating(stats: TcpStats, peer: Peer) -> list[PodSockets]:
    """The ends that sent enough to tell, and too much of it twice."""
    ends = [each for each in _ends(stats, peer) if (each.counters.segments_out or 0) >= ENOUGH_SEGMENTS]
    return [each for each in ends if _share(each) >= REPEATED_SHARE]


def _share(pod: PodSockets) -> float:
    return pod.counters.retransmit_share or 0.0


def _looks_alike(case: Case, stats: TcpStats, peer: Peer) -> bool:
    """A drop by the datapath, a full accept queue, packets too large, a full table: all of them repeat segments."""
    mtu, tables = case.get(Mtu), case.get(Conntrack)
    queue = any((each.counters.listen_overflows or 0) > 0 for each in _ends(stats, peer)[1:])
    large = mtu is not None and (bool(mtu.short) or any(each.full_size for each in mtu.stalls))
    full = tables is not None and any((each.fill or 0.0) >= FULL_SHARE for each in tables.nodes)
    return queue or large or full or any(each.packets_dropped for each in peer.connections)


def _measured(case: Case, peer: Peer, lossy: PodSockets, weight: float) -> Finding:
    late, count = opened_late(peer), lossy.counters
    link = _faulty_link(case)
    node = link.holder if link else _home(case)
    bad = f"; {link.name} of {link.holder} counts {link.rx_errors + link.tx_errors:,} errors" if link else ""
    return Finding(
        cause_class="path.loss",
        cause=f"packets between {case.target} and {peer} are lost: connections open only after repeats",
        component=Component("Node", "", node),
        belief=(EVIDENT if link else LIKELY) * weight,
        because=(
            f"{late[0].where} opened after {late[0].ms or 0:,.0f} ms, which is a repeated SYN; {lossy} sent "
            f"{count.retransmitted or 0:,} of {count.segments_out or 0:,} segments again{bad}"
        ),
        shown_by=(Connects, TcpStats, Mtu, Nodes),
        recommendation=(
            f"Look at the links of {node} and the network between the nodes (ip -s link, ethtool -S; tc qdisc for an "
            "experiment that was left on). KAI changes no node."
        ),
    )


def _faulty_link(case: Case) -> Link | None:
    """The link of a node on the way with the most errors; dropped packets alone are often only unknown protocols."""
    mtu = case.get(Mtu)
    bad = [each for each in (mtu.node_links if mtu else ()) if each.rx_errors + each.tx_errors > 0]
    return max(bad, key=lambda each: each.rx_errors + each.tx_errors, default=None)


def _home(case: Case) -> str:
    nodes = case.get(Nodes)
    return nodes.target_node if nodes and nodes.target_node else "of the pod"


# -- an experiment -----------------------------------------------------------------------------------------------------


def _spoils(case: Case, experiment: Json, peer: Peer) -> bool:
    """It is at work, and selects the pod or one behind the peer (namespaces and labels; nothing else is compared)."""
    said = {text(each, "type"): text(each, "status") for each in items(experiment, "status", "conditions")}
    if said.get("AllInjected") == "False" or said.get("Paused") == "True":
        return False
    service = peer.service
    names = {(service.namespace, each.pod) for each in service.matching_pods or ()} if service else set()
    names |= {(case.target.namespace, case.target.pod)}
    ends = [each for each in objects(case, "Pod") if (namespace_of(each), name_of(each)) in names]
    return any(_selects(experiment, each) for each in ends)


def _selects(experiment: Json, pod: Json) -> bool:
    """Source: chaos-mesh api/v1alpha1/selector.go; without namespaces it is the experiment's own."""
    wanted = mapping(experiment, "spec", "selector")
    spaces = texts(wanted, "namespaces") or (namespace_of(experiment),)
    if not set(wanted) <= {"namespaces", "labelSelectors"} or namespace_of(pod) not in spaces:
        return False
    labels = labels_of(pod)
    return all(labels.get(key) == value for key, value in string_map(wanted, "labelSelectors").items())


def _by_experiment(case: Case, peer: Peer, experiment: Json, weight: float) -> Finding:
    component = Component("NetworkChaos", namespace_of(experiment), name_of(experiment))
    action = text(experiment, "spec", "action") or "netem"
    return Finding(
        cause_class="path.loss",
        cause=f"{component} is an experiment that spoils the traffic between {case.target} and {peer} ({action})",
        component=component,
        belief=CONFIRMED * weight,
        because=f"{component} is at work ({action}) and selects an end of this path, which fails or is late",
        shown_by=(Policies, Connects),
        recommendation=f"Ask the operators of {component} to pause or delete it.",
    )


RULE = Rule(id="path-loss", judge=judge, causes=("path.loss",), needs=(TcpStats,))
