"""Tunnelled packets of pods arrive at another node with a bad checksum, and its kernel throws them away.

Proof: the kernel log of one of the two nodes in question says "UDP: bad checksum" of packets that the other one sent to
a tunnel's port, and connections between the two fail or open only after repeats (checksum offload of the tunnel's
device; a packet without NAT passes, so the pod's own address often works). Not to be mistaken for bad checksums of
other UDP traffic or other nodes, for lines of long ago, nor for a tunnel that is blocked: then nothing arrives at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import ASIDE, ASKED, ATTESTED, PROBABLE
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.dns import is_recent, names_fail
from flows.symptoms.peers import suspects
from flows.symptoms.slowness import is_slow
from sensors.dns_coredns_health import CoreDns
from sensors.k8s_nodes import Nodes
from sensors.k8s_services import Services
from sensors.kit.kernel_log import BadChecksums
from sensors.net_connect import Connects
from sensors.net_conntrack_usage import Conntrack

TUNNELS = {8472: "VXLAN", 4789: "VXLAN", 6081: "Geneve"}
"""UDP ports of overlays: flannel and Cilium, Calico and the standard, Geneve."""


def judge(case: Case) -> Iterator[Finding]:
    nodes = case[Nodes]
    seen = [each for table in case[Conntrack].nodes for each in table.bad_checksums if each.port in TUNNELS]
    for what, others, weight in _troubles(case) if seen else ():
        found = [each for each in seen if _ends(nodes, each) in [{nodes.target_node, other} for other in others]]
        if found:
            yield _finding(case, nodes, what, max(found, key=lambda each: each.lines), weight)


def _troubles(case: Case) -> Iterator[tuple[str, set[str], float]]:
    """Peers that the pod cannot reach well, the other nodes on which that lives, and its weight."""
    home, dns = case[Nodes].target_node, case.get(CoreDns)
    for peer, weight in suspects(case):
        ends = peer.service.ready_endpoints or () if peer.service else ()
        others = {each.node for each in ends} | (set(case[Nodes].peer_nodes) if peer.asked else set())
        if peer.fails or is_slow(peer):
            yield str(peer), others - {home, ""}, weight
    if names_fail(case) and dns is not None:
        servers = {each.node for each in dns.pods if each.node}
        yield "the cluster's DNS servers", servers - {home}, ASKED


def _ends(nodes: Nodes, each: BadChecksums) -> set[str]:
    """The two nodes between which these packets went, by their addresses."""
    return {node.name for node in nodes.nodes if {each.sender, each.receiver} & set(node.internal_ips)}


def _finding(case: Case, nodes: Nodes, what: str, bad: BadChecksums, weight: float) -> Finding:
    sender = next(each.name for each in nodes.nodes if bad.sender in each.internal_ips)
    receiver = next(each.name for each in nodes.nodes if bad.receiver in each.internal_ips)
    times = "1 packet" if bad.lines == 1 else f"{bad.lines} packets"
    return Finding(
        cause_class="path.checksum",
        cause=f"{TUNNELS[bad.port]} packets from {sender} arrive at {receiver} with a bad checksum and are dropped",
        component=Component("Node", "", sender),
        belief=_belief(case, bad) * weight,
        because=(
            f"the kernel log of {receiver} names {times} from {bad.sender} to its port {bad.port}; "
            f"{case.target} does not reach {what} well"
        ),
        shown_by=(Conntrack, Nodes, Services, Connects),
        recommendation=(
            f"Switch off checksum offload of the tunnel's device on {sender} (ethtool -K flannel.1 "
            "tx-checksum-ip-generic off; Calico: featureDetectOverride ChecksumOffloadBroken=true), or update its "
            "kernel or driver. KAI changes no node."
        ),
    )


def _belief(case: Case, bad: BadChecksums) -> float:
    """A log without a wall clock may tell of a time that is over."""
    if bad.newest is None:
        return PROBABLE
    return ATTESTED if is_recent(case, bad.newest) else ASIDE


RULE = Rule(id="path-checksum", judge=judge, causes=("path.checksum",), needs=(Conntrack, Nodes))
