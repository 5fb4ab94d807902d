"""Small packets pass and large ones vanish: the path carries less than the pod's route promises.

Proof: a probe of a smaller size is answered while sizes within the promise are not, or the datapath says "fragmentation
needed" (136, 157, 169), or full-size segments are repeated after a good handshake. Where no size was tried: the way to
the peer leads through an encrypting link (WireGuard, IPsec) that takes less than the pod's route promises, connections
open, and data stalls. A probe that nothing of any size
answers is not MTU evidence (a policy denies ICMP), and retransmits alone are loss or a slow peer.
"""

from __future__ import annotations

import re

from flows.belief import ASIDE, CONTEXT, EVIDENT, NAMED, PLAUSIBLE, PROVED, SHOWN
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import Peer, asked_peer, suspects
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_nodes import Nodes
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from sensors.kit.app_log import LogTrouble
from sensors.net_connect import Connects
from sensors.net_mtu import Link, Mtu, Path, Reach
from sensors.text import counted

TOO_LARGE = {136: "Fragmentation needed", 157: "IP_FRAGMENTATION_NOT_SUPPORTED"}


def judge(case: Case) -> Finding | None:
    mtu = case[Mtu]
    short = [(each, _weight(case, each)) for each in mtu.short]
    path, weight = max(short, key=lambda pair: pair[1], default=(None, EVIDENT))
    dropped = _too_large(case)
    if path is None and not dropped:
        return _encrypted(case, mtu)
    return _finding(case, mtu, path, weight, dropped)


def _weight(case: Case, path: Path) -> float:
    """A short path counts in full where the complaint goes that way."""
    hosts = {ip: weight for peer, weight in suspects(case) for ip in _addresses(peer)}
    return hosts.get(path.destination, CONTEXT if asked_peer(case) else EVIDENT)


def _addresses(peer: Peer) -> set[str]:
    ends = peer.service.endpoints or () if peer.service else ()
    return {peer.host, *(each.ip for each in ends), *(each.destination.ip for each in peer.connections)}


# -- a link that encrypts ----------------------------------------------------------------------------------------------

ENCRYPTS = re.compile(r"(?:cilium_wg|wireguard\.|flannel-wg|kilo|wg|ipsec|xfrm|vti)[\w.-]*", re.IGNORECASE)
"""Links of WireGuard (Cilium, Calico, flannel, Kilo, by hand) and IPsec; what they add makes their packets smaller."""


def _encrypted(case: Case, mtu: Mtu) -> Finding | None:
    """Without any probe: a promise larger than the narrowest encrypting link between the two nodes can keep."""
    links = [each for each in mtu.node_links if ENCRYPTS.fullmatch(each.name) and each.is_up is not False]
    link, promised = min(links, key=lambda each: each.mtu, default=None), mtu.route_mtu
    if link is None or promised is None or link.mtu >= promised:
        return None
    for peer, weight in suspects(case):
        measured = any(each.destination in _addresses(peer) and each.reach is Reach.OK for each in mtu.paths)
        if _crosses(case, peer) and peer.fails is False and not measured:
            return _narrow(case, mtu, link, peer, promised, weight)
    return None


def _crosses(case: Case, peer: Peer) -> bool:
    nodes, ends = case.get(Nodes), peer.service.ready_endpoints or () if peer.service else ()
    there = {each.node for each in ends if each.node}
    return nodes is not None and bool(nodes.target_node) and bool(there) and nodes.target_node not in there


def _narrow(case: Case, mtu: Mtu, link: Link, peer: Peer, promised: int, weight: float) -> Finding:
    stalls = [each for each in mtu.stalls if each.full_size and each.peer in _addresses(peer)]
    line = next((each for each in peer.logged if each.trouble is LogTrouble.TIMEOUT), None)
    told = f'; the caller logs "{line.text}"' if line else ""
    stuck = f"; {len(stalls)} connections repeat full-size data that is never acknowledged" if stalls else ""
    return Finding(
        cause_class="mtu.mismatch",
        cause=(
            f"{link.name} of {link.holder}, on the path to {peer}, carries at most {link.mtu:,} bytes, and the "
            f"pod's route promises {promised:,}: small answers pass, large ones stall"
        ),
        component=Component("Node", "", link.holder),
        belief=(EVIDENT if stalls else PLAUSIBLE if line else ASIDE) * weight,
        because=f"{peer} opens on another node, and no size was tried{stuck}{told}",
        shown_by=(Mtu, Nodes, Connects, Services),
        recommendation=(
            f"Lower the network plug-in's MTU so that pods promise {link.mtu:,} bytes at most, less by what a tunnel "
            "inside adds. That restarts the network plug-in, so nothing is offered as one click."
        ),
    )


# -- what was measured -------------------------------------------------------------------------------------------------


def _too_large(case: Case) -> int:
    flows = case.get(HubbleFlows)
    mine = flows.connections if flows else ()
    return sum(drop.packets for each in mine for drop in each.drops if drop.number in TOO_LARGE)


def _finding(case: Case, mtu: Mtu, path: Path | None, weight: float, dropped: int) -> Finding:
    node = _other_node(case, path) or "unknown"
    stalls = [each for each in mtu.stalls if path is None or each.peer == path.destination]
    told = _told(path) if path else f"{counted(dropped, 'packet')} dropped as too large"
    extra = f"; {len(stalls)} connections repeat data that is never acknowledged" if stalls else ""
    return Finding(
        cause_class="mtu.mismatch",
        cause=f"{told}: small answers pass, large ones stall",
        component=Component("Node", "", node),
        belief=_level(bool(stalls), bool(dropped)) * weight,
        because=f"{told}{extra}; nothing on the way sends back 'fragmentation needed'",
        shown_by=(Mtu, HubbleFlows) if dropped else (Mtu,),
        recommendation=_advice(path, node),
    )


def _level(stalls: bool, dropped: bool) -> float:
    """Stalled connections and drops as too large are two more signs, each of its own."""
    if stalls:
        return PROVED if dropped else SHOWN
    return NAMED if dropped else EVIDENT


def _told(path: Path) -> str:
    lost = f" (lost: {', '.join(map(str, path.unanswered))})" if path.unanswered else ""
    return (
        f"the path to {path.destination} carries at most {path.mtu:,} bytes, "
        f"the pod's route promises {path.promised or 0:,}{lost}"
    )


def _other_node(case: Case, path: Path | None) -> str:
    """The node at the far end: with the pod's own, the two ends of the link that is too small."""
    services, pod, nodes = case.get(Services), case.get(PodFacts), case.get(Nodes)
    ends = [end for each in (services.services if services else ()) for end in each.endpoints or ()]
    found = next((end.node for end in ends if path and end.ip == path.destination and end.node), "")
    if found:
        return found
    if nodes and nodes.peer_nodes:
        return nodes.peer_nodes[0]
    return pod.node if pod else ""


def _advice(path: Path | None, node: str) -> str:
    size = f"{path.mtu}" if path and path.mtu else "what the link carries"
    return (
        f"Mend the link to {node} (its MTU, or whatever eats large packets there); as a stopgap lower the CNI's MTU so "
        f"that pods promise {size} bytes. That restarts the network plug-in, so nothing is offered as one click."
    )


RULE = Rule(id="path-mtu", judge=judge, causes=("mtu.mismatch",), needs=(Mtu,))
