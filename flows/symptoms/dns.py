"""Look-ups as the pod itself shows them: failures, the servers it asks, and whether a name is in question at all.

No rule of its own: what the rules about DNS have in common. A fault of the DNS servers is this pod's trouble only when
the pod asks them and its look-ups fail.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

from flows.belief import CONFIRMED, DOUBTED, PLAUSIBLE
from flows.model import Case, Component
from sensors.dns_coredns_health import CoreDns
from sensors.dns_lookup import Burst, LookupOutcome, Lookups, NameOrigin
from sensors.hubble.outcomes import Connection
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import LogTrouble, PodFacts
from sensors.k8s_recent_changes import ChangeKind, RecentChanges
from sensors.k8s_services import Services
from sensors.kit.addresses import as_ip
from sensors.kit.objects import Ref
from sensors.topology.peer import AskedKind

RECENT = timedelta(minutes=15)
"""What happened longer ago than this is history, not the trouble of now."""

ANSWERS = frozenset(
    {LookupOutcome.NXDOMAIN, LookupOutcome.NO_DATA, LookupOutcome.SERVFAIL, LookupOutcome.REFUSED, LookupOutcome.FAILED}
)
"""Ways to fail in which a DNS server did say something."""


def names_fail(case: Case) -> bool | None:
    """True if a name that every cluster has fails to resolve from inside the pod; None where nobody saw it tried.

    Where nobody could ask from inside the pod, its log is believed.
    """
    lookups = case.get(Lookups)
    works = lookups.cluster_dns_works if lookups else None
    if works is not None:
        return not works
    return True if log_complains(case) else None


def log_complains(case: Case) -> bool:
    """The pod's log tells of names that did not resolve, lately."""
    pod = case.get(PodFacts)
    errors = pod.log_errors if pod else ()
    return any(each.trouble is LogTrouble.RESOLVE and is_recent(case, each.time) for each in errors)


def is_recent(case: Case, when: datetime | None) -> bool:
    """Not shown to be long ago: a time that nobody wrote down may be now."""
    return when is None or case.at - when <= RECENT


def belief_of(case: Case, dns: CoreDns) -> float:
    """Belief that a standing fault of the cluster's DNS servers is this pod's trouble, 0 to 1.

    Its look-ups were seen to fail; nobody looked; they were seen to work.
    """
    if asks_elsewhere(case, dns) or not is_about_a_name(case):
        return DOUBTED
    fails = names_fail(case)
    if fails is None:
        return PLAUSIBLE
    if fails:
        return CONFIRMED
    return PLAUSIBLE if log_complains(case) and not name_is_wrong(case) else DOUBTED


def name_is_wrong(case: Case) -> bool:
    """The name in question does not exist, which explains by itself that the application cannot resolve it."""
    lookups = case.get(Lookups)
    return lookups is not None and lookups.asked_outcome in (LookupOutcome.NXDOMAIN, LookupOutcome.NO_DATA)


def in_question(case: Case) -> Burst | None:
    """The look-up of the name that is asked for; where nobody asked, of the one that the pod's log complains of."""
    lookups, pod = case.get(Lookups), case.get(PodFacts)
    if lookups is None or case.target.to_host is not None:
        return lookups.asked if lookups else None
    errors = (each for each in (pod.log_errors if pod else ()) if each.trouble is LogTrouble.RESOLVE)
    hosts = {each.host.rstrip(".").lower() for each in errors if is_recent(case, each.time)}
    return next((each for each in lookups.bursts if each.name in hosts), None)


def is_about_a_name(case: Case) -> bool:
    """Checks whether a name has to be resolved at all: an address in the question needs no DNS."""
    host = case.target.to_host
    return host is None or as_ip(host) is None or log_complains(case)


def wants_cluster_name(case: Case) -> bool | None:
    """True if the pod needs a name of the cluster: by the question, else by its own log. None where neither says so.

    Names that KAI asks for by itself are no need of the pod's: CoreDNS, agents and pods with dnsPolicy Default live
    well without any.
    """
    host, services, pod = case.target.to_host, case.get(Services), case.get(PodFacts)
    if host is not None and as_ip(host) is None:
        asked = services.asked.kind if services and services.asked else AskedKind.UNDECIDABLE
        return None if asked is AskedKind.UNDECIDABLE else asked is not AskedKind.EXTERNAL
    errors = (each for each in (pod.log_errors if pod else ()) if each.trouble is LogTrouble.RESOLVE)
    hosts = [each.host.rstrip(".").lower() for each in errors if is_recent(case, each.time)]
    return any(is_of_the_cluster(case, each) for each in hosts) if hosts else None


def is_of_the_cluster(case: Case, host: str) -> bool:
    """`svc`, `svc.ns`, `svc.ns.svc…`: a name without a dot is never one from outside."""
    name, _, rest = host.partition(".")
    services, space = case.get(Services), rest.partition(".")[0]
    return not rest or ".svc" in host or bool(services and services.find(space, name))


def serves_dns(case: Case, dns: CoreDns) -> bool:
    """The pod in question is a DNS server itself: dnsPolicy Default is its norm, and it asks whom it forwards to."""
    return any((each.namespace, each.name) == (case.target.namespace, case.target.pod) for each in dns.pods)


def asks_elsewhere(case: Case, dns: CoreDns) -> bool:
    """The pod's resolv.conf names neither the cluster's DNS Service nor a node-local cache before it."""
    servers, ours = resolvers(case), dns.service.cluster_ips if dns.service else ()
    if not servers or not ours:
        return False
    return not any(each in ours or is_link_local(each) for each in servers)


def may_ask_elsewhere(case: Case, dns: CoreDns) -> bool:
    """Nobody knows the address of the cluster's DNS, so whose answers the pod gets is open.

    A server that answers for a name of the cluster is the cluster's, whatever its address.
    """
    lookups = case.get(Lookups)
    if lookups is not None and lookups.cluster_dns_works:
        return False
    return not (dns.service and dns.service.cluster_ips) and not all(map(is_link_local, resolvers(case)))


def resolvers(case: Case) -> tuple[str, ...]:
    """The nameservers in the pod's resolv.conf; empty where it could not be read."""
    lookups = case.get(Lookups)
    return lookups.resolver.nameservers if lookups and lookups.resolver else ()


def is_link_local(address: str) -> bool:
    """169.254.0.0/16, fe80::/10: whatever answers there is on the pod's own node."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_link_local
    except ValueError:
        return False


def always_there(case: Case) -> Burst | None:
    """The look-up of the name that every cluster has."""
    lookups = case.get(Lookups)
    return next((each for each in lookups.bursts if each.origin is NameOrigin.ALWAYS_THERE), None) if lookups else None


def is_serving(dns: CoreDns) -> bool | None:
    """True if any DNS server takes questions: by the Service's endpoints, else by the pods; None: neither is known."""
    if dns.service is not None and dns.service.ready_endpoints is not None:
        return dns.service.ready_endpoints > 0
    return dns.ready_pods > 0 if dns.pods else None


def dropped_questions(case: Case) -> tuple[Connection, ...]:
    """The pod's own questions that the datapath dropped: then a policy stands in the way, not a DNS server."""
    flows, target = case.get(HubbleFlows), case.target
    return tuple(
        each
        for each in (flows.dropped if flows else ())
        if each.port == 53
        and (each.source.namespace, each.source.pod) == (target.namespace, target.pod)
        and any(not drop.of_reply for drop in each.drops)
    )


def changed(case: Case, about: Component) -> str:
    """Clause on who changed an object lately, to append to the reasons; empty where that is unknown."""
    recent = case.get(RecentChanges)
    found = recent.of(Ref(about.kind, about.namespace, about.name)) if recent else ()
    late = [each for each in found if each.kind is ChangeKind.CHANGED and is_recent(case, each.at)]
    return f"; {late[0]}" if late else ""


def told(case: Case) -> str:
    """Results of the look-ups, for the reasons of a finding."""
    lookups = case.get(Lookups)
    failed = [each for each in lookups.bursts if each.outcome is not LookupOutcome.ANSWERED] if lookups else []
    if failed:
        said = ", ".join(f"{each.name}: {words_of(each.outcome)} after {each.ms:g} ms" for each in failed[:3])
        return f"look-ups from inside the pod fail ({said})"
    if lookups and lookups.bursts:
        return "the look-ups tried from inside the pod were answered"
    return "the pod's log tells of names that do not resolve" if log_complains(case) else "no look-up was seen"


def words_of(outcome: LookupOutcome) -> str:
    return "EPERM" if outcome is LookupOutcome.NOT_PERMITTED else outcome.value.replace("_", " ")


def eperm_told(case: Case) -> str:
    """Reason why a look-up fails before anything is sent; empty where none did (socket load balancing, no backend)."""
    lookups = case.get(Lookups)
    refused = lookups is not None and any(each.outcome is LookupOutcome.NOT_PERMITTED for each in lookups.bursts)
    return "; EPERM at once means that no backend stands behind the resolver's address" if refused else ""


def shown_by(case: Case, *facts: type) -> tuple[type, ...]:
    """The facts a finding about DNS rests on: its own, then what showed the pod's look-ups."""
    symptom = tuple(each for each in (Lookups, PodFacts) if case.get(each) is not None)
    return tuple(dict.fromkeys((*facts, *symptom)))


# -- whom to change --------------------------------------------------------------------------------------------------


def servers(dns: CoreDns) -> Component:
    """The workload of the DNS servers; where it could not be read, one of its pods or its Service."""
    if dns.workload is not None:
        return Component(dns.workload.kind, dns.workload.namespace, dns.workload.name)
    if dns.pods:
        return Component("Pod", dns.pods[0].namespace, dns.pods[0].name)
    return Component("Service", dns.service.namespace, dns.service.name) if dns.service else config_map(dns)


def config_map(dns: CoreDns) -> Component:
    """The ConfigMap with the Corefile; by its usual name where it could not be parsed."""
    if dns.corefile is not None and dns.corefile.config_map:
        namespace, _, name = dns.corefile.config_map.partition("/")
        return Component("ConfigMap", namespace, name)
    return Component("ConfigMap", dns.workload.namespace if dns.workload else "kube-system", "coredns")
