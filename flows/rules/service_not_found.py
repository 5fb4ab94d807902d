"""The name or address that is called belongs to no Service.

Proof: no Service of that name in that namespace (or the namespace itself is missing), or an address out of the service
range that no Service has. A name that fails to resolve for this reason is the DNS rule's to explain; this one speaks
for itself where an address was used, and stands behind it otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from flows.belief import ASKED, EVIDENT, PARTIAL
from flows.model import Case, Finding, Rule
from flows.symptoms.caller import asks_itself, caller_of, who_asks
from flows.symptoms.peers import suspects
from sensors.dns_lookup import Lookups
from sensors.k8s_services import Services
from sensors.topology.peer import AskedKind, ResolvedPeer

NOT_THERE = frozenset({AskedKind.UNKNOWN_SERVICE, AskedKind.UNKNOWN_NAMESPACE})


def judge(case: Case) -> Iterator[Finding]:
    services = case[Services]
    asked = services.asked
    if asked is not None and (asked.kind in NOT_THERE or _is_nobodys(case, services, asked.host)):
        yield _finding(case, asked, ASKED)
    for peer, weight in suspects(case):
        if not peer.asked and peer.service is None and _is_nobodys(case, services, peer.host):
            yield _finding(case, ResolvedPeer(AskedKind.UNKNOWN_SERVICE, peer.host, peer.port), weight)


def _is_nobodys(case: Case, services: Services, host: str) -> bool:
    """An address of the service range that no Service has."""
    if host in services.by_ip:
        return False
    try:
        address = ip_address(host)
        ranges = [ip_network(each, strict=False) for each in case.environment.service_cidrs]
    except ValueError:
        return False
    return any(address in each for each in ranges if each.version == address.version)


def _finding(case: Case, asked: ResolvedPeer, weight: float) -> Finding:
    near = [*map(str, asked.elsewhere), *asked.nearest, *asked.nearest_namespaces]
    hint = f"; nearest: {', '.join(near[:3])}" if near else ""
    what = f"there is no {asked.service}" if asked.service else f"{asked.host} belongs to no Service"
    if asked.kind is AskedKind.UNKNOWN_NAMESPACE and asked.service:
        what = f"there is no namespace {asked.service.namespace}, so no {asked.service}"
    return Finding(
        cause_class="service.not_found",
        cause=f"{who_asks(case, asked.host)}: {what}{hint}",
        component=caller_of(case, asked.host),
        belief=(EVIDENT if asks_itself(case, asked.host) else PARTIAL) * weight,
        because=f"{what}{hint}",
        shown_by=(Services, Lookups),
        recommendation=_advice(asked) if asks_itself(case, asked.host) else QUESTION.format(asked.host),
    )


QUESTION = "See whether {} is the name or address that is meant: nothing shows that the pod itself asks for it."


def _advice(asked: ResolvedPeer) -> str:
    if asked.elsewhere:
        near = asked.elsewhere[0]
        return f"Let the caller use {near.name}.{near.namespace}, or make the Service it expects."
    return f"Correct the address {asked.host} in the caller's configuration, or make the Service it expects."


RULE = Rule(id="service-not-found", judge=judge, causes=("service.not_found",), needs=(Services,))
