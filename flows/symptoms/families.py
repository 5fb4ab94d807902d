"""IPv4 or IPv6: in which family a pod has an address, a Service endpoints, and a process an ear.

No rule of its own: what the rules about families and about listening have in common.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flows.model import Case
from flows.symptoms.peers import Peer
from flows.symptoms.target_port import is_refused, ports_behind, sockets_behind
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.kit.addresses import as_ip
from sensors.kit.proc_net import Listener
from sensors.kit.sockets import PodSockets


def family_of(address: str) -> int:
    """4 or 6; 0 for a name."""
    found = as_ip(address)
    return found.version if found else 0


def families_of(addresses: Iterable[str]) -> frozenset[int]:
    return frozenset(map(family_of, addresses)) - {0}


@dataclass(frozen=True, slots=True)
class Unheard:
    """A peer that is called in a family in which its process does not listen; `sure`: its sockets cannot take it."""

    port: int
    called: int
    hears: int
    sure: bool


def unheard(case: Case, peer: Peer) -> Unheard | None:
    """None where some socket hears the calls, nothing is refused, or the sockets were not read."""
    ports, ends = ports_behind(peer), _called_at(peer)
    sockets = [each for each in sockets_behind(case, peer) if each.knows_listeners]
    if len(ports) != 1 or len(ends) != 1 or not sockets or not _is_refused_by(peer, sockets):
        return None
    called, port = next(iter(ends)), ports[0]
    if _opens(peer, called) or not all(_is_deaf(each, port, called) for each in sockets):
        return None
    sure = all(address != "::" for each in sockets for address in each.listens_on(port))
    return Unheard(port, called, 4 if called == 6 else 6, sure)


def _is_refused_by(peer: Peer, sockets: Iterable[PodSockets]) -> bool:
    """One of the pods whose sockets were read refuses; what another pod refuses says nothing of theirs."""
    pods = {each.pod for each in sockets}
    seen = {each.destination.pod for each in peer.connections if each.outcome is ConnectionOutcome.REFUSED}
    return is_refused(peer) and (not seen or bool(seen & pods))


def _opens(peer: Peer, called: int) -> bool:
    """Something of it was reached at an address of that family: whoever refuses, it is not for the family."""
    return any(each.is_open and family_of(each.address or each.host) == called for each in peer.doors)


def _called_at(peer: Peer) -> frozenset[int]:
    """The families of the addresses at which the pods are called."""
    ends = [each.ip for each in (peer.service.ready_endpoints or ())] if peer.service and peer.service_port else []
    return families_of(ends or [peer.host])


def _is_deaf(pod: PodSockets, port: int, called: int) -> bool:
    """It listens on the port, for everyone, and only in the other family.

    A socket on `::` takes IPv4, too, unless its program asked otherwise; refusals are the sign that it did.
    """
    found = [each for each in pod.listeners if each.port == port and not each.on_loopback]
    return bool(found) and all(_hears(each) != called for each in found)


def _hears(listener: Listener) -> int:
    """The family of a socket; a v4-mapped address takes IPv4 alone."""
    return 6 if listener.v6 and ":" in listener.address else 4
