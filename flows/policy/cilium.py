"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of cilium.io/v2.

Where it differs from NetworkPolicy, each from ``Documentation/security/policy`` and ``pkg/policy/api``:
a direction is isolated as soon as its section has a rule (or as ``enableDefaultDeny`` says); an empty rule ``{}``
admits nobody; a policy without any rule is refused; an explicit empty list of peers is nobody, a missing one
everybody; deny rules beat every allow; a selector without a namespace looks into the policy's own one; an invalid
policy is not applied at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from flows.policy.addresses import parse_block
from flows.policy.catalog import Catalog, Service
from flows.policy.cilium_peers import (
    ENTITIES,
    NAMESPACE_LABELS,
    POD_NAMESPACE,
    CiliumEndpoints,
    Entity,
    Names,
    terms_of,
)
from flows.policy.kubernetes import port_range, ref_of
from flows.policy.model import Direction, Endpoint, PolicyRef
from flows.policy.peers import Addresses, AnyOf, Anyone, Nobody, Peer, Pods, Unclear
from flows.policy.ports import Icmp, Named, Port, Range
from flows.policy.profile import Profile
from flows.policy.reading import (
    Json,
    NotUnderstood,
    items,
    loose_items,
    loose_labels,
    loose_mapping,
    mapping,
    numbered,
    only,
    text,
)
from flows.policy.rules import Clause, Effect, Policy, Side, Subject
from flows.policy.selectors import EVERYTHING, Requirement, Selector, parse_selector

SECTIONS = {
    Direction.EGRESS: (("egress", Effect.ALLOW), ("egressDeny", Effect.DENY)),
    Direction.INGRESS: (("ingress", Effect.ALLOW), ("ingressDeny", Effect.DENY)),
}
_SPEC = ("endpointSelector", "nodeSelector", "enableDefaultDeny", "description", "labels", "log")
_SECTIONS = tuple(name for pairs in SECTIONS.values() for name, _ in pairs)
_L4 = ("toPorts", "icmps", "authentication")


def parse_cilium(policy: Json, profile: Profile, catalog: Catalog) -> tuple[Policy, ...]:
    """Every spec of the object as one policy. Never raises."""
    kind = str(policy.get("kind"))
    clusterwide = kind == "CiliumClusterwideNetworkPolicy"
    ref = ref_of(policy, kind, default_namespace="" if clusterwide else "default")
    return tuple(_policy(spec, path, ref, policy, profile, catalog) for path, spec in _specs(policy))


def _specs(policy: Json) -> Iterator[tuple[str, object]]:
    if policy.get("spec") is not None:
        yield "/spec", policy["spec"]
    specs = policy.get("specs")
    if isinstance(specs, list | tuple):
        yield from ((f"/specs/{index}", spec) for index, spec in enumerate(specs))
    elif specs is not None or policy.get("spec") is None:
        yield "/specs", specs


def _policy(value: object, path: str, ref: PolicyRef, policy: Json, profile: Profile, catalog: Catalog) -> Policy:
    everywhere = Subject(EVERYTHING, ref.namespace)
    try:
        spec = mapping(value, path)
        only(spec, (*_SPEC, *_SECTIONS), path)
        subject, inert = _subject(spec, path, ref.namespace, profile)
        sides = {direction: _side(spec, path, direction, ref.namespace, profile, catalog) for direction in Direction}
    except NotUnderstood as fault:
        return Policy(ref, replace(everywhere, doubt=str(fault)), fault=str(fault), inert=_inert(policy, profile))
    return _doubted(Policy(ref, subject, sides, inert=inert or _inert(policy, profile)), profile)


def _doubted(policy: Policy, profile: Profile) -> Policy:
    if profile.cilium_policies is None and not policy.inert:
        return replace(policy, fault="whether this datapath implements Cilium's policies is not known")
    return policy


def _inert(policy: Json, profile: Profile) -> str:
    if profile.cilium_policies is False:
        return "this datapath does not implement Cilium's policies"
    conditions = loose_items(loose_mapping(policy.get("status")).get("conditions"))
    invalid = [each for each in conditions if each.get("type") == "Valid" and each.get("status") == "False"]
    return f"Cilium calls it invalid and does not apply it: {invalid[0].get('message', '')}" if invalid else ""


def _subject(spec: Json, path: str, namespace: str, profile: Profile) -> tuple[Subject, str]:
    if spec.get("nodeSelector") is not None and spec.get("endpointSelector") is None:
        return Subject(EVERYTHING, namespace), "a host policy: it selects nodes, not pods"
    if spec.get("nodeSelector") is not None or spec.get("endpointSelector") is None:
        raise NotUnderstood(path, "exactly one of endpointSelector and nodeSelector is needed")
    selector = parse_selector(spec["endpointSelector"], f"{path}/endpointSelector", _hides(profile))
    pods, namespaces, doubt = _split(selector, namespace)
    return Subject(pods, namespace, namespaces, doubt), _without_rules(spec, path)


def _without_rules(spec: Json, path: str) -> str:
    if any(spec.get(name) for name in _SECTIONS):
        return ""
    if any(_default_deny(spec, path, direction) for direction in Direction):
        raise NotUnderstood(path, "a policy that isolates without rules: versions of Cilium differ on it")
    return "it has no rules, so it isolates nothing (newer versions of Cilium call it invalid)"


def _split(selector: Selector, namespace: str) -> tuple[Selector, Selector | None, str]:
    """An endpointSelector as pod labels and namespace labels, so that it can be indexed like any other."""
    pods: list[Requirement] = []
    namespaces: list[Requirement] = []
    for term in terms_of(selector):
        if term.source == "reserved" or term.key.startswith("io.cilium.k8s.policy."):
            return EVERYTHING, None, f"{term.wanted.path}: endpoints by {term.wanted.key} are not modelled"
        if term.key == POD_NAMESPACE:
            # a namespaced policy always means its own namespace, whatever stands here (ParseToCiliumRule)
            namespaces += [] if namespace else [replace(term.wanted, key="kubernetes.io/metadata.name")]
        elif term.key.startswith(NAMESPACE_LABELS):
            namespaces.append(replace(term.wanted, key=term.key.removeprefix(NAMESPACE_LABELS)))
        else:
            pods.append(replace(term.wanted, key=term.key))
    return Selector(tuple(pods)), Selector(tuple(namespaces)) if namespaces else None, ""


def _hides(profile: Profile) -> Callable[[str], bool]:
    def hides(key: str) -> bool:
        source, colon, rest = key.partition(":")
        return profile.hides(rest if colon and source in ("k8s", "any") else key) and "io.cilium.k8s." not in key

    return hides


def _side(spec: Json, path: str, direction: Direction, namespace: str, profile: Profile, catalog: Catalog) -> Side:
    present = [(name, effect) for name, effect in SECTIONS[direction] if spec.get(name) is not None]
    clauses = [
        _clause(index, rule, f"{path}/{name}/{index}", effect, direction, namespace, profile, catalog)
        for name, effect in present
        for index, rule in enumerate(items(spec[name], f"{path}/{name}"))
    ]
    wanted = _default_deny(spec, path, direction)
    return Side(bool(clauses) and wanted is not False, tuple(clauses))


def _default_deny(spec: Json, path: str, direction: Direction) -> bool | None:
    """``enableDefaultDeny`` (from 1.16): whether the direction is isolated whatever rules there are. Unset: it is if it
    has any rule; an empty list is none (``Sanitize`` in ``pkg/policy/api/rule_validation.go``)."""
    place = f"{path}/enableDefaultDeny"
    options = mapping(spec.get("enableDefaultDeny"), place)
    only(options, tuple(Direction), place)
    wanted = options.get(direction.value)
    if wanted is not None and not isinstance(wanted, bool):
        raise NotUnderstood(f"{place}/{direction.value}", "expected a truth value")
    return wanted


def _clause(
    index: int,
    rule: object,
    path: str,
    effect: Effect,
    direction: Direction,
    namespace: str,
    profile: Profile,
    catalog: Catalog,
) -> Clause:
    try:
        read = mapping(rule, path)
        word = "to" if direction is Direction.EGRESS else "from"
        peers = _peers(read, word, path, namespace, profile, catalog)
        ports, notes, shows_dns = _ports_of(read, path, profile)
    except NotUnderstood as fault:
        return Clause(index, effect, (), None, path, fault=str(fault))
    return Clause(index, effect, peers, ports, path, notes, shows_dns)


def _peers(rule: Json, word: str, path: str, namespace: str, profile: Profile, catalog: Catalog) -> tuple[Peer, ...]:
    readers = _Readers(namespace, profile, catalog).of(word)
    only(rule, (*_L4, *readers), path)
    named = [key for key in readers if rule.get(key) is not None]
    filled = [key for key in named if rule[key]]
    if len(filled) > 1:
        raise NotUnderstood(path, f"Cilium refuses {' and '.join(filled)} in one rule")
    if not named:
        return _without_peers(rule, path)
    if not filled:
        return (Nobody(f"the list {named[0]} is empty, which admits nobody", f"{path}/{named[0]}"),)
    key = filled[0]
    return tuple(readers[key](item, place) for place, item in numbered(rule[key], f"{path}/{key}"))


def _without_peers(rule: Json, path: str) -> tuple[Peer, ...]:
    """Ports alone mean "anyone on these ports"; nothing at all means nobody (the default-deny examples use it)."""
    if rule.get("toPorts") or rule.get("icmps"):
        return (Anyone(path),)
    return (Nobody("an empty rule {} admits nobody in a Cilium policy", path),)


Reader = Callable[[object, str], Peer]


class _Readers:
    """How to read one item of each kind of peer list."""

    def __init__(self, namespace: str, profile: Profile, catalog: Catalog) -> None:
        self.namespace, self.profile, self.catalog = namespace, profile, catalog

    def of(self, word: str) -> dict[str, Reader]:
        readers: dict[str, Reader] = {
            f"{word}Endpoints": self.endpoints,
            f"{word}CIDR": lambda item, path: _block(text(item, path), (), path),
            f"{word}CIDRSet": self.cidr_rule,
            f"{word}Entities": _entity,
            f"{word}Groups": lambda item, path: Unclear("groups of a cloud provider are not at hand", path, _outside),
            f"{word}Nodes": lambda item, path: Unclear("nodes by label are not modelled", path, _not_a_pod),
            f"{word}Requires": lambda item, path: _refused(path, f"{word}Requires was removed in Cilium 1.19"),
        }
        if word == "to":
            readers |= {"toFQDNs": _names, "toServices": self.services}
        return readers

    def endpoints(self, item: object, path: str) -> Peer:
        selector = parse_selector(item, path, _hides(self.profile))
        terms = terms_of(selector)
        if any(term.key.startswith("cidr") for term in terms if ":" in term.wanted.key):
            raise NotUnderstood(path, "cidr: labels are not modelled")
        reserved = any(term.source == "reserved" for term in terms)
        placed = any(term.key == POD_NAMESPACE or term.key.startswith(NAMESPACE_LABELS) for term in terms)
        scope = "" if reserved or placed else self.namespace
        return CiliumEndpoints(selector, terms, scope, not reserved, path)

    def cidr_rule(self, item: object, path: str) -> Peer:
        rule = mapping(item, path)
        only(rule, ("cidr", "except", "cidrGroupRef", "cidrGroupSelector"), path)
        excepts = tuple(text(each, where) for where, each in numbered(rule.get("except"), f"{path}/except"))
        if rule.get("cidr") is not None:
            return _block(text(rule["cidr"], f"{path}/cidr"), excepts, f"{path}/cidr")
        blocks = [_block(cidr, excepts, path) for cidr in self._group(rule, path)]
        return AnyOf(tuple(blocks), "a CIDR group", path)

    def _group(self, rule: Json, path: str) -> list[str]:
        if rule.get("cidrGroupRef") is not None:
            name = text(rule["cidrGroupRef"], f"{path}/cidrGroupRef")
            if name not in self.catalog.cidr_groups:
                raise NotUnderstood(path, f"the CiliumCIDRGroup {name} is not at hand")
            return list(self.catalog.cidr_groups[name])
        selector = parse_selector(rule.get("cidrGroupSelector"), f"{path}/cidrGroupSelector")
        chosen = [name for name, labels in self.catalog.cidr_group_labels.items() if selector.matches(labels)]
        if not chosen:
            raise NotUnderstood(path, "no CiliumCIDRGroup at hand matches the selector")
        return [cidr for name in chosen for cidr in self.catalog.cidr_groups[name]]

    def services(self, item: object, path: str) -> Peer:
        """Source: ``pkg/policy/k8s/service.go``: a Service stands for its selector, or for its endpoints' addresses."""
        rule = mapping(item, path)
        only(rule, ("k8sService", "k8sServiceSelector"), path)
        if rule.get("k8sServiceSelector") is not None:
            return self._by_selector(mapping(rule["k8sServiceSelector"], path), path)
        named = mapping(rule.get("k8sService"), f"{path}/k8sService")
        key = (text(named.get("namespace"), path) or self.namespace, text(named.get("serviceName"), path))
        if key == ("default", "kubernetes"):
            return Nobody("toServices does not reach default/kubernetes; toEntities kube-apiserver does", path)
        service = self.catalog.services.get(key)
        if service is None:
            return Unclear(f"the Service {key[0]}/{key[1]} is not at hand", path)
        return self._service(service, path)

    def _by_selector(self, rule: Json, path: str) -> Peer:
        only(rule, ("selector", "namespace"), path)
        selector = parse_selector(rule.get("selector"), f"{path}/selector")
        namespace = text(rule.get("namespace"), path)
        found = [
            s for s in self.catalog.services.values() if namespace in ("", s.namespace) and selector.matches(s.labels)
        ]
        return AnyOf(tuple(self._service(service, path) for service in found), f"Services {selector}", path)

    def _service(self, service: Service, path: str) -> Peer:
        name = f"Service {service.namespace}/{service.name}"
        if service.selector is not None:
            wanted = Selector(tuple(Requirement(key, "In", (value,), path) for key, value in service.selector.items()))
            return AnyOf((Pods(wanted, service.namespace, path=path),), name, path)
        addresses = self.catalog.endpoint_addresses.get((service.namespace, service.name))
        if addresses is None:
            return Unclear(f"the endpoints of {name} are not at hand", path, _outside)
        return AnyOf(tuple(_block(ip, (), path) for ip in addresses), name, path)


def _block(cidr: str, excepts: tuple[str, ...], path: str) -> Addresses:
    return Addresses(parse_block(cidr, excepts, path), path)


def _entity(item: object, path: str) -> Peer:
    name = text(item, path)
    if name not in ENTITIES:
        raise NotUnderstood(path, f"the entity {name!r} is not known")
    return Nobody("the entity none admits nobody", path) if name == "none" else Entity(name, path)


def _names(item: object, path: str) -> Peer:
    rule = mapping(item, path)
    only(rule, ("matchName", "matchPattern"), path)
    if rule.get("matchName") is not None:
        return Names(text(rule["matchName"], f"{path}/matchName"), True, f"{path}/matchName")
    if rule.get("matchPattern") is not None:
        return Names(text(rule["matchPattern"], f"{path}/matchPattern"), False, f"{path}/matchPattern")
    raise NotUnderstood(path, "neither matchName nor matchPattern")


def _refused(path: str, why: str) -> Peer:
    raise NotUnderstood(path, why)


def _outside(peer: Endpoint) -> bool:
    return not peer.is_pod


def _not_a_pod(peer: Endpoint) -> bool:
    return not peer.is_pod or peer.host_network


def _ports_of(rule: Json, path: str, profile: Profile) -> tuple[tuple[Port, ...] | None, tuple[str, ...], bool]:
    """The ports of a rule, what to say about L7, and whether it shows DNS answers to the datapath."""
    ports: list[Port] = []
    notes: list[str] = []
    for place, entry in numbered(rule.get("toPorts"), f"{path}/toPorts"):
        read = mapping(entry, place)
        only(read, ("ports", "rules", "terminatingTLS", "originatingTLS", "serverNames", "listener"), place)
        ports += _port_list(read, place, profile)
        notes += _l7_notes(read)
    if rule.get("toPorts") and rule.get("icmps"):
        raise NotUnderstood(path, "Cilium refuses toPorts and icmps in one rule")
    for place, entry in numbered(rule.get("icmps"), f"{path}/icmps"):
        ports += [icmp for where, field in _fields(entry, place) for icmp in _icmp(mapping(field, where), where)]
    if loose_mapping(rule.get("authentication")).get("mode") == "required":
        notes.append("mutual authentication is required")
    restricted = bool(rule.get("toPorts")) or bool(rule.get("icmps"))
    return tuple(ports) if restricted else None, tuple(notes), any(note.startswith("dns") for note in notes)


def _port_list(entry: Json, path: str, profile: Profile) -> Iterator[Port]:
    listed = list(numbered(entry.get("ports"), f"{path}/ports"))
    if not listed:
        raise NotUnderstood(path, "toPorts without ports is not modelled")
    for place, item in listed:
        yield from _port(mapping(item, place), place, profile)


def _port(entry: Json, path: str, profile: Profile) -> Iterator[Port]:
    only(entry, ("port", "endPort", "protocol"), path)
    protocol = (text(entry.get("protocol"), f"{path}/protocol") or "ANY").upper()
    if protocol not in ("ANY", "TCP", "UDP", "SCTP"):
        raise NotUnderstood(f"{path}/protocol", f"the protocol {protocol!r} is not known")
    port = str(entry["port"]) if isinstance(entry.get("port"), int) else text(entry.get("port"), f"{path}/port")
    for each in ("TCP", "UDP", "SCTP") if protocol == "ANY" else (protocol,):
        yield _one_port(each, port or "0", entry.get("endPort"), path, profile)


def _one_port(protocol: str, port: str, end: object, path: str, profile: Profile) -> Port:
    if not port.isdigit():
        return Named(port.lower(), protocol, path)
    if int(port) == 0:
        return Range(protocol, path=path)
    return port_range(protocol, int(port), end or None, path, profile)


def _l7_notes(entry: Json) -> Iterator[str]:
    for kind, rules in mapping(entry.get("rules"), "").items():
        if rules:
            yield f"{kind} rules apply after the L4 admission"
    for key in ("serverNames", "listener"):
        if entry.get(key):
            yield f"{key} apply after the L4 admission"


def _fields(entry: object, path: str) -> list[tuple[str, object]]:
    read = mapping(entry, path)
    only(read, ("fields",), path)
    return list(numbered(read.get("fields"), f"{path}/fields"))


def _icmp(field: Json, path: str) -> list[Port]:
    only(field, ("family", "type"), path)
    family = text(field.get("family"), f"{path}/family") or "IPv4"
    protocol = {"IPv4": "ICMP", "IPv6": "ICMPv6"}.get(family)
    if protocol is None:
        raise NotUnderstood(f"{path}/family", f"the family {family!r} is not known")
    return [Icmp(protocol, _icmp_type(field.get("type"), protocol, path), path)]


def _icmp_type(value: object, protocol: str, path: str) -> int:
    names = _ICMP_TYPES[protocol]
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, str) and value in names:
        return names[value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    raise NotUnderstood(f"{path}/type", f"the ICMP type {value!r} is not known")


# IANA's registry, in the spelling of pkg/policy/api/icmp.go
_ICMP_TYPES = {
    "ICMP": {
        "EchoReply": 0,
        "DestinationUnreachable": 3,
        "Redirect": 5,
        "Echo": 8,
        "EchoRequest": 8,
        "RouterAdvertisement": 9,
        "RouterSelection": 10,
        "TimeExceeded": 11,
        "ParameterProblem": 12,
        "Timestamp": 13,
        "TimestampReply": 14,
        "Photuris": 40,
        "ExtendedEchoRequest": 42,
        "ExtendedEchoReply": 43,
    },
    "ICMPv6": {
        "DestinationUnreachable": 1,
        "PacketTooBig": 2,
        "TimeExceeded": 3,
        "ParameterProblem": 4,
        "EchoRequest": 128,
        "EchoReply": 129,
        "RouterSolicitation": 133,
        "RouterAdvertisement": 134,
        "NeighborSolicitation": 135,
        "NeighborAdvertisement": 136,
    },
}


def group_cidrs(item: Json) -> tuple[str, ...]:
    """The blocks of a CiliumCIDRGroup."""
    cidrs = loose_mapping(item.get("spec")).get("externalCIDRs")
    return tuple(each for each in cidrs if isinstance(each, str)) if isinstance(cidrs, list | tuple) else ()


def group_labels(item: Json) -> dict[str, str]:
    return loose_labels(loose_mapping(item.get("metadata")).get("labels"))
