"""Follows a name from the question to the wire: search domains, aliases (CNAME) and ExternalName Services on the way.

No rule of its own. Hubble knows the name that was answered for, which need not be the one that was asked; without a DNS
proxy it knows none, and only the recorded look-ups link an address to a name; or the proxy's answers among the flows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flows.model import Case
from sensors.dns_lookup import Burst, Lookups, expand
from sensors.hubble.outcomes import DnsOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_services import Services
from sensors.kit.addresses import as_ip
from sensors.kit.resolv_conf import USUAL_DOMAIN, plain_name
from sensors.net_connect import Connects


def asked_names(case: Case, host: str) -> frozenset[str]:
    """The names that this host may be looked up as, and the name outside for which its Service stands."""
    services, lookups = case.get(Services), case.get(Lookups)
    asked = services.asked if services and host == case.target.to_host else None
    names = {plain_name(host), *([plain_name(asked.external_name)] if asked and asked.external_name else [])}
    if asked is not None and asked.alias is not None:
        names |= {f"{asked.alias.name}.{asked.alias.namespace}.svc.{USUAL_DOMAIN}"}
    if lookups is not None and lookups.resolver is not None:
        names |= {full for name in tuple(names) for full in expand(name, lookups.resolver)}
    return frozenset(names)


def is_named(case: Case, host: str, names: Iterable[str]) -> bool:
    """Checks whether one of the names on the wire is what this host was looked up as."""
    if as_ip(host) is not None:
        return False
    wanted = asked_names(case, host)
    return any(_is_same(case, each, wanted) for each in map(plain_name, names))


def _is_same(case: Case, name: str, wanted: frozenset[str]) -> bool:
    """The same name, or one of them with a search domain of the pod's namespace behind it."""
    space = case.target.namespace
    ends = (f".{space}.svc.{USUAL_DOMAIN}", f".svc.{USUAL_DOMAIN}", f".{USUAL_DOMAIN}")
    return name in wanted or any(name.endswith(end) and name.removesuffix(end) in wanted for end in ends)


def addresses_of_name(case: Case, host: str) -> frozenset[str]:
    """Addresses of a name, looked up inside the pod."""
    lookups, connects, wanted = case.get(Lookups), case.get(Connects), asked_names(case, host)
    found = {each for burst in (lookups.bursts if lookups else ()) if _asks(burst, wanted) for each in burst.addresses}
    found |= {ip for name, addresses in _answers(case) if name in wanted for ip in addresses}
    attempts = connects.doors if connects else ()
    return frozenset(found | {each.address for each in attempts if plain_name(each.host) in wanted and each.address})


def _asks(burst: Burst, wanted: frozenset[str]) -> bool:
    return bool(wanted & {burst.name, burst.answered_by or ""})


def names_at(case: Case, ip: str) -> tuple[str, ...]:
    """The names that led the pod to this address, the one that was asked for first."""
    lookups, connects = case.get(Lookups), case.get(Connects)
    bursts = sorted(lookups.bursts if lookups else (), key=lambda each: not each.is_asked)
    found = [name for each in bursts if ip in each.addresses for name in (each.name, each.answered_by or "")]
    found += [name for name, addresses in _answers(case) if ip in addresses]
    attempts = connects.doors if connects else ()
    found += [plain_name(each.host) for each in attempts if each.address == ip and as_ip(each.host) is None]
    return tuple(dict.fromkeys(each for each in found if each))


def _answers(case: Case) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Answers to the pod's own look-ups, where the DNS proxy's flows were seen."""
    yield from ((plain_name(each.query), each.addresses) for each in case.once(own_lookups))


def own_lookups(case: Case) -> tuple[DnsOutcome, ...]:
    """The names that the DNS proxy saw this pod ask for; Hubble tells the client of a look-up by its address."""
    flows, me = case.get(HubbleFlows), (case.target.namespace, case.target.pod)
    if flows is None:
        return ()
    ends = (end for each in flows.connections for end in (each.source, each.destination))
    mine = {end.ip for end in ends if (end.namespace, end.pod) == me}
    return tuple(each for each in flows.dns if each.client in mine)
