"""Packets for pods on another node do not get there: no route or tunnel leads there, or something filters the tunnel.

Proof: the datapath drops the pod's packets to a living pod for want of a route or tunnel (160, 169, 151), or sends
every one of them towards the other node and not one arrives there, although that node reports. Not to be mistaken for
a policy, a pod that is gone, a node that is down, a full connection table, or packets that are only too large.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import INFERRED, NAMED, OWN_TROUBLE, PLAUSIBLE, PROBABLE, SUSPECTED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import suspects
from sensors.hubble.outcomes import Connection, ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_nodes import Nodes
from sensors.k8s_services import Services
from sensors.net_conntrack_usage import Conntrack

NO_WAY = {160: NAMED, 169: PROBABLE, 151: PLAUSIBLE}
"""No tunnel endpoint, no route, unroutable address: how sure each is when the pod at the other end exists."""

FULL_SHARE = 0.95
"""A connection table this full loses packets by itself."""


def judge(case: Case) -> Iterator[Finding]:
    """One finding for drops without a way, one for packets that vanish between nodes."""
    flows = case[HubbleFlows]
    tried = _tried(case, flows)
    dropped = [(each, weight) for each, weight in tried if _no_way(each)]
    lost = [(each, weight) for each, weight in tried if _vanished(each)]
    if dropped:
        yield _drop_finding(case, *max(dropped, key=lambda one: one[1]))
    elif lost and _hears_both_ends(flows) and not _others_arrive(flows):
        yield _lost_finding(case, *max(lost, key=lambda one: (one[1], not one[0].opened)), len(lost))


def _tried(case: Case, flows: HubbleFlows) -> list[tuple[Connection, float]]:
    """The pod's connections to its peers, and its questions to DNS servers, which every peer needs."""
    target = (case.target.namespace, case.target.pod)
    peers = [(each, weight) for peer, weight in suspects(case) for each in peer.connections]
    asks = [
        each for each in flows.connections if each.port == 53 and (each.source.namespace, each.source.pod) == target
    ]
    return [*peers, *((each, OWN_TROUBLE) for each in asks)]


def _no_way(each: Connection) -> int:
    """The reason for which packets to a living pod were dropped without exception; 0 where there is none such."""
    if (
        not each.destination.pod
        or each.stale_peer
        or each.outcome is not ConnectionOutcome.DROPPED
        or each.only_at_start
    ):
        return 0
    return next((drop.number for drop in each.drops if drop.number in NO_WAY and not drop.of_reply), 0)


def _crosses(each: Connection) -> bool:
    return bool(each.destination.pod) and bool({"TO_OVERLAY", "TO_NETWORK"} & set(each.points))


def _vanished(each: Connection) -> bool:
    """Sent towards another node and not dropped where we could see; never seen to arrive, or not any more."""
    return _crosses(each) and each.outcome is ConnectionOutcome.UNANSWERED and (each.opened > 0 or not each.delivered)


def _hears_both_ends(flows: HubbleFlows) -> bool:
    """Every node reports, so that "not seen to arrive" means something."""
    return len(flows.nodes_answering) > 1 and not flows.silent and not flows.lost_events


def _others_arrive(flows: HubbleFlows) -> bool:
    """Something of the pod does get across to another node, by its newest word."""
    return any(_crosses(each) and each.outcome is ConnectionOutcome.OPENED for each in flows.connections)


def _drop_finding(case: Case, each: Connection, weight: float) -> Finding:
    number = _no_way(each)
    said = next(drop for drop in each.drops if drop.number == number)
    node = _node(case)
    return Finding(
        cause_class="cni.route_missing",
        cause=f"Node {node} has no route to {each.destination} ({each.destination.ip}): its packets are dropped",
        component=Component("Node", "", node),
        belief=round(NO_WAY[number] * weight, 3),
        because=f"{each.packets_dropped} packets of {each} dropped as {said.reason} ({number}); the pod there exists",
        shown_by=(HubbleFlows, Nodes, Services),
        recommendation=f"Compare the routes and tunnel endpoints on {node} with the node list of the network plug-in.",
    )


def _lost_finding(case: Case, each: Connection, weight: float, count: int) -> Finding:
    overlay = "TO_OVERLAY" in each.points
    node, way = _node(case), "the tunnel between the nodes" if overlay else "the network between the nodes"
    return Finding(
        cause_class="cni.overlay_blocked" if overlay else "cni.route_missing",
        cause=f"What {case.target} sends to other nodes leaves node {node} and never arrives: {way} swallows it",
        component=Component("Node", "", node),
        belief=SUSPECTED if _table_is_full(case) else round(_sure(each, count) * weight, 3),
        because=(
            f"{count} connections such as {each}: {each.unanswered} attempts sent ({', '.join(each.points)}) and "
            "neither answered nor dropped on any node, and all nodes report"
        ),
        shown_by=(HubbleFlows, Nodes),
        recommendation=(
            "See whether the nodes reach each other on the tunnel's port (VXLAN UDP 8472 or 4789, Geneve 6081, "
            "WireGuard 51871) and whether a firewall or security group lets it through."
        ),
    )


def _sure(each: Connection, count: int) -> float:
    """Nothing ever arrived; or it once did and does not any more, which a peer that died looks like, too."""
    return PROBABLE if not each.opened or count > 1 else INFERRED


def _table_is_full(case: Case) -> bool:
    tables = case.get(Conntrack)
    return tables is not None and any((each.fill or 0.0) >= FULL_SHARE for each in tables.nodes)


def _node(case: Case) -> str:
    nodes = case.get(Nodes)
    return nodes.target_node if nodes and nodes.target_node else "of the pod"


RULE = Rule(
    id="cni-route-missing", judge=judge, causes=("cni.route_missing", "cni.overlay_blocked"), needs=(HubbleFlows,)
)
