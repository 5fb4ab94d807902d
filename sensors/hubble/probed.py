"""Tells the connections that only KAI's own probe made from those that the pod wants.

Every look tries a few peers that every pod knows (its resolver, the API server), looks names up and sends echoes. Where
a policy refuses them, the next look finds the drops in the nodes' rings: the demand was KAI's, and no evidence that the
pod misses anything. The probe's TCP and UDP come from source ports that Linux gives to nobody unasked (`PROBE_PORTS`),
so that any replica knows them later. An echo has no port: it is known by the company it keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from sensors.hubble.moments import CLOCKS
from sensors.hubble.outcomes import Connection

DNS_PORT = 53
ECHO = frozenset({8, 128})
"""ICMP types of an echo request, IPv4 and IPv6."""

PROBE_LASTS = timedelta(seconds=8)
"""As long as a probe tries at most, with some seconds for the way."""


def only_probed(
    found: Sequence[Connection], namespace: str, pod: str, addresses: AbstractSet[str] = frozenset()
) -> frozenset[Connection]:
    """The connections from the pod that nobody but the probe ever tried. `addresses` are those of a pod on the host
    network, which hubble does not name."""
    own = [each for each in found if _is_from(each, namespace, pod, addresses)]
    marked = {each for each in own if each.only_probed}
    plain = [] if addresses else [each for each in own if each.protocol == "TCP"]
    return frozenset(marked | _unmarked(plain) | _echoes(own))


def _is_from(each: Connection, namespace: str, pod: str, addresses: AbstractSet[str]) -> bool:
    if addresses and not each.source.pod:
        return each.source.ip in addresses
    return (each.source.namespace, each.source.pod) == (namespace, pod)


def _echoes(own: Sequence[Connection]) -> set[Connection]:
    """The echo requests that came with a probe's own attempts, from the first to the last of them."""
    probes = [at for each in own if each.probed for at in each.began]
    echoes = (each for each in own if each.icmp is not None and each.icmp[0] in ECHO)
    return {each for each in echoes if _is_during(each.first, probes) and _is_during(each.last, probes)}


def _is_during(moment: datetime | None, probes: Iterable[datetime]) -> bool:
    return moment is not None and any(-CLOCKS < moment - each < PROBE_LASTS for each in probes)


def _unmarked(own: Iterable[Connection]) -> set[Connection]:
    """Traces of a probe without the mark: one try of the resolver over TCP with one of the API server, always.

    A pod that wants one of the two tries it without the other, or more often.
    """
    resolver = [each for each in own if each.port == DNS_PORT]
    api = [each for each in own if "kube-apiserver" in each.destination.entities]
    return {each for each in resolver if _always_with(each, api)} | {
        each for each in api if _always_with(each, resolver)
    }


def _always_with(one: Connection, others: Sequence[Connection]) -> bool:
    """Checks whether each attempt came with exactly one of the others', all of them still known."""
    beginnings = [at for each in others for at in each.began]
    known = len(one.began) == one.attempts
    return known and bool(one.began) and all(_near(at, beginnings) == 1 == _near(at, one.began) for at in one.began)


def _near(moment: datetime, beginnings: Iterable[datetime]) -> int:
    return sum(abs(each - moment) < CLOCKS for each in beginnings)
