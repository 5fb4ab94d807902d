"""Tells the connections that only KAI's own probe made from those that the pod wants.

Every look tries a few doors that every pod knows (its resolver over TCP, the API server). Where a policy refuses
them, the next look finds the drops in the nodes' rings: the demand was KAI's, and no evidence that the pod misses
anything. The probe tries doors from source ports that Linux gives to nobody unasked (`PROBE_PORTS`), so that any
replica knows them later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sensors.hubble.moments import CLOCKS
from sensors.hubble.outcomes import Connection

DNS_PORT = 53


def only_probed(found: Sequence[Connection], namespace: str, pod: str) -> frozenset[Connection]:
    """The TCP connections from the pod that nobody but the probe ever tried."""
    own = [
        each
        for each in found
        if (each.source.namespace, each.source.pod) == (namespace, pod) and each.protocol == "TCP"
    ]
    marked = {each for each in own if each.probed and each.probed == each.attempts}
    return frozenset(marked | _unmarked(own))


def _unmarked(own: Iterable[Connection]) -> set[Connection]:
    """What a probe without the mark left behind: one try of the resolver over TCP with one of the API server, always.

    A pod that wants one of the two tries it without the other, or more often.
    """
    resolver = [each for each in own if each.port == DNS_PORT]
    api = [each for each in own if "kube-apiserver" in each.destination.entities]
    return {each for each in resolver if _always_with(each, api)} | {
        each for each in api if _always_with(each, resolver)
    }


def _always_with(one: Connection, others: Sequence[Connection]) -> bool:
    """Whether each attempt came with exactly one of the others', all of them still known."""
    beginnings = [at for each in others for at in each.began]
    known = len(one.began) == one.attempts
    return known and bool(one.began) and all(_near(at, beginnings) == 1 == _near(at, one.began) for at in one.began)


def _near(moment: datetime, beginnings: Iterable[datetime]) -> int:
    return sum(abs(each - moment) < CLOCKS for each in beginnings)
