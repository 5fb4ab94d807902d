"""The ledger of layers: what passes, what fails, what is open and what nobody measured.

`pass` is only ever said of something that was looked at and found working. A layer nobody could look at is "not
measured"; one seen in part, or hidden behind an earlier fault, is "inconclusive". Nothing is ever ruled out by silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flows.belief import ROOT_CAUSE_FROM
from flows.causes import CAUSES, Layer
from flows.denials.findings import plural
from flows.denials.requested import node_port_doubt
from flows.model import Case, Doubt, Finding, LayerRow, LayerState
from flows.symptoms.dns import words_of
from flows.symptoms.peers import asked_peer, peers
from sensors.cni_health import AgentState, CniHealth
from sensors.dns_coredns_health import CoreDns
from sensors.dns_lookup import LookupOutcome, Lookups
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_nodes import Nodes
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from sensors.kit import Sensor, Sight
from sensors.kube_proxy_health import KubeProxy
from sensors.net_connect import Connects, Role
from sensors.net_conntrack_usage import Conntrack
from sensors.net_mtu import Mtu, Reach
from sensors.net_tcp_stats import TcpStats
from sensors.topology.peer import AskedKind

NEARLY_FULL_SHARE = 0.95
ENOUGH_SHARE = 0.5
"""Of the flows that could have been seen: with fewer, silence says nothing."""

SERVICE_ROLES = frozenset({Role.SERVICE, Role.RESOLVER, Role.API_SERVER})  # an address that must be translated to open


@dataclass(frozen=True, slots=True)
class Word:
    """State of one layer by the facts: works (True), open (None) or does not (False), why, and which facts say so."""

    works: bool | None
    why: str
    facts: tuple[type, ...]


def ledger(
    case: Case, sensors: Mapping[str, Sensor], root: Finding, findings: Sequence[Finding], doubts: Sequence[Doubt]
) -> tuple[LayerRow, ...]:
    """One row for each of the eight layers, always."""
    return tuple(_row(case, sensors, root, findings, layer) for layer in Layer)


def _row(
    case: Case, sensors: Mapping[str, Sensor], root: Finding, findings: Sequence[Finding], layer: Layer
) -> LayerRow:
    own = [each for each in findings if each.layer is layer]
    guilty = next((each for each in own if each.belief >= ROOT_CAUSE_FROM), None)
    if guilty is not None:
        return _found(case, root, guilty, layer)
    word = MEASURES[layer](case)
    if word is None:
        return LayerRow(layer, LayerState.NOT_MEASURED, (), _nobody_looked(case, sensors, layer))
    return _measured(case, root, own, layer, word)


def _found(case: Case, root: Finding, guilty: Finding, layer: Layer) -> LayerRow:
    ids = tuple(filter(None, (case.id_of(each) for each in guilty.shown_by)))
    behind = "" if guilty is root or guilty.stage <= root.stage else f" (behind {root.cause_class})"
    return LayerRow(layer, LayerState.FAIL, ids, f"{guilty.cause_class}{behind}: {guilty.cause}")


def _measured(case: Case, root: Finding, own: Sequence[Finding], layer: Layer, word: Word) -> LayerRow:
    ids = tuple(filter(None, (case.id_of(each) for each in word.facts)))
    if own:
        return LayerRow(layer, LayerState.INCONCLUSIVE, ids, f"suspected: {own[0].cause}")
    if word.works:
        return LayerRow(layer, LayerState.PASS, ids, word.why)
    return LayerRow(layer, LayerState.INCONCLUSIVE, ids, f"{word.why}{_not_reached(root, layer)}")


def _not_reached(root: Finding, layer: Layer) -> str:
    """The reason why an open question may be open: the traffic stops before it gets there."""
    stages = [each.stage for each in CAUSES.values() if each.layer is layer]
    early = root.stage < max(stages) and root.layer is not layer
    return f"; the traffic stops earlier ({root.cause_class})" if early else ""


def _nobody_looked(case: Case, sensors: Mapping[str, Sensor], layer: Layer) -> str:
    told = [
        f"{each.sensor}: {each.why}"
        for each in case.evidence.values()
        if each.sight is not Sight.SEEN and each.sensor in sensors and layer.value in sensors[each.sensor].layers
    ]
    return "; ".join(told) or "no sensor of this flow looks at it"


def _pod_network(case: Case) -> Word | None:
    pod, cni = case.get(PodFacts), case.get(CniHealth)
    if pod is None and cni is None:
        return None
    agent = cni.agent(cni.target_node) if cni else None
    if pod and not pod.ips:
        return Word(False, "the pod has no address", (PodFacts, CniHealth))
    if agent is None or agent.state is not AgentState.OK:
        why = f"the agent on {agent.node} is {agent.state}: {agent.why}" if agent else "the node's agent was not seen"
        return Word(None, why, (PodFacts, CniHealth))
    return Word(
        pod is not None or None, f"the pod has its address and the agent on {agent.node} is well", (PodFacts, CniHealth)
    )


def _service(case: Case) -> Word | None:
    services, peer = case.get(Services), asked_peer(case)
    if services is None:
        return None
    if peer is None:
        return _called_services(case)
    if peer.service is None:
        outside = services.asked is not None and services.asked.kind in (
            AskedKind.EXTERNAL,
            AskedKind.POD,
            AskedKind.NODE,
            AskedKind.API_SERVER,
        )
        return Word(outside or None, f"{peer.host} is not behind a Service", (Services,))
    ready = peer.service.ready_endpoints
    if ready is None:
        return Word(None, f"the endpoints of {peer.service.ref} could not be read", (Services,))
    works = bool(ready) and (peer.service_port is not None or peer.port is None)
    return Word(works, f"{peer.service.ref} has {len(ready)} ready {plural(len(ready), 'endpoint')}", (Services,))


def _called_services(case: Case) -> Word:
    """Those that the pod is seen to call, or complains of: a Service beside it is none of its business."""
    called = list({str(each.service.ref): each.service for each in case.once(peers) if each.service}.values())
    empty = [each for each in called if each.selector and not each.ready_endpoints]
    if empty:
        return Word(None, f"{empty[0].ref} has no ready endpoints", (Services,))
    if not called:
        return Word(None, "the pod was not seen to call any Service", (Services,))
    words = f"{called[0].ref} has" if len(called) == 1 else f"all {len(called)} Services that the pod calls have"
    return Word(True, f"{words} ready endpoints", (Services,))


def _policy(case: Case) -> Word | None:
    policies, flows = case.get(Policies), case.get(HubbleFlows)
    if policies is None and flows is None:
        return None
    if policies is not None and policies.policies and (doubt := node_port_doubt(case)):
        return Word(None, doubt, (Policies, Services))
    if policies is None or policies.unreadable:
        return Word(None, "not every policy could be read", (HubbleFlows, Policies))
    if flows is None or flows.coverage < ENOUGH_SHARE:
        if not policies.policies:
            return Word(True, "there is no policy in the cluster", (Policies,))
        return Word(None, "the policies were read; what the datapath did with the traffic was not seen", (Policies,))
    return _policy_seen(case)


def _policy_seen(case: Case) -> Word:
    tried = [each for each in case.once(peers) if each.connections]
    dropped = [each for each in tried for connection in each.connections if connection.packets_dropped]
    if dropped:
        return Word(None, f"packets to {dropped[0].host} were dropped", (HubbleFlows, Policies))
    if not tried:
        return Word(
            None, "no connection that the pod began was seen, so none was seen dropped", (HubbleFlows, Policies)
        )
    return Word(True, "the datapath dropped none of the pod's connections", (HubbleFlows, Policies))


def _dns(case: Case) -> Word | None:
    lookups, coredns = case.get(Lookups), case.get(CoreDns)
    if lookups is None:
        return Word(None, f"no look-up was made; {coredns.summary()}", (CoreDns,)) if coredns else None
    asked = lookups.asked_outcome
    if lookups.cluster_dns_works and asked in (None, LookupOutcome.ANSWERED):
        return Word(True, "names resolve from inside the pod", (Lookups, CoreDns))
    if asked is None:
        tried = "did not resolve" if lookups.cluster_dns_works is False else "was not looked up to the end"
        asked_words = f"the name that every cluster has {tried}"
    else:
        asked_words = f"{lookups.asked.name if lookups.asked else 'the asked name'}: {words_of(asked)}"
    return Word(None, f"look-ups from inside the pod: {asked_words}", (Lookups, CoreDns))


def _conntrack(case: Case) -> Word | None:
    tables = case.get(Conntrack)
    here = tables.here if tables else None
    if here is None:
        return None
    pressure = here.cilium.connection_pressure if here.cilium else None
    fills = [each for each in (here.fill, pressure) if each is not None]
    if not fills:
        return Word(None, f"the tables of {here.node} could not be read", (Conntrack,))
    return Word(
        max(fills) < NEARLY_FULL_SHARE, f"the connection tables of {here.node} are {max(fills):.1%} full", (Conntrack,)
    )


def _nat(case: Case) -> Word | None:
    connects, proxy = case.get(Connects), case.get(KubeProxy)
    translated = [each for each in connects.doors if each.role in SERVICE_ROLES and each.is_open] if connects else []
    if translated:
        return Word(True, f"a Service address opens from inside the pod ({translated[0].where})", (Connects, KubeProxy))
    if proxy is not None:
        broken = bool(proxy.not_ready or proxy.nodes_without)
        return Word(
            None, "kube-proxy is not well everywhere" if broken else "no Service address was opened", (KubeProxy,)
        )
    return Word(None, "no Service address could be opened", (Connects,)) if connects else None


def _physical(case: Case) -> Word | None:
    nodes, mtu = case.get(Nodes), case.get(Mtu)
    if nodes is None and mtu is None:
        return None
    reached = [each for each in mtu.paths if each.reach is Reach.OK] if mtu else []
    node = nodes.find(nodes.target_node) if nodes else None
    if node is not None and node.ready != "True":
        return Word(None, f"{node.name} is Ready={node.ready or 'unset'}", (Nodes,))
    lost = next((each for each in nodes.not_ready if each.name in nodes.peer_nodes), None) if nodes else None
    if lost is not None:
        return Word(None, f"{lost.name}, where the peer is, is Ready={lost.ready or 'unset'}", (Nodes,))
    if reached:
        return Word(True, f"packets of {reached[0].mtu} bytes reach {reached[0].destination}", (Nodes, Mtu))
    return Word(None, "the nodes are ready; no packet of full size was seen to arrive", (Nodes, Mtu))


def _application(case: Case) -> Word | None:
    peer = asked_peer(case)
    if case.get(TcpStats) is None and case.get(HubbleFlows) is None and case.get(Connects) is None:
        return None
    if peer is not None and peer.fails is False:
        return Word(True, f"{peer} accepts connections; what it answers was not looked into", (Connects, HubbleFlows))
    return Word(None, "nothing shows that the peer answers", (Connects, HubbleFlows, TcpStats))


MEASURES: Mapping[Layer, Callable[[Case], Word | None]] = {
    Layer.POD_NETWORK: _pod_network,
    Layer.SERVICE: _service,
    Layer.POLICY: _policy,
    Layer.DNS: _dns,
    Layer.CONNTRACK: _conntrack,
    Layer.NAT: _nat,
    Layer.PHYSICAL: _physical,
    Layer.APPLICATION: _application,
}
