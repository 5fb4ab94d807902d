"""Commands with which a person sees the root cause without KAI: a verdict that cannot be checked is only a claim.

Each class of cause has the look that would show it, on the objects that the finding names. `hubble observe` comes only
where Hubble holds flows of the pod. Every word is quoted for a shell: names and hosts come from the cluster.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping

from flows.fixes.change import kind_and_name, kubectl_for
from flows.model import Case, Component, Finding, LookCommand
from flows.symptoms.peers import subject
from sensors.dns_coredns_health import CoreDns
from sensors.hubble.outcomes import Connection
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts

MAX_LOOK_COMMANDS = 3
DNS_PORT = 53
OF_NAMES = ("dns.", "policy.dns_blocked")
PODS_OF_DNS = "k8s-app=kube-dns"
TOOLBOX = "nicolaka/netshoot"  # has ping with -M do, dig and nc; busybox's ping cannot forbid fragments
SMALL_TOOLBOX = "busybox:stable"
CONNTRACK = ("/proc/sys/net/netfilter/nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_max")
IP_AND_ICMP_HEADERS = 28  # bytes: what ping's -s does not count

Looks = Iterator[LookCommand]


def looks(case: Case, root: Finding) -> tuple[LookCommand, ...]:
    """At most three, the one that shows most first; the same command never twice."""
    found = {each.command: each for each in _by_class(case, root)}
    return tuple(found.values())[:MAX_LOOK_COMMANDS]


def _by_class(case: Case, root: Finding) -> Looks:
    whole, area = root.cause_class, root.cause_class.partition(".")[0]
    for shower in BY_CLASS.get(whole) or BY_AREA.get(area) or (_pod,):
        yield from shower(case, root)


# -- hubble ----------------------------------------------------------------------------------------------------------


def hubble_command(case: Case, cause_class: str = "") -> str:
    """The `hubble observe` line that shows the pod's traffic, on its port where flows of it were seen; empty without.

    Hubble shows the backend's port, not the Service's: with socket load balancing no packet carries the latter. Where
    no name resolves, nothing of the peer is to be seen: the questions are. On the host network it names no pod.
    """
    flows = case.get(HubbleFlows)
    if flows is None or not flows.flows:
        return ""
    port = _port_to_watch(case, flows, cause_class)
    filters = ["--port", str(port)] if port else []
    return shlex.join(["hubble", "observe", *_whose(case, flows), "--last", "1000", *filters])


def _whose(case: Case, flows: HubbleFlows) -> list[str]:
    pod = case.get(PodFacts)
    if flows.attribution == "node" and pod is not None and pod.ips:
        return ["--ip", pod.ips[0]]
    return ["--pod", f"{case.target.namespace}/{case.target.pod}"]


def _port_to_watch(case: Case, flows: HubbleFlows, cause_class: str) -> int | None:
    """Only a port that flows were seen on: a filter that matches nothing shows a healthy pod."""
    if cause_class.startswith(OF_NAMES):
        return DNS_PORT if flows.dns or any(each.port == DNS_PORT for each in flows.connections) else None
    peer = subject(case)
    seen: tuple[Connection, ...] = peer.connections if peer else ()
    ports = {each.port for each in seen if each.icmp is None}
    return ports.pop() if len(ports) == 1 else None


# -- kubectl ---------------------------------------------------------------------------------------------------------


def _pod(case: Case, root: Finding) -> Looks:
    yield LookCommand(_describe(_target(case)), "the pod's state, its restarts and its events")


def _component(case: Case, root: Finding) -> Looks:
    it = root.component
    if it is not None and it.kind != "External":
        yield LookCommand(_describe(it), f"the state and the events of {it}")


def _policy(case: Case, root: Finding) -> Looks:
    it = root.component
    if it is not None:
        yield LookCommand(_yaml(it), f"what {it} selects and admits")
    yield LookCommand(
        f"{_kubectl(case)} get pod {shlex.quote(case.target.pod)} --show-labels", "the labels that policies select"
    )


def _every_policy(case: Case, root: Finding) -> Looks:
    yield LookCommand(
        f"{_kubectl(case)} get networkpolicies", "the policies of the namespace that are meant to be enforced"
    )


def _endpoints(case: Case, root: Finding) -> Looks:
    service = _service(case, root)
    if service is not None:
        label = shlex.quote(f"kubernetes.io/service-name={service.name}")
        yield LookCommand(
            f"{kubectl_for(service)} get endpointslices -l {label}", f"the backends of {service} and their ports"
        )
        yield LookCommand(
            f"{kubectl_for(service)} describe {kind_and_name(service)}", "its selector, ports and endpoints"
        )
    else:
        yield LookCommand(f"{_kubectl(case)} get services", "the Services that there are")


def _service(case: Case, root: Finding) -> Component | None:
    if root.component is not None and root.component.kind == "Service":
        return root.component
    peer = subject(case)
    return Component("Service", peer.service.namespace, peer.service.name) if peer and peer.service else None


def _dns_servers(case: Case, root: Finding) -> Looks:
    yield LookCommand(
        f"{_dns(case)} get pods -l {PODS_OF_DNS}", "whether the DNS servers are ready, and their restarts"
    )
    yield LookCommand(f"{_dns(case)} logs -l {PODS_OF_DNS} --tail=50", "what they answer and complain of")


def _dns_config(case: Case, root: Finding) -> Looks:
    yield LookCommand(f"{_dns(case)} get configmap coredns -o yaml", "the Corefile: zones and forward lines")
    yield from _dns_servers(case, root)


def _resolv_conf(case: Case, root: Finding) -> Looks:
    yield LookCommand(
        f"{_kubectl(case)} exec {shlex.quote(case.target.pod)} -- cat /etc/resolv.conf", "which servers it asks"
    )
    yield from _dns_servers(case, root)


def _node(case: Case, root: Finding) -> Looks:
    node = _node_name(case, root)
    if node:
        yield LookCommand(_describe(Component("Node", "", node)), f"the conditions and the events of node {node}")


def _agents(case: Case, root: Finding) -> Looks:
    node = _node_name(case, root)
    if node:
        where = shlex.quote(f"spec.nodeName={node}")
        yield LookCommand(
            f"kubectl get pods -A -o wide --field-selector {where}", "the network agent of this node, among its pods"
        )


def _conntrack(case: Case, root: Finding) -> Looks:
    node = _node_name(case, root)
    if node:
        words = " ".join(CONNTRACK)
        line = f"kubectl debug node/{shlex.quote(node)} -it --image={SMALL_TOOLBOX} -- cat {words}"
        yield LookCommand(line, "the entries in the table, and how many fit")
    yield from _node(case, root)


def _node_name(case: Case, root: Finding) -> str:
    if root.component is not None and root.component.kind == "Node":
        return root.component.name
    pod = case.get(PodFacts)
    return pod.node if pod else ""


def _try_it(case: Case, root: Finding) -> Looks:
    peer = subject(case)
    if peer is not None and peer.port is not None:
        line = f"nc -zv -w 3 {shlex.quote(peer.host)} {peer.port}"
        yield LookCommand(f"{_beside(case, SMALL_TOOLBOX)} -- {line}", "whether the peer opens from inside the pod")


def _path(case: Case, root: Finding) -> Looks:
    peer = subject(case)
    if peer is not None:
        line = f"ping -c 3 -M do -s {1500 - IP_AND_ICMP_HEADERS} {shlex.quote(peer.host)}"
        yield LookCommand(
            f"{_beside(case, TOOLBOX)} -- {line}", "whether full packets of 1,500 bytes pass unfragmented"
        )


def _log(case: Case, root: Finding) -> Looks:
    yield LookCommand(
        f"{_kubectl(case)} logs {shlex.quote(case.target.pod)} --tail=50", "what the application itself says"
    )


def _previous_log(case: Case, root: Finding) -> Looks:
    yield from _pod(case, root)
    yield LookCommand(
        f"{_kubectl(case)} logs --previous {shlex.quote(case.target.pod)} --tail=50", "its last words before it ended"
    )


def _mesh(case: Case, root: Finding) -> Looks:
    if root.component is not None:
        yield LookCommand(_yaml(root.component), f"what {root.component} demands")
    yield from _pod(case, root)


def _traffic(case: Case, root: Finding) -> Looks:
    command = hubble_command(case, root.cause_class)
    if command:
        yield LookCommand(command, "the pod's own traffic")


def _target(case: Case) -> Component:
    return Component("Pod", case.target.namespace, case.target.pod)


def _kubectl(case: Case) -> str:
    return kubectl_for(_target(case))


def _dns(case: Case) -> str:
    dns = case.get(CoreDns)
    return kubectl_for(Component("Pod", dns.pods[0].namespace if dns and dns.pods else "kube-system", ""))


def _beside(case: Case, image: str) -> str:
    return f"{_kubectl(case)} debug {shlex.quote(case.target.pod)} -it --image={image}"


def _describe(it: Component) -> str:
    return f"{kubectl_for(it)} describe {kind_and_name(it)}"


def _yaml(it: Component) -> str:
    return f"{kubectl_for(it)} get {kind_and_name(it)} -o yaml"


Shower = Callable[[Case, Finding], Looks]

BY_AREA: Mapping[str, tuple[Shower, ...]] = {
    "policy": (_policy, _traffic),
    "control": (_policy, _component),
    "dns": (_dns_servers, _traffic),
    "service": (_endpoints, _component),
    "conntrack": (_conntrack,),
    "nat": (_component, _conntrack),
    "mtu": (_path, _node),
    "path": (_path, _node),
    "cni": (_node, _agents, _pod),
    "node": (_node, _agents),
    "external": (_try_it, _traffic),
    "cilium": (_agents, _traffic),
    "ip": (_endpoints, _try_it),
    "mesh": (_mesh,),
    "app": (_component, _log, _try_it),
    "none": (_try_it, _traffic, _log),
    "inconclusive": (_pod, _try_it, _traffic),
}
"""Which looks show a cause of an area, the most telling first."""

BY_CLASS: Mapping[str, tuple[Shower, ...]] = {
    "policy.not_enforced": (_every_policy, _agents),
    "dns.coredns_config": (_dns_config,),
    "dns.loop": (_dns_config,),
    "dns.upstream_failure": (_dns_config,),
    "dns.pod_config": (_resolv_conf,),
    "dns.search_amplification": (_resolv_conf, _traffic),
    "dns.nxdomain": (_endpoints, _resolv_conf),
    "dns.conntrack_race": (_conntrack,),
    "node.host_firewall": (_policy, _node),
    "nat.kube_proxy_down": (_component, _agents),
    "app.crash": (_previous_log,),
    "app.pending": (_pod,),
}
"""Where one class needs other looks than its area."""

__all__ = ["hubble_command", "looks"]
