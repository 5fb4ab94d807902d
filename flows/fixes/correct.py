"""Corrects the one wrong word in a policy (or the one missing label of a namespace) that stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flows.fixes.change import FixChange, Json, patched
from flows.fixes.closing import is_nobody_s
from flows.fixes.jsonpatch import CannotPatch, Operation, escaped, value_at
from flows.fixes.wording import RefusingSide, cilium_peers, kubernetes_peers
from flows.model import Case
from flows.policy import Miss, MissKind, PolicyRef, PolicyWorld
from flows.policy.calico_selectors import NAMESPACE_NAME
from sensors.k8s_network_policies import Policies
from sensors.kit.objects import get, kind_of, name_of, number


@dataclass(frozen=True, slots=True)
class Correction:
    """A corrected word. `gives_up` are ports that the rule no longer names."""

    change: FixChange
    words: str
    gives_up: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class PolicyEdit:
    operations: list[Operation]
    words: str
    gives_up: frozenset[int] = frozenset()


PORT_KINDS = (MissKind.PORT, MissKind.NAMED_PORT, MissKind.PROTOCOL)


def corrections(ref: PolicyRef, miss: Miss, side: RefusingSide, case: Case, world: PolicyWorld) -> Iterator[Correction]:
    """The corrections of one miss, each with its words; none where no single word mends it."""
    policy = world.policy_object(ref)
    if policy is None:
        return
    if miss.kind is MissKind.NAMESPACE_LABEL and not miss.got and not miss.near:
        yield from _labelled(miss, side, case)
        return
    for written in _written(policy, ref, miss, side, case, world):
        try:
            yield Correction(patched(policy, written.operations), f"{written.words} in {ref}", written.gives_up)
        except CannotPatch:
            continue


def _written(
    policy: Json, ref: PolicyRef, miss: Miss, side: RefusingSide, case: Case, world: PolicyWorld
) -> Iterator[PolicyEdit]:
    """The right word in place of the wrong one, then beside it: the wrong one may be right for somebody else."""
    if miss.kind in PORT_KINDS:
        yield from _port(policy, miss, side)
    elif miss.kind is MissKind.FQDN:
        yield from _name(policy, miss, side)
    elif miss.kind is MissKind.FQDN_NOT_SEEN:
        yield from _shown_answers(policy, miss)
    elif miss.kind in (MissKind.CIDR_NEVER_MATCHES, MissKind.CIDR):
        yield from _peers(policy, ref, miss, side, case, world)
    elif miss.kind is MissKind.NAMESPACE:
        yield from _elsewhere(policy, ref, miss, side, world)
    else:
        yield from _label(policy, miss)


def _parent(path: str, levels: int = 1) -> str:
    for _ in range(levels):
        path = path.rpartition("/")[0]
    return path


# -- ports -----------------------------------------------------------------------------------------------------------


def _port(policy: Json, miss: Miss, side: RefusingSide) -> Iterator[PolicyEdit]:
    """The right port in place of the one in the rule, and beside it."""
    entry_path = _parent(miss.path)
    entry = value_at(policy, entry_path)
    (protocol, port), *more = side.passages[0].ports
    if not isinstance(entry, Mapping) or "port" not in entry or more or len(side.passages) > 1:
        return
    if value_at(policy, f"{_parent(entry_path, 2)}/rules"):  # L7 rules would hold for the port, too
        return
    value: int | str = str(port) if "/toPorts/" in miss.path else port
    same_protocol = miss.kind is not MissKind.PROTOCOL and entry.get("protocol", "TCP") in (protocol, "ANY")
    if same_protocol and "endPort" not in entry:
        yield _other_port(f"{entry_path}/port", entry["port"], value)
    added = {"port": value, "protocol": protocol}
    more_ports: Operation = {"op": "add", "path": f"{_parent(entry_path)}/-", "value": added}
    yield PolicyEdit([more_ports], f"Add {protocol} {port} to the ports")


def _other_port(path: str, old: Any, new: int | str) -> PolicyEdit:
    operations: list[Operation] = [
        {"op": "test", "path": path, "value": old},
        {"op": "replace", "path": path, "value": new},
    ]
    given = number(old)
    return PolicyEdit(
        operations, f"Correct the port from {old} to {new}", frozenset({given} if given is not None else ())
    )


# -- peers -----------------------------------------------------------------------------------------------------------


def _name(policy: Json, miss: Miss, side: RefusingSide) -> Iterator[PolicyEdit]:
    """One name more in the list that has names already."""
    listed = _parent(miss.path, 2)
    name = side.passages[0].peer.fqdns[0].rstrip(".") if side.passages[0].peer.fqdns else ""
    if name and isinstance(value_at(policy, listed), list) and len(side.passages) == 1:
        yield PolicyEdit([{"op": "add", "path": f"{listed}/-", "value": {"matchName": name}}], f"Add the name {name}")


def _shown_answers(policy: Json, miss: Miss) -> Iterator[PolicyEdit]:
    """A DNS rule where the policy lets the pod ask its resolver: through it the datapath learns which address is meant.

    Every name may still be asked; what is allowed to be reached does not change.
    """
    listed = _parent(miss.path, 4)  # /spec/egress of /spec/egress/1/toFQDNs/0/matchName
    for index, rule in enumerate(_list(value_at(policy, listed))):
        for number_, ports in enumerate(_list(get(rule, "toPorts"))):
            asked = [str(get(each, "port")) for each in _list(get(ports, "ports"))]
            if asked and set(asked) == {"53"} and "rules" not in ports:
                path = f"{listed}/{index}/toPorts/{number_}/rules"
                value = {"dns": [{"matchPattern": "*"}]}
                yield PolicyEdit([{"op": "add", "path": path, "value": value}], "Show the DNS answers to the datapath")
                return


def _list(value: Any) -> list[Any]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _peers(
    policy: Json, ref: PolicyRef, miss: Miss, side: RefusingSide, case: Case, world: PolicyWorld
) -> Iterator[PolicyEdit]:
    """The peer by who it is: in place of addresses that nobody outside has, and beside the addresses."""
    if ref.kind != "NetworkPolicy" or len(side.passages) > 1:
        return
    listed = _parent(miss.path, 3)  # /spec/egress/1/to of /spec/egress/1/to/0/ipBlock/cidr
    old = value_at(policy, listed)
    peers = kubernetes_peers(side, side.passages[0], ref.namespace, world)
    if not isinstance(old, list) or peers is None or not _fits_ports(policy, listed):
        return
    if all(is_nobody_s(case, get(each, "ipBlock", "cidr")) for each in old):
        operations: list[Operation] = [
            {"op": "test", "path": listed, "value": old},
            {"op": "replace", "path": listed, "value": peers},
        ]
        yield PolicyEdit(operations, "Replace the address by the labels of the peer")
    more_peers: list[Operation] = [{"op": "add", "path": f"{listed}/-", "value": each} for each in peers]
    yield PolicyEdit(more_peers, "Add the peer by its labels")


def _fits_ports(policy: Json, listed: str) -> bool:
    """Checks whether the rule restricts ports: a peer added to a rule without any would be open on all of them."""
    return bool(value_at(policy, f"{_parent(listed)}/ports"))


def _elsewhere(
    policy: Json, ref: PolicyRef, miss: Miss, side: RefusingSide, world: PolicyWorld
) -> Iterator[PolicyEdit]:
    """The peer with its namespace, beside the one that looks into the policy's own: that one may be in use."""
    if len(side.passages) > 1:
        return
    listed = _parent(miss.path)
    if ref.kind == "NetworkPolicy":
        peers: Any = kubernetes_peers(side, side.passages[0], ref.namespace, world)
    else:
        peers = (cilium_peers(side, side.passages[0], ref.namespace, world) or {}).get(f"{side.word}Endpoints")
    if peers and isinstance(value_at(policy, listed), list):
        words = f"Add the peer with its namespace {side.passages[0].peer.namespace}"
        yield PolicyEdit([{"op": "add", "path": f"{listed}/-", "value": each} for each in peers], words)


# -- labels ----------------------------------------------------------------------------------------------------------


def _label(policy: Json, miss: Miss) -> Iterator[PolicyEdit]:
    """A misspelt value in a `matchLabels`; a list of values or an odd operator is for a person."""
    old = value_at(policy, miss.path)
    if not miss.near or not miss.got or "/matchLabels/" not in miss.path or not isinstance(old, str):
        return
    operations: list[Operation] = [
        {"op": "test", "path": miss.path, "value": old},
        {"op": "replace", "path": miss.path, "value": miss.got},
    ]
    yield PolicyEdit(operations, f"Correct the label {miss.key} from {old} to {miss.got}")


def _labelled(miss: Miss, side: RefusingSide, case: Case) -> Iterator[Correction]:
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
