"""CoreDNS runs and answers, but its configuration is broken: the cluster's zone or the way outside is missing.

Proof: DNS servers are ready and do answer, a name that must exist fails all the same, and the Corefile or the log says
why (no kubernetes plugin for the zone, no forward, a rewrite, no right to read the API). Not to be mistaken for an
upstream server that is away, a loop, a name that does not exist, or a pod that asks another server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.belief import CONFIRMED, DOUBTED, INFERRED, PROBABLE
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.dns import (
    ANSWERS,
    always_there,
    asks_elsewhere,
    changed,
    config_map,
    dropped_questions,
    in_question,
    is_serving,
    may_ask_elsewhere,
    shown_by,
    told,
    words_of,
)
from flows.symptoms.peers import subject
from sensors.dns_coredns_health import CoreDns, CoreDnsTrouble
from sensors.dns_lookup import Burst, LookupOutcome, Lookups, NameOrigin
from sensors.hubble_capture_flows import HubbleFlows
from sensors.kit.resolv_conf import USUAL_DOMAIN

NO_WAY = frozenset({LookupOutcome.SERVFAIL, LookupOutcome.REFUSED, LookupOutcome.FAILED, LookupOutcome.TIMEOUT})
"""How a name from outside ends when the way there is broken; NXDOMAIN is an answer from outside."""


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """Fault of the configuration: the sentence, what to change, how sure, what to do."""

    cause: str
    component: Component
    belief: float
    advice: str


def judge(case: Case) -> Finding | None:
    """Speaks when servers that are ready give wrong answers, and something of theirs explains them."""
    dns, lookups = case[CoreDns], case[Lookups]
    if is_serving(dns) is False or asks_elsewhere(case, dns) or dns.found(CoreDnsTrouble.LOOP):
        return None
    fault = next((found for look in FAULTS if (found := look(case, dns, lookups))), None)
    if fault is None:
        return None
    return Finding(
        cause_class="dns.coredns_config",
        cause=fault.cause,
        component=fault.component,
        belief=DOUBTED if _may_be_another_s(case, dns) else fault.belief,
        because=f"{dns.summary()}; {told(case)}{changed(case, fault.component)}",
        shown_by=shown_by(case, CoreDns),
        recommendation=fault.advice,
    )


def _may_be_another_s(case: Case, dns: CoreDns) -> bool:
    """Checks whether the answer may have come from somebody else than these servers."""
    return _by_proxy(case) or bool(dropped_questions(case)) or may_ask_elsewhere(case, dns)


def _by_proxy(case: Case) -> bool:
    """The datapath's DNS proxy refuses this pod's questions by policy, or may do so: CoreDNS never sees them."""
    flows, bad = case.get(HubbleFlows), always_there(case)
    if flows is None:
        return bad is not None and bad.outcome is LookupOutcome.REFUSED
    return any(each.denied for each in flows.dns)


# -- faults, the most telling first ----------------------------------------------------------------------------------


def _zone_missing(case: Case, dns: CoreDns, lookups: Lookups) -> ConfigFault | None:
    bad, domain = _wrong_answer(case), _domain(lookups)
    if bad is None or dns.corefile is None or domain in dns.corefile.cluster_zones:
        return None
    where, zones = config_map(dns), ", ".join(dns.corefile.cluster_zones)
    has = f"its kubernetes plugin serves {zones}" if zones else "it has no kubernetes plugin"
    cause = f"CoreDNS does not serve the cluster's zone {domain}: {has}, and {bad.name} is {words_of(bad.outcome)}"
    return ConfigFault(cause, where, CONFIRMED, f"Put `kubernetes {domain} in-addr.arpa ip6.arpa` back into {where}.")


def _other_port(case: Case, dns: CoreDns, lookups: Lookups) -> ConfigFault | None:
    """Ready by its probe, and its Service sends questions to a port that no server block is for: they are refused."""
    closed = next((each for each in lookups.bursts if each.outcome in CLOSED), None)
    if closed is None or dns.corefile is None or dns.service is None or not dns.service.target_ports:
        return None
    ports, asked = {_port_of(zone) for zone in dns.corefile.zones}, set(dns.service.target_ports)
    if not ports or ports & asked:
        return None
    where, listens, told = config_map(dns), *(", ".join(map(str, sorted(each))) for each in (ports, asked))
    cause = f"CoreDNS listens on port {listens}, as the Corefile of {where} says, and its Service sends to {told}"
    return ConfigFault(
        cause, where, CONFIRMED, f"Put the server block of {where} back on port {told} (`.:{min(asked)} {{`)."
    )


def _port_of(zone: str) -> int:
    """`.:5353`, `dns://.:53`, `cluster.local`: 53 is what no port means."""
    port = zone.rpartition(":")[2]
    return int(port) if port.isdecimal() else 53


CLOSED = (LookupOutcome.PORT_CLOSED, LookupOutcome.TIMEOUT)


def _no_api(case: Case, dns: CoreDns, lookups: Lookups) -> ConfigFault | None:
    bad = _wrong_answer(case)
    said = next((each for kind in NO_API for each in dns.found(kind) if not each.previous), None)
    if bad is None or said is None:
        return None
    forbidden = said.trouble is CoreDnsTrouble.API_FORBIDDEN
    component = Component("ClusterRole", "", "system:coredns") if forbidden else config_map(dns)
    what = "may not read" if forbidden else "cannot reach"
    cause = f"CoreDNS {what} the Kubernetes API and so knows no cluster name: {said.example}"
    return ConfigFault(cause, component, PROBABLE, f"Let CoreDNS read Services and EndpointSlices again ({component}).")


NO_API = (CoreDnsTrouble.API_FORBIDDEN, CoreDnsTrouble.API_UNREACHABLE)


def _rewritten(case: Case, dns: CoreDns, lookups: Lookups) -> ConfigFault | None:
    """Names resolve, this one does not, and a line of the Corefile that plays with names speaks of it."""
    asked, peer = in_question(case), subject(case)
    if asked is None or asked.outcome not in ANSWERS or dns.corefile is None or not lookups.cluster_dns_works:
        return None
    about = peer.service.name if peer and peer.service else asked.name
    lines = [each for each in dns.corefile.rewrites if about in each]
    if not lines:
        return None
    where, exists = config_map(dns), f" although {peer.service.ref} exists" if peer and peer.service else ""
    cause = f"{asked.name} is {words_of(asked.outcome)}{exists}: the Corefile of {where} says `{lines[0]}`"
    return ConfigFault(cause, where, PROBABLE, f"Take the line `{lines[0]}` out of {where}, or correct it.")


def _no_way_out(case: Case, dns: CoreDns, lookups: Lookups) -> ConfigFault | None:
    bad = _wrong_outside(lookups)
    if bad is None or dns.corefile is None or any(each.zone == "." for each in dns.corefile.forwards):
        return None
    where = config_map(dns)
    cause = f"CoreDNS has no forward line for `.`, the world outside: {bad.name} is {words_of(bad.outcome)}"
    return ConfigFault(
        cause, where, CONFIRMED, f"Put `forward . /etc/resolv.conf` (or your resolvers) back into {where}."
    )


def _forward_changed(case: Case, dns: CoreDns, lookups: Lookups) -> ConfigFault | None:
    """The way outside broke, and somebody touched the Corefile lately: then it is the change, not the upstream."""
    bad = _wrong_outside(lookups)
    where = config_map(dns)
    if bad is None or dns.corefile is None or not changed(case, where):
        return None
    upstreams = ", ".join(to for each in dns.corefile.forwards for to in each.upstreams)
    nowhere = f"the forward line of {where} leads nowhere ({upstreams}) since it was changed"
    cause = f"{bad.name} is {words_of(bad.outcome)}, as every name from outside: {nowhere}"
    return ConfigFault(cause, where, PROBABLE, f"Put the last good forward line of {where} back.")


def _unexplained(case: Case, dns: CoreDns, lookups: Lookups) -> ConfigFault | None:
    bad = _wrong_answer(case)
    if bad is None:
        return None
    where = config_map(dns)
    said = f": {dns.log[-1].example}" if dns.log else ""
    cause = f"CoreDNS runs and answers {words_of(bad.outcome)} to {bad.name}, a name that every cluster has{said}"
    return ConfigFault(cause, where, INFERRED, f"Compare {where} with its last good version, and read CoreDNS's log.")


FAULTS: tuple[Callable[[Case, CoreDns, Lookups], ConfigFault | None], ...] = (
    _zone_missing,
    _other_port,
    _no_api,
    _rewritten,
    _no_way_out,
    _forward_changed,
    _unexplained,
)


def _wrong_answer(case: Case) -> Burst | None:
    """A server did answer the question for the name that every cluster has, and wrongly.

    An error in words that nobody knows (`failed`) is no answer of a server.
    """
    burst = always_there(case)
    return burst if burst is not None and burst.outcome in ANSWERS - {LookupOutcome.FAILED} else None


def _wrong_outside(lookups: Lookups) -> Burst | None:
    """Cluster names resolve, and no name from outside does."""
    if not lookups.cluster_dns_works or lookups.external_dns_works is not False:
        return None
    outside = (each for each in lookups.bursts if each.origin is NameOrigin.EXTERNAL)
    return next((each for each in outside if each.outcome in NO_WAY), None)


def _domain(lookups: Lookups) -> str:
    return (lookups.resolver and lookups.resolver.domain) or USUAL_DOMAIN


RULE = Rule(id="coredns-config", judge=judge, causes=("dns.coredns_config",), needs=(CoreDns, Lookups))
