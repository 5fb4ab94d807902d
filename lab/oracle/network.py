"""The network as one set of objects makes it: may this packet pass?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from lab.oracle import cilium, kubernetes
from lab.oracle.ends import CannotTell, End, pods_of
from lab.oracle.rules import PolicyRule, ProtocolPort, every_port, nobody
from lab.oracle.services import OracleService, services_of

Json = Mapping[str, Any]
CILIUM = ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")


class OracleNetwork:
    """Built from objects as the API server returns them, then asked. `is_cilium` False: any other plug-in.
    `knows_services` False: a Cilium before 1.17, or of an unknown version, whose `toServices` is another matter."""

    def __init__(self, objects: Iterable[Json], is_cilium: bool = True, knows_services: bool = True) -> None:
        listed = list(objects)
        self.pods = pods_of(listed)
        services = services_of(listed) if knows_services else None
        self.rules = [rule for each in listed for rule in _rules(each, is_cilium, services)]

    def allows(self, source: End, destination: End, protocol: str, port: int | None) -> bool:
        """Both sides. Raises `CannotTell`."""
        out = self.side(source, destination, destination, (protocol, port), True)
        into = self.side(destination, source, destination, (protocol, port), False)
        return out and into

    def side(self, me: End, other: End, there: End, packet: ProtocolPort, egress: bool) -> bool:
        """One side: denies first, then whether anything isolates, then whether anything admits."""
        if not me.is_pod or me.is_same(other) or (not egress and _is_own_node(other, me)):
            return True
        mine = [each for each in self.rules if each.egress is egress and each.applies(me)]
        if not any(each.shows_names for each in mine):
            other = replace(other, names=())
        if _any(each for each in mine if each.denies)(me, other, there, packet):
            return False
        if not any(each.isolates for each in mine):
            return True
        return _any(each for each in mine if not each.denies)(me, other, there, packet)


def _any(rules: Iterable[PolicyRule]) -> Callable[[End, End, End, ProtocolPort], bool]:
    """Checks whether one rule matches; it cannot be told only where no rule certainly does."""
    listed = tuple(rules)

    def matches(me: End, other: End, there: End, packet: ProtocolPort) -> bool:
        doubt: CannotTell | None = None
        for each in listed:
            try:
                if each.peer(other, me) and each.port(packet, there):
                    return True
            except CannotTell as why:
                doubt = why
        if doubt is not None:
            raise doubt
        return False

    return matches


def _is_own_node(other: End, me: End) -> bool:
    return "host" in other.words or (other.is_node and bool(other.node) and other.node == me.node)


def _rules(item: Json, is_cilium: bool, services: tuple[OracleService, ...] | None) -> list[PolicyRule]:
    kind = str(item.get("kind", ""))
    if kind == "NetworkPolicy" and str(item.get("apiVersion", "")).startswith("networking.k8s.io"):
        return list(kubernetes.rules_of(item, is_cilium))
    if kind in CILIUM:
        return list(cilium.rules_of(item, services)) if is_cilium else []
    return _unknown(kind, str(item.get("apiVersion"))) if "NetworkPolicy" in kind else []


def _unknown(kind: str, api: str) -> list[PolicyRule]:
    """Another kind of policy may be about anybody."""

    def whose(_end: End) -> bool:
        raise CannotTell(f"a {kind} ({api})")

    return [PolicyRule(kind, egress, whose, True, False, nobody, every_port) for egress in (True, False)]
