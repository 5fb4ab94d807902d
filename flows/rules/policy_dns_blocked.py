"""The pod's policies do not let it ask its DNS server, so every name fails and all else looks broken, too."""

from __future__ import annotations

from dataclasses import replace

from flows.denials.attribution import Denial
from flows.denials.connection import DNS_PORT, is_from_target
from flows.denials.findings import finding, groups, named, passage
from flows.denials.policy_world import world_of
from flows.model import AdmitTraffic, Case, Finding, Rule
from flows.policy import Judgement
from sensors.dns_lookup import Lookups
from sensors.k8s_network_policies import Policies

ADVICE = "Let the pod reach its DNS servers on port 53, UDP and TCP (large answers come over TCP)."


def judge(case: Case) -> list[Finding]:
    """One finding for each policy in the way. Silent where names resolve all the same."""
    return [
        finding(case, group, _cause(group), ADVICE, _remedy(case, group))
        for group in groups(case, "policy.dns_blocked")
        if not _resolves(case, group)
    ]


def _resolves(case: Case, group: list[Denial]) -> bool:
    """A late ICMP or one stray drop is no blocked resolver while every look-up has an answer."""
    lookups = case.get(Lookups)
    own = any(
        each.connection.traffic.protocol == "UDP" and is_from_target(case, each.connection.traffic) for each in group
    )
    return own and lookups is not None and bool(lookups.bursts) and lookups.cluster_dns_works is True


def _remedy(case: Case, group: list[Denial]) -> AdmitTraffic:
    """Both protocols, though only one was seen: a resolver turns to TCP for answers that do not fit."""
    world = case.once(world_of)
    wanted: dict[tuple[str, str], Judgement] = {}
    for each in group:
        for protocol in ("UDP", "TCP"):
            traffic = replace(each.connection.traffic, protocol=protocol, port=DNS_PORT)
            judged = world.judge(traffic)
            if judged.allowed is not True:
                wanted[(traffic.destination.pod or traffic.destination.ip, protocol)] = judged
    return AdmitTraffic(tuple(wanted.values()), group[0].guilty)


def _cause(group: list[Denial]) -> str:
    """Over TCP come only the answers that did not fit into a datagram."""
    over_udp = [each for each in group if each.connection.traffic.protocol == "UDP"]
    denial = (*over_udp, *group)[0]
    so = "no name resolves" if over_udp else "an answer too long for a datagram is lost"
    return f"{named(denial.component, denial)} blocks DNS: {passage(denial)} has no rule, so {so}"


RULE = Rule(id="policy-dns-blocked", judge=judge, causes=("policy.dns_blocked",), needs=(Policies,))
