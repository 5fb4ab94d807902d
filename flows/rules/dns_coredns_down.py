"""No DNS server of the cluster is there to answer: CoreDNS crashes, cannot start, is scaled to nothing or not ready.

Proof: the DNS Service has no ready endpoint; the reason comes from the pods' state, their logs and the Corefile's
parser. Not to be mistaken for CoreDNS being killed for its memory, for a forwarding loop, for a Service selector that
misses healthy pods, or for a policy that drops the questions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.belief import DOUBTED
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.dns import (
    belief_of,
    changed,
    config_map,
    eperm_told,
    is_serving,
    servers,
    shown_by,
    told,
)
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble, DnsPod, LogFinding
from sensors.k8s_nodes import Nodes

NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
NO_START = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "ContainerCreating"})


@dataclass(frozen=True, slots=True)
class Why:
    """The reason why no server is ready, in words that end a sentence; what a person must change; what to do."""

    words: str
    component: Component
    advice: str


def judge(case: Case) -> Finding | None:
    """Speaks when no DNS server takes questions, unless a nearer cause explains that."""
    dns = case[CoreDns]
    if is_serving(dns) is not False or dns.found(CoreDnsTrouble.LOOP) or _explained_by_memory(dns) or _missed(dns):
        return None
    why = next(found for reason in DOWN_REASONS if (found := reason(dns)))
    return Finding(
        cause_class="dns.coredns_down",
        cause=f"No DNS server of the cluster is ready: {why.words}",
        component=why.component,
        belief=_belief(case, dns),
        because=f"{dns.summary()}; {told(case)}{eperm_told(case)}{changed(case, why.component)}",
        shown_by=shown_by(case, CoreDns),
        recommendation=why.advice,
    )


def _belief(case: Case, dns: CoreDns) -> float:
    """Servers whose node is lost are its victims: without a look at the nodes that stays a suspicion.

    So it does where nobody read the pods: that none is ready is true then, and whose fault it is, open.
    """
    if not dns.pods_read and _scaled_to_nothing(dns) is None:
        return DOUBTED
    lost = bool(dns.pods) and all(each.node_ready is False for each in dns.pods)
    return DOUBTED if lost and case.get(Nodes) is None else belief_of(case, dns)


def _explained_by_memory(dns: CoreDns) -> bool:
    return any(each.was_oom_killed and not each.ready for each in dns.pods)


def _missed(dns: CoreDns) -> bool:
    return dns.service is not None and dns.service.selector_misses and dns.ready_pods > 0


# -- reasons, the most telling first ---------------------------------------------------------------------------------


def _config_error(dns: CoreDns) -> Why | None:
    said = _newest(dns, CoreDnsTrouble.CONFIG_ERROR)
    if said is None:
        return None
    where = config_map(dns)
    line = f" in line {said.config_line}" if said.config_line else ""
    words = f"CoreDNS cannot read its Corefile ({where}){line}{_written(dns, said.config_line)}: {said.example}"
    what = f"line {said.config_line} of the Corefile" if said.config_line else "the Corefile"
    advice = f"Correct {what} in {where}, or put its last good version back; CoreDNS then starts."
    return Why(words, where, advice)


def _newest(dns: CoreDns, trouble: CoreDnsTrouble) -> LogFinding | None:
    """Log findings of the current run, else of the run before."""
    return min(dns.found(trouble), key=lambda each: each.previous, default=None)


def _written(dns: CoreDns, number: int | None) -> str:
    """The Corefile's own words in that line."""
    lines = dns.corefile.text.splitlines() if dns.corefile else []
    if number is None or not 0 < number <= len(lines) or not lines[number - 1].strip():
        return ""
    return f" (`{lines[number - 1].strip()[:80]}`)"


def _scaled_to_nothing(dns: CoreDns) -> Why | None:
    if dns.workload is None or dns.workload.desired != 0:
        return None
    return Why(f"{dns.workload} is scaled to 0", servers(dns), f"Scale {dns.workload} up again (usually 2 replicas).")


def _unread_pods(dns: CoreDns) -> Why | None:
    if dns.pods_read:
        return None
    where = dns.service.namespace if dns.service else "kube-system"
    advice = f"Look at them: kubectl -n {where} get pods -l k8s-app=kube-dns -o yaml; their state says why."
    return Why("its pods could not be read, so why is open", servers(dns), advice)


def _no_pods(dns: CoreDns) -> Why | None:
    if dns.pods:
        return None
    wanted = f"{dns.workload} has no pods" if dns.workload else "there are no CoreDNS pods"
    return Why(wanted, servers(dns), f"See why {servers(dns)} makes no pods (quota, admission, a missing account).")


def _not_listed(dns: CoreDns) -> Why | None:
    """Ready pods, the right selector, and still nothing behind the Service: its EndpointSlices are not kept up."""
    if not dns.ready_pods or dns.service is None:
        return None
    component = Component("Service", dns.service.namespace, dns.service.name)
    advice = f"See which controller writes the EndpointSlices of {component}, and whether the Service's ports fit."
    return Why(f"{dns.ready_pods} CoreDNS pods report ready, but {component} lists none of them", component, advice)


def _nodes_gone(dns: CoreDns) -> Why | None:
    if not all(each.node_ready is False for each in dns.pods):
        return None
    nodes = ", ".join(sorted({each.node for each in dns.pods if each.node}))
    pods = "its only pod runs" if len(dns.pods) == 1 else f"its {len(dns.pods)} pods all run"
    advice = f"Bring {nodes} back, or let {servers(dns)} run on other nodes; two replicas on two nodes prevent this."
    return Why(f"{pods} on {nodes}, which is not ready", servers(dns), advice)


def _no_image(dns: CoreDns) -> Why | None:
    pod = _waiting(dns, NO_IMAGE)
    if pod is None:
        return None
    words = f"the image {pod.image or 'of CoreDNS'} cannot be had ({pod.waiting}{_said(pod)})"
    return Why(words, servers(dns), f"Give {servers(dns)} an image that exists and that its nodes may pull.")


def _unscheduled(dns: CoreDns) -> Why | None:
    pod = next((each for each in dns.pods if each.unscheduled), None)
    if pod is None:
        return None
    advice = f"Make room for {servers(dns)}, or correct its node selector, tolerations or requests."
    return Why(f"{pod.name} finds no node ({pod.unscheduled})", servers(dns), advice)


def _cannot_start(dns: CoreDns) -> Why | None:
    pod = _waiting(dns, NO_START)
    if pod is None:
        return None
    words = f"{pod.name} on {pod.node} does not start ({pod.waiting}{_said(pod)})"
    return Why(
        words, servers(dns), f"Read the events of {pod.namespace}/{pod.name}: network, volumes or configuration."
    )


def _no_api(dns: CoreDns) -> Why | None:
    said = _newest(dns, CoreDnsTrouble.API_FORBIDDEN) or _newest(dns, CoreDnsTrouble.API_UNREACHABLE)
    if said is None:
        return None
    if said.trouble is CoreDnsTrouble.API_FORBIDDEN:
        role = Component("ClusterRole", "", "system:coredns")
        return Why(f"CoreDNS may not read the API ({said.example})", role, f"Restore {role} and its binding.")
    advice = "Find out what keeps CoreDNS from the API server: policies in its namespace, its node's network."
    return Why(f"CoreDNS cannot reach the API ({said.example})", servers(dns), advice)


def _crashes(dns: CoreDns) -> Why | None:
    pod = next((each for each in dns.pods if each.crash_loops or (each.last_ending and not each.ready)), None)
    if pod is None:
        return None
    panic, end = _newest(dns, CoreDnsTrouble.PANIC), pod.last_ending
    code = f", exit code {end.exit_code}" if end and end.exit_code is not None else ""
    ended = f"its last run ended as {end.reason}{code}" if end else "it restarts again and again"
    said = f"; it says: {panic.example}" if panic else ""
    words = f"{pod.name} crashes ({ended}, {pod.restarts} restarts){said}"
    return Why(words, servers(dns), f"Read why: kubectl -n {pod.namespace} logs --previous {pod.name}")


def _not_ready(dns: CoreDns) -> Why | None:
    told_by = next((each for each in dns.events if each.reason == "Unhealthy"), None)
    plugins = _newest(dns, CoreDnsTrouble.NOT_READY)
    said = told_by.message if told_by else plugins.example if plugins else ""
    names, one = ", ".join(each.name for each in dns.pods[:3]), len(dns.pods) == 1
    why = f" ({said})" if said else ", and no event or log line says why"
    words = f"{names} {'is' if one else 'are'} not ready{why}"
    return Why(words, servers(dns), f"Read the logs and probes of {servers(dns)}.")


def _waiting(dns: CoreDns, reasons: frozenset[str]) -> DnsPod | None:
    return next((each for each in dns.pods if each.waiting in reasons), None)


def _said(pod: DnsPod) -> str:
    return f": {pod.waiting_message}" if pod.waiting_message else ""


DOWN_REASONS: tuple[Callable[[CoreDns], Why | None], ...] = (
    _scaled_to_nothing,
    _unread_pods,
    _no_pods,
    _not_listed,
    _config_error,
    _nodes_gone,
    _no_image,
    _unscheduled,
    _cannot_start,
    _no_api,
    _crashes,
    _not_ready,
)

RULE = Rule(id="coredns-down", judge=judge, causes=("dns.coredns_down",), needs=(CoreDns,))
