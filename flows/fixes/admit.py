"""The ways to let refused connections through, smallest first: one word corrected, one rule added, one policy added.

Each way is a draft: whether it helps, and what else it opens, is for the proof to say (`flows.fixes.proof`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from flows.denials.policy_world import world_of
from flows.denials.tunnels import may_tunnel
from flows.fixes.change import FixChange, created, owner_of, patched
from flows.fixes.correct import corrections
from flows.fixes.identity import selector_of
from flows.fixes.jsonpatch import CannotPatch, Operation
from flows.fixes.wording import Passage, RefusingSide, cilium_rule, is_one_of, kubernetes_rule, nodes_of, passages_of
from flows.model import AdmitTraffic, Case
from flows.policy import Datapath, Direction, Endpoint, Enforcement, Judgement, PolicyRef, PolicyWorld
from flows.policy.rules import Tier
from sensors.kit.objects import get, string_map

LIFETIME = timedelta(days=30)
CILIUM_KINDS = ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy")
CALICO_KINDS = ("Calico NetworkPolicy", "GlobalNetworkPolicy")


@dataclass(frozen=True, slots=True)
class Draft:
    """One way out, not yet proved.

    `rank`: the smaller the edit, the smaller. `gives_up` are ports that a rule no longer names: no loss where nobody
    serves them. `wide`: it holds for other pods, too, so that a person has to weigh it.
    """

    title: str
    changes: tuple[FixChange, ...]
    rank: int
    notes: tuple[str, ...] = ()
    gives_up: frozenset[int] = frozenset()
    wide: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """One way out for one side."""

    change: FixChange
    words: str
    rank: int
    notes: tuple[str, ...] = ()
    gives_up: frozenset[int] = frozenset()
    wide: bool = False


def drafts(remedy: AdmitTraffic, case: Case) -> list[Draft]:
    """Every way out, best first; several sides at once where several refuse. Empty when there is no word for it."""
    world = case.once(world_of)
    ways = [sorted(_ways(side, remedy, case, world), key=lambda way: way.rank) for side in sides(remedy, world)]
    if not ways or not all(ways):
        return []
    best = [_joined(choice) for choice in _choices(ways)]
    return sorted((each for each in best if each is not None), key=lambda each: each.rank)


def sides(remedy: AdmitTraffic, world: PolicyWorld) -> list[RefusingSide]:
    """Endpoints whose policies refuse, by direction, with what each should admit."""
    found: dict[tuple[Direction, str], list[Judgement]] = {}
    for each in remedy.denied:
        for verdict in (each.egress, each.ingress):
            if verdict.allowed is False and not verdict.denied_by:
                subject = each.traffic.source if verdict.direction is Direction.EGRESS else each.traffic.destination
                found.setdefault((verdict.direction, _name_of(subject)), []).append(each)
    return [_side(direction, judged, world) for (direction, _), judged in found.items()]


def _name_of(subject: Endpoint) -> str:
    return f"{subject.namespace}/{subject.workload or subject.pod}"


def _side(direction: Direction, judged: Sequence[Judgement], world: PolicyWorld) -> RefusingSide:
    traffics = [each.traffic for each in judged]
    subject = traffics[0].source if direction is Direction.EGRESS else traffics[0].destination
    return RefusingSide(direction, subject, passages_of(traffics, direction, world))


def _choices(ways: list[list[_Way]]) -> Iterator[tuple[_Way, ...]]:
    """The best way of every side together, then the alternatives of one side with the best of the others."""
    yield tuple(each[0] for each in ways)
    for number, options in enumerate(ways):
        for other in options[1:]:
            yield tuple(other if place == number else each[0] for place, each in enumerate(ways))


def _joined(ways: tuple[_Way, ...]) -> Draft | None:
    """Changes of one object become one patch; two new versions of one object cannot both be."""
    targets = [way.change.target for way in ways]
    if len(set(targets)) < len(targets):
        merged = _merged([way.change for way in ways])
        if merged is None:
            return None
        changes: tuple[FixChange, ...] = (merged,)
    else:
        changes = tuple(way.change for way in ways)
    notes = tuple(dict.fromkeys(note for way in ways for note in way.notes))
    rank, given = max(way.rank for way in ways), frozenset(port for way in ways for port in way.gives_up)
    return Draft("; ".join(way.words for way in ways), changes, rank, notes, given, any(way.wide for way in ways))


def _merged(changes: list[FixChange]) -> FixChange | None:
    before = changes[0].before
    if before is None:
        return None
    operations: list[Operation] = []
    for change in changes:
        operations += [each for each in change.patch if each not in operations or each["op"] != "test"]
    try:
        return patched(before, operations)
    except CannotPatch:
        return None


# -- ways for one side -----------------------------------------------------------------------------------------------

CORRECTED, AMENDED, ADDED, WIDER, BROADER = 0, 10, 20, 40, 50
"""The size of an edit: one word, one rule, one small policy; a word and a rule that hold for other pods, too."""

OWNED = 25
"""What an owner outside the cluster adds to the rank of a patch: it would be undone, a policy of our own would not."""


def _ways(side: RefusingSide, remedy: AdmitTraffic, case: Case, world: PolicyWorld) -> Iterator[_Way]:
    said = tuple(_of_nodes(side, case, world))
    for way in _all_ways(side, remedy, case, world):
        by_address = said if "ipBlock" in json.dumps(way.change.patch or way.change.after) else ()
        yield replace(way, notes=(*way.notes, *by_address))


def _all_ways(side: RefusingSide, remedy: AdmitTraffic, case: Case, world: PolicyWorld) -> Iterator[_Way]:
    yield from _corrected(side, remedy, case, world)
    for ref in _guilty(side, remedy, world)[:1]:
        yield from _amended(side, ref, world)
    kept = tuple(_kept(side, remedy, world))
    for way in _added(side, remedy, case, world):
        yield replace(way, notes=(*kept, *way.notes))


def _of_nodes(side: RefusingSide, case: Case, world: PolicyWorld) -> Iterator[str]:
    """Caution for a rule that lists nodes by their addresses."""
    nodes = [each for passage in side.passages if is_plain_node(passage.peer) for each in nodes_of(passage.peer, world)]
    away = [each for each in nodes if each.node and each.node != side.subject.node and not each.tunnel_ip]
    unknown = [each.node for each in away if may_tunnel(case, each.node)]
    if unknown and side.direction is Direction.INGRESS and world.profile.datapath is not Datapath.CILIUM:
        yield (
            f"on an overlay network {_list(unknown)} reaches pods of other nodes with the address of its tunnel, "
            "which is not known here: add that address to the rule, too"
        )
    if any(is_one_of(passage.peer, passage.peer) for passage in side.passages):
        yield "it lists the nodes of now: a node that joins later has to be added"


def _kept(side: RefusingSide, remedy: AdmitTraffic, world: PolicyWorld) -> Iterator[str]:
    """Reason not to change the policy itself: the tool that keeps it as it is."""
    for ref in _guilty(side, remedy, world)[:1]:
        before = world.policy_object(ref)
        if before is not None and (owner := owner_of(before)):
            yield f"{ref} is kept by {owner}, which would undo a change made there; to last, this belongs in its source"


def _guilty(side: RefusingSide, remedy: AdmitTraffic, world: PolicyWorld) -> list[PolicyRef]:
    """The policies in the way that isolate this side, in the remedy's order."""
    selecting = (policy for policy, _ in world.selecting(side.subject, side.direction))
    isolating = {policy.ref for policy in selecting if policy.side(side.direction).isolates}
    return [ref for ref in remedy.guilty if ref in isolating] or sorted(isolating)


def _corrected(side: RefusingSide, remedy: AdmitTraffic, case: Case, world: PolicyWorld) -> Iterator[_Way]:
    if remedy.correction is None:
        return
    ref, miss = remedy.correction
    if ref.kind in CALICO_KINDS:  # other words in other places: no patch of ours fits them
        return
    for place, found in enumerate(corrections(ref, miss, side, case, world)):
        holds_for = tuple(_holds_for_others(found.change, ref, side, world))
        rank = (WIDER if holds_for else CORRECTED + place) + (OWNED if found.change.owner else 0)
        yield _Way(found.change, found.words, rank, holds_for, found.gives_up, bool(holds_for))


def _holds_for_others(change: FixChange, ref: PolicyRef, side: RefusingSide, world: PolicyWorld) -> Iterator[str]:
    """Other connections that a change of a policy, or of a namespace's labels, is about."""
    if change.target.kind == "Namespace":
        name = change.target.name
        pods = (each for each in world.inventory.pods.values() if each.namespace == name)
        others = sorted({_name_of(each) for each in pods} - {_name_of(each.peer) for each in side.passages})
        if others:
            yield f"the label is for all of namespace {name}, {_list(others)} too: whatever admits it admits them"
    elif others := _others(ref, side.subject, world):
        yield f"{ref} also selects {_list(others)}: the rule would hold for them, too"


def _holds_for_all(ref: PolicyRef, side: RefusingSide, world: PolicyWorld) -> Iterator[str]:
    """Checks that the policy selects pods whatever their labels: then a rule more holds for those yet to come, too."""
    nobody = replace(side.subject, pod="any", labels={}, workload="", ip="")
    if any(each.ref == ref and each.selects(nobody, world.profile) for each in world.policies):
        yield f"{ref} selects pods whatever their labels: the rule would hold for those yet to come, too"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _amended(side: RefusingSide, ref: PolicyRef, world: PolicyWorld) -> Iterator[_Way]:
    """A rule more in the policy in the way, where it has a word for the peer."""
    before = world.policy_object(ref)
    writer = cilium_rule if ref.kind in CILIUM_KINDS else kubernetes_rule
    spec = get(before, "spec")
    if before is None or not isinstance(spec, Mapping) or ref.kind not in ("NetworkPolicy", *CILIUM_KINDS):
        return
    rules = [writer(side, each, ref.namespace, world) for each in side.passages]
    if not rules or None in rules:
        return
    try:
        change = patched(before, _appended(spec, side.key, rules))
    except CannotPatch:
        return
    rank = AMENDED + (OWNED if change.owner else 0)
    notes = tuple(_holds_for_others(change, ref, side, world)) or tuple(_holds_for_all(ref, side, world))
    wide = bool(notes) or _names_nodes(side)
    words = f"Add to {ref} {_what(side, rules)}"
    yield _Way(change, words, BROADER if notes else rank, (*notes, *_cautions(rules, side)), wide=wide)


def _appended(spec: Mapping[str, Any], key: str, rules: Sequence[Any]) -> list[Operation]:
    """An empty list of rules is stored without its key, and `add …/-` needs the list."""
    if isinstance(spec.get(key), list):
        return [{"op": "add", "path": f"/spec/{key}/-", "value": rule} for rule in rules]
    return [{"op": "add", "path": f"/spec/{key}", "value": list(rules)}]


def _others(ref: PolicyRef, subject: Endpoint, world: PolicyWorld) -> list[str]:
    """Other workloads that the policy selects."""
    policies = [each for each in world.policies if each.ref == ref]
    pods = world.inventory.pods.values()
    found = {_name_of(pod) for pod in pods if any(each.selects(pod, world.profile) for each in policies)}
    return sorted(found - {_name_of(subject)})


def _added(side: RefusingSide, remedy: AdmitTraffic, case: Case, world: PolicyWorld) -> Iterator[_Way]:
    """A small policy of our own beside the others: nobody's file is edited, and the way back is to delete it."""
    namespace = side.subject.namespace
    labels = _own_selector(side, remedy, world)
    if not labels or not namespace or not _is_isolated(side, world):
        return
    plain = [kubernetes_rule(side, each, namespace, world) for each in side.passages]
    special = [cilium_rule(side, each, namespace, world) for each in side.passages]
    knows_cilium = world.profile.datapath is Datapath.CILIUM and bool(special) and None not in special
    by_name = knows_cilium and any("toFQDNs" in rule for rule in special if rule)
    if plain and None not in plain and not by_name:
        types = [side.key.capitalize()]
        spec = {"podSelector": {"matchLabels": labels}, "policyTypes": types, side.key: plain}
        yield _addition(case, side, "networking.k8s.io/v1", "NetworkPolicy", spec)
    elif knows_cilium:
        spec = {"endpointSelector": {"matchLabels": labels}, side.key: special}
        yield _addition(case, side, "cilium.io/v2", "CiliumNetworkPolicy", spec)


def _is_isolated(side: RefusingSide, world: PolicyWorld) -> bool:
    """Checks whether some policy isolates the pod in this direction already: else ours would, and cut all the rest."""
    selecting = [policy for policy, certain in world.selecting(side.subject, side.direction) if certain]
    isolating = (each for each in selecting if each.side(side.direction).isolates and not each.inert)
    always = world.profile.enforcement is Enforcement.ALWAYS
    return always or any(each.tier is Tier.NAMESPACE for each in isolating)


def _own_selector(side: RefusingSide, remedy: AdmitTraffic, world: PolicyWorld) -> dict[str, str]:
    """The labels of the policy in the way if they mean this workload alone, else the workload's own."""
    used = []
    for ref in _guilty(side, remedy, world):
        spec: Any = get(world.policy_object(ref), "spec")
        key = "endpointSelector" if ref.kind in CILIUM_KINDS else "podSelector"
        if not get(spec, key, "matchExpressions") and ref.namespace:
            labels = string_map(spec, key, "matchLabels")
            used.append({name.removeprefix("k8s:"): value for name, value in labels.items()})
    return selector_of(side.subject, world, used)


def _addition(case: Case, side: RefusingSide, api: str, kind: str, spec: Mapping[str, Any]) -> _Way:
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]
    name = f"kai-allow-{digest}"
    manifest = {
        "apiVersion": api,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": side.subject.namespace,
            "labels": {"app.kubernetes.io/managed-by": "kai-netdebug"},
            "annotations": {
                "kai.dev/investigation": f"{case.target} at {case.at:%Y-%m-%dT%H:%M:%SZ}",
                "kai.dev/expires": f"{case.at + LIFETIME:%Y-%m-%d}",
            },
        },
        "spec": dict(spec),
    }
    words = f"Add {kind} {side.subject.namespace}/{name} with {_what(side, spec[side.key])}"
    return _Way(created(manifest), words, ADDED, _cautions(spec, side), wide=_names_nodes(side))


def _cautions(written: object, side: RefusingSide) -> tuple[str, ...]:
    """Cautions about the words of the rule, for a person."""
    text = json.dumps(written)
    by_address = any(each.peer.fqdns for each in side.passages) and ("CIDR" in text or "ipBlock" in text)
    changes = "the address of a name changes: the rule holds only as long as this address does"
    nodes = "it holds for every process of those nodes, not for one pod"
    return tuple(words for words, holds in ((changes, by_address), (nodes, _names_nodes(side))) if holds)


def _names_nodes(side: RefusingSide) -> bool:
    """Checks whether a peer can only be named as a node: that means everything on it, and a person has to weigh it."""
    return any(is_plain_node(each.peer) for each in side.passages)


def is_plain_node(peer: Endpoint) -> bool:
    """A node, or a pod on its network, that is not the API server."""
    return peer.host_network and "kube-apiserver" not in peer.entities


def _what(side: RefusingSide, rules: Sequence[Any]) -> str:
    """`an egress rule to the API server on TCP 6443`."""
    pairs = zip(side.passages, rules, strict=True)
    parts = [f"{_peer_words(each, get(rule, f'{side.word}Entities'))} on {_port_words(each)}" for each, rule in pairs]
    article = "an egress rule" if side.direction is Direction.EGRESS else "an ingress rule"
    return f"{article} {side.word} {' and '.join(parts)}"


def _port_words(passage: Passage) -> str:
    return ", ".join(f"{protocol} {port}" for protocol, port in passage.ports)


ENTITIES = {("host",): "the pod's own node", ("remote-node",): "every other node"}


def _peer_words(passage: Passage, entities: Any) -> str:
    """The peer as the rule means it: a word for nodes means every one of them, with all that runs there."""
    peer = passage.peer
    if peer.is_pod and not peer.host_network:
        return f"{peer.namespace}/{peer.workload.partition(' ')[2] or peer.pod}"
    if "kube-apiserver" in peer.entities:
        return "the API server"
    if peer.host_network and entities:
        return f"every process of {ENTITIES.get(tuple(entities), 'every node')}"
    if is_one_of(peer, peer):
        return f"every process of each node of {peer.namespace}/{peer.workload.partition(' ')[2]} (a DaemonSet)"
    if peer.host_network:
        return f"every process of node {peer.node or peer.ip}"
    return peer.fqdns[0] if peer.fqdns else peer.ip
