"""A Service's address leads nowhere on the pod's node, while its backends answer at their own addresses.

Proof: the Service's address fails and every backend that was tried opens: whatever translates Service addresses there
(kube-proxy, what replaces it, k3s' own process) is down, or keeps rules of the past, whatever its pod says of itself.
Surer where its pod is unwell or missing, or where its log says that it lost the API server. Not to be mistaken for a
Service without endpoints, with a Local policy, whose only backend is the caller, whose load balancer admits some
sources only, or behind policies that are asked before the address is translated.
"""

from __future__ import annotations

from flows.belief import ASIDE, ATTESTED, CONSISTENT, PARTIAL, SHOWN, SUSPECTED
from flows.denials.policy_world import world_of
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.peers import Peer, asked_peer
from sensors.cni_health import AgentState, CniHealth
from sensors.k8s_network_policies import Policies
from sensors.k8s_nodes import Nodes
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import ServiceFacts
from sensors.kit import Sight
from sensors.kube_proxy_health import KubeProxy
from sensors.net_connect import ConnectionAttempt, Connects, Role


def judge(case: Case) -> Finding | None:
    proxy, peer = case.get(KubeProxy), asked_peer(case)
    if proxy is None and case.sight_of("kube_proxy.health") is Sight.BLIND:
        case[KubeProxy]  # what stands there could not be looked at: say so
    fails, opens = _service_attempts(peer)
    complaint = _complaint(proxy)
    proven = bool(fails and opens) and _is_translations_fault(case, peer)
    if proven:
        sure = _belief(proxy, complaint)
        return _finding(case, proxy, complaint, fails, opens, min(sure, ASIDE) if _agent_is_unwell(case) else sure)
    if not complaint or (proxy is not None and proxy.replaced):
        return None
    return _finding(case, proxy, complaint, fails, opens, SUSPECTED if opens or not fails else PARTIAL)


def _agent_is_unwell(case: Case) -> bool:
    """Cilium translates in kube-proxy's place, and its agent there is not known to be well: that is another fault."""
    proxy, cni = case.get(KubeProxy), case.get(CniHealth)
    replaced = proxy.replaced if proxy is not None else case.environment.kube_proxy_replacement
    agent = cni.agent(cni.target_node) if cni is not None else None
    return bool(replaced) and (agent is None or agent.state is not AgentState.OK)


def _service_attempts(peer: Peer | None) -> tuple[list[ConnectionAttempt], list[ConnectionAttempt]]:
    """The Service's addresses that fail, and its backends that open; nothing where the two do not contradict."""
    attempts = peer.doors if peer else ()
    address = [each for each in attempts if each.role in (Role.SERVICE, Role.PEER)]
    backends = [each for each in attempts if each.role is Role.BACKEND]
    fails = address if address and not any(each.is_open for each in address) else []
    return fails, backends if backends and all(each.is_open for each in backends) else []


def _is_translations_fault(case: Case, peer: Peer | None) -> bool:
    """Nothing else explains that only the Service's own address fails."""
    service, pod = peer.service if peer else None, case.get(PodFacts)
    if peer is None or service is None or peer.service_port is None or service.headless or not service.ready_endpoints:
        return False
    if "Local" in (service.internal_traffic_policy, service.external_traffic_policy):
        return False
    if service.source_ranges and peer.host in service.external_ips:
        return False
    return not _is_itself(case, service, pod) and not _policies_come_first(case)


def _is_itself(case: Case, service: ServiceFacts, pod: PodFacts | None) -> bool:
    """Its only backend is the caller, by address or, where the pod was not read, by name."""
    ends = service.ready_endpoints or ()
    named = service.namespace == case.target.namespace and all(each.pod == case.target.pod for each in ends)
    return named or (pod is not None and all(each.ip in pod.ips for each in ends))


def _policies_come_first(case: Case) -> bool:
    """A policy of this pod's may be asked about the Service's own address, which only some datapaths never do."""
    policies = case.get(Policies)
    selected = policies is None or any(each.selects is not False for each in policies.policies)
    return selected and case.once(world_of).profile.sees_service_address is not False


def _complaint(proxy: KubeProxy | None) -> str:
    """Fault of kube-proxy on the pod's node, in words; empty where there is none, or it is unknown."""
    if proxy is None:
        return ""
    here = [each for each in proxy.not_ready if each.node == proxy.target_node]
    if here:
        return f"{here[0].pod} is not ready {here[0].waiting_reason}".strip()
    if proxy.target_node in proxy.nodes_without:
        return "no kube-proxy pod runs there"
    return f'kube-proxy there says "{proxy.lost_api}"' if proxy.lost_api else ""


def _belief(proxy: KubeProxy | None, complaint: str) -> float:
    if not complaint or proxy is None or proxy.replaced:
        return CONSISTENT
    return ATTESTED if proxy.lost_api else SHOWN


def _component(case: Case, proxy: KubeProxy | None) -> Component:
    """Translator of Services: kube-proxy, Cilium in its place; the node where it is part of another process."""
    replaced = proxy.replaced if proxy is not None else case.environment.kube_proxy_replacement
    if proxy is not None or replaced:
        return Component("DaemonSet", "kube-system", "cilium" if replaced else "kube-proxy")
    nodes = case.get(Nodes)
    return Component("Node", "", nodes.target_node if nodes and nodes.target_node else "of the pod")


def _finding(
    case: Case,
    proxy: KubeProxy | None,
    complaint: str,
    fails: list[ConnectionAttempt],
    opens: list[ConnectionAttempt],
    belief: float,
) -> Finding:
    who, node = _component(case, proxy), proxy.target_node if proxy else ""
    told = [complaint] if complaint else []
    told += [f"{fails[0].where} is {fails[0].result}"] if fails else []
    told += [f"the backend {opens[0].where} opens"] if opens else []
    where = f" on {node}" if node else ""
    why = f" ({complaint})" if complaint else ""
    return Finding(
        cause_class="nat.kube_proxy_down",
        cause=(
            f"{_name(who)} does not work{where}{why}, so Service addresses lead nowhere there"
            if complaint
            else f"Service addresses are not translated{where}: {fails[0].where} fails, {opens[0].where} opens"
        ),
        component=who,
        belief=belief,
        because="; ".join(told),
        shown_by=(KubeProxy, Connects),
        recommendation=(
            f"Look at the rules and the log of {_name(who)}{where}, and restart its pod there; pods there keep failing "
            "until it has synced."
        ),
    )


def _name(component: Component) -> str:
    return component.name if component.kind == "DaemonSet" else f"what stands for kube-proxy on {component.name}"


RULE = Rule(id="nat-kube-proxy-down", judge=judge, causes=("nat.kube_proxy_down",), needs=(Connects,))
