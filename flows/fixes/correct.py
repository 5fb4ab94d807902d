"""Corrects the one wrong word in a policy (or the one missing label of a namespace) that stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from flows.denials.judged import tried
from flows.fixes.change import Change, Json, patched
from flows.fixes.jsonpatch import CannotPatch, Operation, escaped, value_at
from flows.fixes.wording import NAMESPACE_NAME, Side, cilium_peers, kubernetes_peers
from flows.model import Case
from flows.policy import Endpoint, Miss, MissKind, PolicyRef, World
from sensors.k8s_network_policies import Policies
from sensors.kit.objects import get, items, kind_of, name_of, named, number


@dataclass(frozen=True, slots=True)
class Correction:
    """A corrected word. `gives_up` are ports the rule no longer names, and nobody serves."""

    change: Change
    words: str
    gives_up: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Written:
    operations: list[Operation]
    words: str
    gives_up: frozenset[int] = frozenset()


PORT_KINDS = (MissKind.PORT, MissKind.NAMED_PORT, MissKind.PROTOCOL)


def corrections(ref: PolicyRef, miss: Miss, side: Side, case: Case, world: World) -> Iterator[Correction]:
    """The corrections of one miss, each with its words; none where no single word mends it."""
    policy = world.policy_object(ref)
    if policy is None:
        return
    if miss.kind is MissKind.NAMESPACE_LABEL and not miss.got and not miss.near:
        yield from _labelled(miss, side, case)
        return
    written = _written(policy, ref, miss, side, case, world)
    if written is None:
        return
    try:
        yield Correction(patched(policy, written.operations), f"{written.words} in {ref}", written.gives_up)
    except CannotPatch:
        return


def _written(policy: Json, ref: PolicyRef, miss: Miss, side: Side, case: Case, world: World) -> Written | None:
    if miss.kind in PORT_KINDS:
        return _port(policy, miss, side, case, world)
    if miss.kind is MissKind.FQDN:
        return _name(policy, miss, side)
    if miss.kind in (MissKind.CIDR_NEVER_MATCHES, MissKind.CIDR):
        return _peers(policy, ref, miss, side, case, world)
    if miss.kind is MissKind.NAMESPACE:
        return _elsewhere(policy, ref, miss, side, world)
    return _label(policy, miss)


def _parent(path: str, levels: int = 1) -> str:
    for _ in range(levels):
        path = path.rpartition("/")[0]
    return path


# -- ports -----------------------------------------------------------------------------------------------------------


def _port(policy: Json, miss: Miss, side: Side, case: Case, world: World) -> Written | None:
    """The port in the rule becomes the right one; where the old one is in use, the right one is added beside it."""
    entry_path = _parent(miss.path)
    entry = value_at(policy, entry_path)
    (protocol, port), *more = side.passages[0].ports
    if not isinstance(entry, Mapping) or "port" not in entry or more or len(side.passages) > 1:
        return None
    if value_at(policy, f"{_parent(entry_path, 2)}/rules"):  # L7 rules would hold for the port, too
        return None
    value: int | str = str(port) if "/toPorts/" in miss.path else port
    same_protocol = miss.kind is not MissKind.PROTOCOL and entry.get("protocol", "TCP") in (protocol, "ANY")
    if same_protocol and "endPort" not in entry and not _in_use(entry.get("port"), side, case, world):
        old = entry["port"]
        operations: list[Operation] = [
            {"op": "test", "path": f"{entry_path}/port", "value": old},
            {"op": "replace", "path": f"{entry_path}/port", "value": value},
        ]
        given = number(old)
        gives_up = frozenset({given} if given is not None else ())
        return Written(operations, f"Correct the port from {old} to {port}", gives_up)
    added = {"port": value, "protocol": protocol}
    more_ports: Operation = {"op": "add", "path": f"{_parent(entry_path)}/-", "value": added}
    return Written([more_ports], f"Add {protocol} {port} to the ports")


def _in_use(old: Any, side: Side, case: Case, world: World) -> bool:
    """Whether the peer serves on the port that the rule names now: then it is no mistake, and stays."""
    peer = side.passages[0].peer if side.direction.value == "egress" else side.subject
    if isinstance(old, str) and not old.isdigit():
        return any(name == old for name, _ in peer.named_ports)
    seen = {each.traffic.port for each in case.once(tried) if each.works and each.traffic.destination.pod == peer.pod}
    declared = _declared(case, peer.namespace, peer.pod)
    if number(old) in seen | declared:
        return True
    return not declared and not _is_service_port(number(old), peer, world)


def _declared(case: Case, namespace: str, pod: str) -> set[int | None]:
    """The container ports of a pod; none declared says nothing, since nothing enforces them."""
    found = named([each for each in case[Policies].objects if kind_of(each) == "Pod"], pod, namespace)
    containers = items(found, "spec", "containers")
    return {number(port, "containerPort") for each in containers for port in items(each, "ports")}


def _is_service_port(old: int | None, peer: Endpoint, world: World) -> bool:
    """Whether the port is that of a Service in front of the peer, which leads to another one."""
    mine = (each for each in world.catalog.services.values() if each.namespace == peer.namespace and each.selector)
    fitting = (each for each in mine if (each.selector or {}).items() <= peer.labels.items())
    ports = [port for each in fitting for port in each.ports]
    return any(port.port == old and port.target != old for port in ports) and all(port.target != old for port in ports)


# -- peers -----------------------------------------------------------------------------------------------------------


def _name(policy: Json, miss: Miss, side: Side) -> Written | None:
    """One name more in the list that has names already."""
    listed = _parent(miss.path, 2)
    name = side.passages[0].peer.fqdns[0].rstrip(".") if side.passages[0].peer.fqdns else ""
    if not name or not isinstance(value_at(policy, listed), list) or len(side.passages) > 1:
        return None
    return Written([{"op": "add", "path": f"{listed}/-", "value": {"matchName": name}}], f"Add the name {name}")


def _peers(policy: Json, ref: PolicyRef, miss: Miss, side: Side, case: Case, world: World) -> Written | None:
    """The peer by who it is: in place of a list of addresses inside the cluster, or beside addresses outside."""
    if ref.kind != "NetworkPolicy" or len(side.passages) > 1:
        return None
    listed = _parent(miss.path, 3)  # /spec/egress/1/to of /spec/egress/1/to/0/ipBlock/cidr
    old = value_at(policy, listed)
    peers = kubernetes_peers(side.passages[0], ref.namespace, world)
    if not isinstance(old, list) or peers is None or not _fits_ports(policy, listed, side):
        return None
    if all(_is_inside(get(each, "ipBlock", "cidr"), case) for each in old):
        operations: list[Operation] = [
            {"op": "test", "path": listed, "value": old},
            {"op": "replace", "path": listed, "value": peers},
        ]
        return Written(operations, "Name the peer by its labels instead of an address")
    more_peers: list[Operation] = [{"op": "add", "path": f"{listed}/-", "value": each} for each in peers]
    return Written(more_peers, "Name the peer by its labels, too")


def _fits_ports(policy: Json, listed: str, side: Side) -> bool:
    """Whether the rule restricts ports: a peer added to a rule without any would be open on all of them."""
    return bool(value_at(policy, f"{_parent(listed)}/ports"))


def _is_inside(cidr: Any, case: Case) -> bool:
    """Whether a block lies within (or around) the addresses of pods or Services: nothing outside ever has those."""
    own = (*case.environment.pod_cidrs, *case.environment.service_cidrs)
    try:
        block = ip_network(str(cidr), strict=False)
        inside = (_overlap(block, ip_network(each, strict=False)) for each in own)
        return block.prefixlen > 0 and block.is_private and any(inside)
    except ValueError:
        return False


def _overlap(one: Any, other: Any) -> bool:
    return one.version == other.version and bool(one.overlaps(other))


def _elsewhere(policy: Json, ref: PolicyRef, miss: Miss, side: Side, world: World) -> Written | None:
    """The peer with its namespace, beside the one that looks into the policy's own: that one may be in use."""
    if len(side.passages) > 1:
        return None
    listed = _parent(miss.path)
    if ref.kind == "NetworkPolicy":
        peers: Any = kubernetes_peers(side.passages[0], ref.namespace, world)
    else:
        peers = (cilium_peers(side, side.passages[0], ref.namespace, world) or {}).get(f"{side.word}Endpoints")
    if not peers or not isinstance(value_at(policy, listed), list):
        return None
    words = f"Name the namespace {side.passages[0].peer.namespace} with the peer"
    return Written([{"op": "add", "path": f"{listed}/-", "value": each} for each in peers], words)


# -- labels ----------------------------------------------------------------------------------------------------------


def _label(policy: Json, miss: Miss) -> Written | None:
    """A misspelt value in a `matchLabels`; a list of values or an odd operator is for a person."""
    old = value_at(policy, miss.path)
    if not miss.near or not miss.got or "/matchLabels/" not in miss.path or not isinstance(old, str):
        return None
    operations: list[Operation] = [
        {"op": "test", "path": miss.path, "value": old},
        {"op": "replace", "path": miss.path, "value": miss.got},
    ]
    return Written(operations, f"Correct the label {miss.key} from {old} to {miss.got}")


def _labelled(miss: Miss, side: Side, case: Case) -> Iterator[Correction]:
    """The label that the namespace lacks. What else that label opens is for the proof to say."""
    name = side.passages[0].peer.namespace
    spaces = [each for each in case[Policies].objects if kind_of(each) == "Namespace" and name_of(each) == name]
    key = miss.key.rpartition("io.cilium.k8s.namespace.labels.")[2]
    if not spaces or not miss.expected or key == NAMESPACE_NAME:
        return
    operation: Operation = {"op": "add", "path": f"/metadata/labels/{escaped(key)}", "value": miss.expected[0]}
    if not isinstance(get(spaces[0], "metadata", "labels"), Mapping):
        operation = {"op": "add", "path": "/metadata/labels", "value": {key: miss.expected[0]}}
    try:
        yield Correction(patched(spaces[0], [operation]), f"Label the namespace {name} {key}={miss.expected[0]}")
    except CannotPatch:
        return
