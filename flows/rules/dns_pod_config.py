"""The pod asks the wrong DNS server, or without the cluster's search list, because of its own DNS settings.

Proof: the pod's resolv.conf does not name the cluster's DNS Service (dnsPolicy Default or None, host network without
ClusterFirstWithHostNet), or lacks the search list, and cluster names fail. Not to be mistaken for CoreDNS being down:
other pods resolve.
"""

from __future__ import annotations

from flows.belief import DOUBTED, PARTIAL, PROBABLE, PROVED
from flows.model import Case, Finding, Rule
from flows.symptoms.dns import (
    asks_elsewhere,
    dropped_questions,
    in_question,
    is_about_a_name,
    log_complains,
    names_fail,
    resolvers,
    serves_dns,
    told,
    wants_cluster_name,
)
from flows.symptoms.owner import owner
from flows.symptoms.peers import asked_peer, subject
from sensors.dns_coredns_health import CoreDns
from sensors.dns_lookup import LookupOutcome, Lookups, expand
from sensors.k8s_pod import PodFacts


def judge(case: Case) -> Finding | None:
    """Speaks when the pod's DNS settings lead it away from the cluster's DNS, or its search list past the Service."""
    pod = case[PodFacts]
    return _elsewhere(case, pod) or _by_spec(case, pod) or _lost_search(case, pod)


def _elsewhere(case: Case, pod: PodFacts) -> Finding | None:
    dns = case.get(CoreDns)
    if dns is None or dns.service is None or not asks_elsewhere(case, dns) or serves_dns(case, dns):
        return None
    if wants_cluster_name(case) is None and not (_is_odd(pod) or log_complains(case)):
        return None
    asked, ours = ", ".join(resolvers(case)), ", ".join(dns.service.cluster_ips)
    cause = f"{case.target} asks {asked} for names and not the cluster's DNS at {ours}: {_setting(pod)}"
    because = f"resolv.conf names {asked}; {_setting(pod)}; {told(case)}"
    return _finding(case, pod, cause, because, _belief(case))


def _by_spec(case: Case, pod: PodFacts) -> Finding | None:
    """resolv.conf could not be read: then the pod's spec alone must tell, and it tells less."""
    dns, peer = case.get(CoreDns), asked_peer(case)
    if resolvers(case) or not _leads_away(pod) or (dns is not None and serves_dns(case, dns)):
        return None
    tried = peer is not None and bool(peer.connections or peer.doors)  # whoever tries has an address already
    if not log_complains(case) and (tried or not wants_cluster_name(case)):
        return None
    cause = f"{case.target} does not ask the cluster's DNS: {_setting(pod)}"
    return _finding(case, pod, cause, f"{_setting(pod)}; {told(case)}; resolv.conf was not read", PARTIAL)


def _lost_search(case: Case, pod: PodFacts) -> Finding | None:
    """A short name of a Service that exists is NXDOMAIN, because no entry of the search list leads to it."""
    lookups, peer, burst = case.get(Lookups), subject(case), in_question(case)
    service = peer.service if peer else None
    if lookups is None or lookups.resolver is None or peer is None or service is None or names_fail(case):
        return None
    full = f"{service.name}.{service.namespace}.svc.{lookups.resolver.domain or 'cluster.local'}"
    if burst is None or burst.outcome is not LookupOutcome.NXDOMAIN or full in expand(peer.host, lookups.resolver):
        return None
    search = " ".join(lookups.resolver.search) or "empty"
    cause = f"{case.target} cannot find {service.ref} as {peer.host}: its search list ({search}) does not lead there"
    because = f"{peer.host} is NXDOMAIN although {service.ref} exists as {full}; {_setting(pod)}"
    return _finding(case, pod, cause, because, PROVED)


def _finding(case: Case, pod: PodFacts, cause: str, because: str, belief: float) -> Finding:
    return Finding(
        cause_class="dns.pod_config",
        cause=cause,
        component=owner(case),
        belief=belief,
        because=because,
        shown_by=(PodFacts, Lookups, CoreDns),
        recommendation=_advice(case, pod),
    )


def _belief(case: Case) -> float:
    """Proven where a cluster name fails; an outside name may well be meant for the other server."""
    lookups = case.get(Lookups)
    works = lookups is not None and lookups.asked_outcome is LookupOutcome.ANSWERED
    if works or dropped_questions(case) or not is_about_a_name(case) or _is_served(case):
        return DOUBTED
    if lookups is not None and lookups.asked is not None and wants_cluster_name(case):
        return PROBABLE if lookups.cluster_dns_works is None else PROVED
    fails = names_fail(case)
    if fails is None:
        return PARTIAL
    return (PROBABLE if lookups is None or lookups.cluster_dns_works is None else PROVED) if fails else DOUBTED


def _is_served(case: Case) -> bool:
    """No name of the cluster is needed, and the server does answer: then it is no matter which server that is.

    Whose name it is the Services tell, not the search list, which is part of what may be wrong.
    """
    lookups = case.get(Lookups)
    unheard = lookups is not None and lookups.no_server_answers
    return not wants_cluster_name(case) and not log_complains(case) and not (unheard and case.target.to_host)


def _is_odd(pod: PodFacts) -> bool:
    """Settings that nobody chooses on purpose; dnsPolicy Default is the norm of many pods."""
    return pod.dns_policy == "None" or (pod.host_network and pod.dns_policy in ("", "ClusterFirst"))


def _leads_away(pod: PodFacts) -> bool:
    return pod.dns_policy in ("Default", "None") or (pod.host_network and pod.dns_policy in ("", "ClusterFirst"))


def _setting(pod: PodFacts) -> str:
    """The setting that does it, in the words of the pod's spec."""
    if pod.host_network and pod.dns_policy in ("", "ClusterFirst"):
        return "it is on the host network with dnsPolicy ClusterFirst, which there means the node's resolv.conf"
    if pod.dns_policy == "Default":
        return "dnsPolicy Default gives it the node's resolv.conf"
    if pod.dns_policy == "None":
        servers = ", ".join(pod.dns_nameservers) or "none"
        return f"dnsPolicy None with nameservers {servers} and searches {' '.join(pod.dns_searches) or 'none'}"
    return f"dnsPolicy {pod.dns_policy or 'unset'}"


def _advice(case: Case, pod: PodFacts) -> str:
    if pod.host_network:
        return f"Set dnsPolicy: ClusterFirstWithHostNet in {owner(case)}."
    if pod.dns_policy in ("Default", "None"):
        return f"Set dnsPolicy: ClusterFirst in {owner(case)}, and take out its dnsConfig unless it is needed."
    return f"See where its resolv.conf comes from: the dnsConfig of {owner(case)}, the kubelet's clusterDNS."


RULE = Rule(id="dns-pod-config", judge=judge, causes=("dns.pod_config",), needs=(PodFacts,))
