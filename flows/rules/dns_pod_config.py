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
    told,
)
from flows.symptoms.owner import owner
from flows.symptoms.peers import subject
from sensors.dns_coredns_health import CoreDns
from sensors.dns_lookup import Lookups, Origin, Outcome, expand
from sensors.k8s_pod import PodFacts


def judge(case: Case) -> Finding | None:
    """Speaks when the pod's DNS settings lead it away from the cluster's DNS, or its search list past the Service."""
    pod = case[PodFacts]
    return _elsewhere(case, pod) or _by_spec(case, pod) or _lost_search(case, pod)


def _elsewhere(case: Case, pod: PodFacts) -> Finding | None:
    dns = case.get(CoreDns)
    if dns is None or dns.service is None or not asks_elsewhere(case, dns):
        return None
    asked, ours = ", ".join(resolvers(case)), ", ".join(dns.service.cluster_ips)
    cause = f"{case.target} asks {asked} for names and not the cluster's DNS at {ours}: {_setting(pod)}"
    because = f"resolv.conf names {asked}; {_setting(pod)}; {told(case)}"
    return _finding(case, pod, cause, because, _belief(case))


def _by_spec(case: Case, pod: PodFacts) -> Finding | None:
    """resolv.conf could not be read: then the pod's spec alone must tell, and it tells less."""
    if resolvers(case) or not (_leads_away(pod) and log_complains(case)):
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
    if burst is None or burst.outcome is not Outcome.NXDOMAIN or full in expand(peer.host, lookups.resolver):
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
    works = lookups is not None and lookups.asked_outcome is Outcome.ANSWERED
    if works or dropped_questions(case) or not is_about_a_name(case) or _asks_outside(case):
        return DOUBTED
    fails = names_fail(case)
    if fails is None:
        return PARTIAL
    return (PROBABLE if lookups is None or lookups.cluster_dns_works is None else PROVED) if fails else DOUBTED


def _asks_outside(case: Case) -> bool:
    """A name from outside, and a server that answers: then it is no matter which server that is."""
    lookups = case.get(Lookups)
    if lookups is None or lookups.asked is None or lookups.no_server_answers:
        return False
    return lookups.asked.origin is Origin.EXTERNAL


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
