"""NetworkPolicy (`networking.k8s.io/v1`), read as its API reference says.

Under Cilium a CIDR is for addresses outside: it is compared with no pod and no node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lab.oracle.ends import CannotTell, End
from lab.oracle.rules import PolicyRule, ProtocolPort, every_port, nobody
from lab.oracle.selecting import in_identity, inside, port_fits, selects

Json = Mapping[str, Any]


def rules_of(item: Json, cilium: bool) -> Iterator[PolicyRule]:
    """The rules of one NetworkPolicy; one that admits nobody stands for the isolation itself."""
    meta, spec = item["metadata"], item["spec"]
    home = meta.get("namespace") or "default"
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]

    def mine(end: End) -> bool:
        return end.is_pod and end.namespace == home and selects(spec.get("podSelector") or {}, _seen(end, cilium))

    def unclear(end: End) -> bool:
        if mine(end):
            raise CannotTell("rules for a direction that policyTypes leaves out")
        return False

    for word, key, side in (("Ingress", "ingress", "from"), ("Egress", "egress", "to")):
        if word not in types and spec.get(key):
            yield PolicyRule(str(meta["name"]), key == "egress", unclear, True, False, nobody, every_port)
        if word in types:
            egress = key == "egress"
            yield PolicyRule(str(meta["name"]), egress, mine, True, False, nobody, every_port)
            for rule in spec.get(key) or ():
                peer, port = _peer(rule.get(side), home, cilium), _port(rule.get("ports"))
                yield PolicyRule(str(meta["name"]), egress, mine, True, False, peer, port)


def _peer(listed: Any, home: str, cilium: bool) -> Any:
    def fits(other: End, _me: End) -> bool:
        return not listed or any(_is(each, other, home, cilium) for each in listed)

    return fits


def _is(peer: Json, other: End, home: str, cilium: bool) -> bool:
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        if cilium and (other.is_pod or "world" not in other.words):
            return False
        return inside(other.ip, block["cidr"], block.get("except") or ())
    if not other.is_pod:
        return False
    if "namespaceSelector" in peer:
        here = selects(peer["namespaceSelector"] or {}, other.space)
    else:
        here = other.namespace == home
    return here and selects(peer.get("podSelector") or {}, _seen(other, cilium))


def _seen(end: End, cilium: bool) -> Mapping[str, str]:
    return in_identity(end.labels) if cilium else end.labels


def _port(listed: Any) -> Any:
    def fits(packet: ProtocolPort, there: End) -> bool:
        return not listed or any(
            port_fits(each.get("port"), each.get("endPort"), (each.get("protocol", "TCP"),), there, *packet)
            for each in listed
        )

    return fits
