"""The two ends do not share a family of addresses: one speaks IPv4 only, the other is called at IPv6, or the reverse.

Proof, one of: the pod has no address of the family in which its peer is called, and the kernel says at once that there
is no way (ENETUNREACH, EADDRNOTAVAIL); the process listens on the port in one family only, and calls in the other are
refused; the Service has endpoints of a family of which its ready pods have no address. Not to be mistaken for a policy
that admits only one family (packets are dropped), for a process that does not listen at all, nor for an address that
is merely unreachable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flows.belief import ASIDE, CONFIRMED, CONTEXT, EVIDENT, OWN_TROUBLE, PLAUSIBLE, PROBABLE
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.dns import is_recent
from flows.symptoms.families import Unheard, families_of, family_of, unheard
from flows.symptoms.names import addresses_of_name
from flows.symptoms.owner import owner
from flows.symptoms.peers import Peer, suspects
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import ServiceFacts, Services
from sensors.kit.app_log import LogError, LogTrouble
from sensors.net_connect import ConnectionAttempt, Connects, Role
from sensors.net_tcp_stats import TcpStats

NO_WAY = frozenset({"ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"})


def judge(case: Case) -> Iterator[Finding]:
    pod = case[PodFacts]
    for peer, weight in suspects(case):
        attempt = next((each for each in peer.doors if _is_no_way(pod, each)), None)
        deaf, service = unheard(case, peer), peer.service
        if attempt is not None and peer.fails:
            yield _no_way(case, pod, str(peer), _component(case, service), attempt.address or attempt.host, weight)
        elif service is not None and deaf is not None:
            yield _unheard(peer, service, deaf, weight)
        elif service is not None and _is_empty_by_family(service):
            yield _empty(service, weight)
    line = next((each for each in pod.log_errors if _tells_no_way(case, pod, each)), None)
    if line is not None:
        told = ASIDE if _complains_of_more(case, pod) else PLAUSIBLE
        yield replace(
            _no_way(case, pod, line.host, owner(case), line.host, 1.0, line), belief=told * _weight(case, line)
        )


# -- a caller without the family ---------------------------------------------------------------------------------------


def _lacks(pod: PodFacts, address: str) -> bool:
    own = families_of(pod.ips)
    return bool(own) and family_of(address) not in own | {0}


def _is_no_way(pod: PodFacts, attempt: ConnectionAttempt) -> bool:
    asked = attempt.role in (Role.PEER, Role.SERVICE, Role.BACKEND)
    return asked and not attempt.is_open and attempt.errno in NO_WAY and _lacks(pod, attempt.address or attempt.host)


def _tells_no_way(case: Case, pod: PodFacts, line: LogError) -> bool:
    told = line.trouble is LogTrouble.NO_PORT or "network is unreachable" in line.text.lower()
    return told and _lacks(pod, line.host) and is_recent(case, line.time)


def _complains_of_more(case: Case, pod: PodFacts) -> bool:
    """A client that tries both families logs the one it lacks, too, and works all the same: the rest is what counts."""
    lately = (each for each in pod.log_errors if is_recent(case, each.time) and each.trouble is not LogTrouble.OTHER)
    return any(not _lacks(pod, each.host) for each in lately)


def _weight(case: Case, line: LogError) -> float:
    asked = case.target.to_host
    theirs = {line.host} & {asked, *(addresses_of_name(case, asked) if asked else ())}
    return OWN_TROUBLE if asked is None or theirs else CONTEXT


def _component(case: Case, service: ServiceFacts | None) -> Component:
    return Component("Service", service.namespace, service.name) if service else owner(case)


def _no_way(
    case: Case,
    pod: PodFacts,
    peer: str,
    component: Component,
    address: str,
    weight: float,
    line: LogError | None = None,
) -> Finding:
    called, own = family_of(address), ", ".join(pod.ips)
    said = f'its log says "{line.text}"' if line else "the kernel says at once that no network leads there"
    return Finding(
        cause_class="ip.family",
        cause=f"{case.target} calls {peer} at an IPv{called} address and has no IPv{called} address itself",
        component=component,
        belief=CONFIRMED * weight,
        because=f"the pod has {own} and is sent to {address}; {said}",
        shown_by=(PodFacts, Connects, Services),
        recommendation=(
            f"Let {owner(case)} use an IPv{4 if called == 6 else 6} address of {peer}, or give the cluster's pods both "
            f"families (a dual-stack cluster; then ipFamilyPolicy PreferDualStack)."
        ),
    )


# -- a process that listens in the other family ------------------------------------------------------------------------


def _unheard(peer: Peer, service: ServiceFacts, deaf: Unheard, weight: float) -> Finding:
    return Finding(
        cause_class="ip.family",
        cause=(
            f"{service.ref} calls its pods at IPv{deaf.called}, and the process of {peer.component.name} listens on "
            f"port {deaf.port} in IPv{deaf.hears} only"
        ),
        component=Component("Service", service.namespace, service.name),
        belief=(CONFIRMED if deaf.sure else PROBABLE) * weight,
        because=(
            f"its socket table shows port {deaf.port} among its IPv{deaf.hears} sockets only; connections to the "
            f"IPv{deaf.called} endpoint are refused"
        ),
        shown_by=(TcpStats, Services, Connects),
        recommendation=(
            f"Let the process of {peer.component} listen in both families (`::` with IPV6_V6ONLY off), or give "
            f"{service.ref} endpoints of IPv{deaf.hears} (ipFamilies)."
        ),
    )


# -- a Service whose pods have no address of its family ----------------------------------------------------------------


def _is_empty_by_family(service: ServiceFacts) -> bool:
    ready = [each for each in service.matching_pods or () if each.ready and each.ips]
    wanted = set(service.families)
    return bool(ready and wanted) and service.endpoints == () and not any(wanted & families_of(e.ips) for e in ready)


def _empty(service: ServiceFacts, weight: float) -> Finding:
    wanted = " and ".join(f"IPv{each}" for each in service.families)
    ready = next(each for each in service.matching_pods or () if each.ready and each.ips)
    return Finding(
        cause_class="ip.family",
        cause=f"{service.ref} has no endpoint: it takes {wanted} addresses only, and none of its pods has one",
        component=Component("Service", service.namespace, service.name),
        belief=EVIDENT * weight,
        because=f"ipFamilies is {wanted}; {ready.pod} is ready and has {', '.join(ready.ips)}",
        shown_by=(Services,),
        recommendation=f"Give {service.ref} the family of its pods (ipFamilies), or the pods both families.",
    )


RULE = Rule(id="ip-family", judge=judge, causes=("ip.family",), needs=(PodFacts, Services))
