"""Two running pods have one address, or a pod has the address of a node: packets go now to the one, now to the other.

Proof: the objects say so (both pods run, neither is on the host network or ending, and their nodes are ready), one of
them is the caller or stands behind its peer, and the connection fails or its log complains. Not to be mistaken for
pods on the host network, which share their node's address by design, for a pod that has ended or is ending, nor for
one on a node that is down: its status is a memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flows.belief import ASIDE, CONFIRMED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.objects import Json, objects
from flows.symptoms.peers import Peer, suspects
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_nodes import Nodes
from sensors.k8s_services import Services
from sensors.kit.objects import created_at, flag, get, items, name_of, namespace_of, text
from sensors.net_connect import Connects
from sensors.topology.peer import pod_addresses


def judge(case: Case) -> Iterator[Finding]:
    holders, told = _holders(case), set[str]()
    for peer, weight in suspects(case):
        for address in (*_own(case), *_theirs(peer)):
            sharing = holders.get(address, [])
            if len(sharing) > 1 and address not in told:
                told.add(address)
                yield _finding(case, peer, address, sharing, weight)


def _own(case: Case) -> tuple[str, ...]:
    me = (each for each in objects(case, "Pod") if (namespace_of(each), name_of(each)) == _target(case))
    return tuple(address for each in me if _counts(case, each) for address in pod_addresses(each))


def _target(case: Case) -> tuple[str, str]:
    return case.target.namespace, case.target.pod


def _theirs(peer: Peer) -> tuple[str, ...]:
    ends = (each.ip for each in (peer.service.endpoints or ())) if peer.service else ()
    seen = (each.destination.ip for each in peer.connections)
    return tuple(dict.fromkeys((peer.host, *ends, *seen)))


def _holders(case: Case) -> dict[str, list[Json]]:
    """Holders of each address: pods that run, oldest first, and nodes before them."""
    found: dict[str, list[Json]] = {}
    pods = sorted((each for each in objects(case, "Pod") if _counts(case, each)), key=_age)
    for thing, addresses in (
        *((each, _node_addresses(each)) for each in objects(case, "Node")),
        *((each, pod_addresses(each)) for each in pods),
    ):
        for address in addresses:
            found.setdefault(address, []).append(thing)
    return found


def _age(pod: Json) -> tuple[str, str]:
    return str(created_at(pod) or ""), name_of(pod)


def _node_addresses(node: Json) -> Iterable[str]:
    return {text(each, "address") for each in items(node, "status", "addresses") if text(each, "type") == "InternalIP"}


def _counts(case: Case, pod: Json) -> bool:
    nodes = case.get(Nodes)
    lost = {each.name for each in (nodes.not_ready if nodes else ())}
    runs = text(pod, "status", "phase") == "Running" and get(pod, "metadata", "deletionTimestamp") is None
    return runs and flag(pod, "spec", "hostNetwork") is not True and text(pod, "spec", "nodeName") not in lost


def _finding(case: Case, peer: Peer, address: str, sharing: list[Json], weight: float) -> Finding:
    names, youngest = " and ".join(map(_words, sharing[:3])), sharing[-1]
    suffers = bool(peer.fails or peer.logged)
    effect = f"; {case.target} does not reach {peer} well" if suffers else ""
    return Finding(
        cause_class="cni.ip_conflict",
        cause=f"{names} have the same address {address}: packets for one of them arrive at the other",
        component=Component("Pod", namespace_of(youngest), name_of(youngest)),
        belief=(CONFIRMED if suffers else ASIDE) * weight,
        because=f"the status of each says {address}, and none of them is on the host network{effect}",
        shown_by=(Policies, Services, Connects, HubbleFlows),
        recommendation=(
            f"Delete the younger one (kubectl -n {namespace_of(youngest)} delete pod {name_of(youngest)}) once you are "
            "sure whose address it is: its controller makes it again with a new one. Then see why the network plug-in "
            "gave it out twice (ranges of two nodes that overlap, or its records were lost)."
        ),
    )


def _words(thing: Json) -> str:
    if not namespace_of(thing):
        return f"node {name_of(thing)}"
    return f"{namespace_of(thing)}/{name_of(thing)} on {text(thing, 'spec', 'nodeName') or 'no node'}"


RULE = Rule(id="cni-ip-conflict", judge=judge, causes=("cni.ip_conflict",), needs=(Policies,))
