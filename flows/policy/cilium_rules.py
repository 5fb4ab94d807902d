"""One rule of a Cilium policy: whom it means. Which ports, is in ``cilium_ports``.

From ``pkg/policy/api`` and ``pkg/policy/utils/parserules.go``: an empty rule ``{}`` admits nobody; ports alone mean
everyone on these ports; an explicit empty list of endpoints, nodes, entities or CIDRs is nobody, while one of names,
groups or Services leaves the peer open, so that with ports it means everyone on them; a selector without a namespace
looks into the policy's own one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from flows.policy.addresses import Network, parse_block, parse_network
from flows.policy.catalog import CatalogService, ServiceCatalog
from flows.policy.cilium_peers import (
    ENTITIES,
    NAMESPACE_LABELS,
    POD_NAMESPACE,
    CiliumEndpoints,
    Entity,
    FqdnPeer,
    terms_of,
)
from flows.policy.cilium_ports import read_ports
from flows.policy.model import Direction, Endpoint
from flows.policy.peers import Addresses, AnyOf, Anyone, Nobody, PolicyPeer, SelectedPodsPeer, UnclearPeer
from flows.policy.profile import Profile
from flows.policy.reading import Invalid, Json, NotUnderstood, mapping, numbered, only, text
from flows.policy.rules import Clause, Effect
from flows.policy.selectors import Requirement, Selector, parse_selector

_L4 = ("toPorts", "icmps", "authentication")
_NEVER_EMPTY = ("Endpoints", "Nodes", "Entities", "CIDR", "CIDRSet")  # an empty list of these is nobody
_PREFIX = re.compile(r"[0-9A-Fa-f:.]+/\d{1,3}")
_NAME = re.compile(r"[-a-zA-Z0-9_.]+\.?")
_PATTERN = re.compile(r"[-a-zA-Z0-9_.*]+\.?")

Reader = Callable[[object, str], PolicyPeer]


@dataclass(frozen=True, slots=True)
class RuleReading:
    """Context in which a rule is read. ``judged``: Cilium has said of the object whether it is valid."""

    namespace: str  # "" = cluster-wide
    profile: Profile
    catalog: ServiceCatalog
    judged: bool = False


def hides(profile: Profile) -> Callable[[str], bool]:
    """Labels, in Cilium's spelling, that identities leave out."""

    def hidden(key: str) -> bool:
        source, colon, rest = key.partition(":")
        return profile.hides(rest if colon and source in ("k8s", "any") else key) and "io.cilium.k8s." not in key

    return hidden


def read_rule(index: int, rule: Json, path: str, effect: Effect, direction: Direction, reading: RuleReading) -> Clause:
    """Raises ``Invalid`` for what Cilium refuses, ``NotUnderstood`` for what is not known here."""
    word = "to" if direction is Direction.EGRESS else "from"
    peers, note = _Peers(reading, rule, path, word, effect).read()
    ports, notes, shows_dns = read_ports(rule, path, direction, effect, reading.profile)
    return Clause(index, effect, peers, ports, path, (*note, *notes), shows_dns)


@dataclass(frozen=True, slots=True)
class _Peers:
    """Reads the peers of one rule."""

    reading: RuleReading
    rule: Json
    path: str
    word: str  # "to" or "from"
    effect: Effect

    def read(self) -> tuple[tuple[PolicyPeer, ...], tuple[str, ...]]:
        """The peers, and what to say beside them."""
        readers = self._readers()
        only(self.rule, (*_L4, *readers), self.path)
        named = [key for key in readers if self.rule.get(key) is not None]
        filled = [key for key in named if self.rule[key]]
        self._check(filled)
        closed = [key for key in named if key not in filled and key.removeprefix(self.word) in _NEVER_EMPTY]
        if closed:
            return (Nobody(f"the list {closed[0]} is empty, which admits no peer", f"{self.path}/{closed[0]}"),), ()
        if not filled:
            return self._without_peers(named)
        key = filled[0]
        peers = tuple(readers[key](item, place) for place, item in numbered(self.rule[key], f"{self.path}/{key}"))
        if key == "toServices" and all(isinstance(each, AnyOf) and not each.peers for each in peers):
            return self._without_services(peers)
        return peers, ()

    def _check(self, filled: list[str]) -> None:
        if len(filled) > 1:
            raise Invalid(self.path, f"{' and '.join(filled)} cannot stand in one rule")
        if filled == ["toServices"] and self._has_ports() and self.reading.profile.services_by_selector is False:
            raise Invalid(self.path, "toServices and toPorts cannot stand in one rule before Cilium 1.17")

    def _has_ports(self) -> bool:
        return bool(self.rule.get("toPorts") or self.rule.get("icmps"))

    def _without_peers(self, empty: list[str]) -> tuple[tuple[PolicyPeer, ...], tuple[str, ...]]:
        """Ports alone mean "anyone on these ports"; nothing at all means nobody (the default-deny examples use it)."""
        if self._has_ports():
            note = f"an empty {empty[0]} means everyone on these ports" if empty else ""
            return (Anyone(self.path),), (note,) if note else ()
        if empty:
            return (Nobody(f"the list {empty[0]} is empty, which admits no peer", f"{self.path}/{empty[0]}"),), ()
        return (Nobody("an empty rule {} admits no peer in a Cilium policy", self.path),), ()

    def _without_services(self, peers: tuple[PolicyPeer, ...]) -> tuple[tuple[PolicyPeer, ...], tuple[str, ...]]:
        """No Service stands behind toServices: with ports the rule is then everyone's (``PolicyEntry.L3``)."""
        if not self._has_ports():
            return peers, ()
        return (Anyone(self.path),), ("no Service matches, and Cilium then means everyone on these ports",)

    def _readers(self) -> dict[str, Reader]:
        word = self.word
        readers: dict[str, Reader] = {
            f"{word}Endpoints": self._endpoints,
            f"{word}CIDR": _cidr,
            f"{word}CIDRSet": self._cidr_rule,
            f"{word}Entities": _entity,
            f"{word}Groups": lambda item, path: UnclearPeer(
                "groups of a cloud provider are not at hand", path, _outside
            ),
            f"{word}Nodes": lambda item, path: UnclearPeer("nodes by label are not modelled", path, _not_a_pod),
            f"{word}Requires": lambda item, path: _gone(path, f"{word}Requires was removed in Cilium 1.19"),
        }
        if word == "to":
            readers["toServices"] = self._services
        if word == "to" and self.effect is Effect.ALLOW:
            readers["toFQDNs"] = _names
        return readers

    def _endpoints(self, item: object, path: str) -> PolicyPeer:
        selector = parse_selector(item, path, hides(self.reading.profile))
        terms, namespace = terms_of(selector), self.reading.namespace
        if any(term.key.startswith("cidr") for term in terms if ":" in term.wanted.key):
            raise NotUnderstood(path, "cidr: labels are not modelled")
        if any(term.source == "reserved" for term in terms):
            return CiliumEndpoints(selector, terms, "", False, path)
        named = any(term.key == POD_NAMESPACE for term in terms)
        placed = named or any(term.key.startswith(NAMESPACE_LABELS) for term in terms)
        scope = "" if placed else namespace
        return CiliumEndpoints(selector, terms, scope, not named and not (namespace and placed), path)

    def _cidr_rule(self, item: object, path: str) -> PolicyPeer:
        rule = mapping(item, path)
        only(rule, ("cidr", "except", "cidrGroupRef", "cidrGroupSelector"), path)
        if len([key for key in rule if key != "except" and rule[key] not in (None, "")]) != 1:
            raise Invalid(path, "exactly one of cidr, cidrGroupRef and cidrGroupSelector is needed")
        excepts = [(where, text(each, where)) for where, each in numbered(rule.get("except"), f"{path}/except")]
        if rule.get("cidr"):
            return _block_less(text(rule["cidr"], f"{path}/cidr"), excepts, f"{path}/cidr")
        blocks = [_block(cidr, tuple(each for _, each in excepts), path) for cidr in self._group(rule, path)]
        return AnyOf(tuple(blocks), "a CIDR group", path)

    def _group(self, rule: Json, path: str) -> list[str]:
        catalog = self.reading.catalog
        if rule.get("cidrGroupRef") is not None:
            name = text(rule["cidrGroupRef"], f"{path}/cidrGroupRef")
            if name not in catalog.cidr_groups:
                raise NotUnderstood(path, f"the CiliumCIDRGroup {name} is not at hand")
            return list(catalog.cidr_groups[name])
        selector = parse_selector(rule.get("cidrGroupSelector"), f"{path}/cidrGroupSelector")
        chosen = [name for name, labels in catalog.cidr_group_labels.items() if selector.matches(labels)]
        if not chosen:
            raise NotUnderstood(path, "no CiliumCIDRGroup at hand matches the selector")
        return [cidr for name in chosen for cidr in catalog.cidr_groups[name]]

    def _services(self, item: object, path: str) -> PolicyPeer:
        """Source: ``pkg/policy/k8s/service.go``: a Service stands for its selector, or for its endpoints' addresses;
        without a namespace for every Service of the name; in a deny rule for nothing, since nothing resolves it."""
        rule = mapping(item, path)
        only(rule, ("k8sService", "k8sServiceSelector"), path)
        if rule.get("k8sServiceSelector") is not None:
            found, name = self._by_selector(mapping(rule["k8sServiceSelector"], path), path)
        else:
            found, name = self._by_name(mapping(rule.get("k8sService"), f"{path}/k8sService"), path)
        if self.effect is Effect.DENY:
            return AnyOf((), name, path)
        if not found and (rule.get("k8sServiceSelector") is None or not self.reading.catalog.services):
            return UnclearPeer(f"the {name} is not at hand", path)
        peers = [self._service(service, path) for service in found]
        return AnyOf(tuple(peer for peer in peers if not _is_empty(peer)), name, path)

    def _by_name(self, named: Json, path: str) -> tuple[list[CatalogService], str]:
        space, name = text(named.get("namespace"), path), text(named.get("serviceName"), path)
        services = self.reading.catalog.services
        if space:
            found = services.get((space, name))
            return [found] if found else [], f"Service {space}/{name}"
        return [each for (_, known), each in services.items() if known == name], f"Service {name}"

    def _by_selector(self, rule: Json, path: str) -> tuple[list[CatalogService], str]:
        only(rule, ("selector", "namespace"), path)
        selector = parse_selector(rule.get("selector"), f"{path}/selector")
        bare = Selector(tuple(_without_source(each) for each in selector.requirements))
        space, services = text(rule.get("namespace"), path), self.reading.catalog.services.values()
        found = [each for each in services if space in ("", each.namespace) and bare.matches(each.labels)]
        return found, f"Services {selector}"

    def _service(self, service: CatalogService, path: str) -> PolicyPeer:
        name = f"Service {service.namespace}/{service.name}"
        if service.selector is not None:
            return self._selected(service.selector, service.namespace, name, path)
        addresses = self.reading.catalog.endpoint_addresses.get((service.namespace, service.name))
        if addresses is None:
            return UnclearPeer(f"the endpoints of {name} are not at hand", path, _outside)
        return AnyOf(tuple(_block(ip, (), path) for ip in addresses), name, path)

    def _selected(self, labels: object, namespace: str, name: str, path: str) -> PolicyPeer:
        """The pods behind a Service; before Cilium 1.17 only Services without a selector counted."""
        wanted = Selector(tuple(Requirement(k, "In", (v,), path) for k, v in mapping(labels, path).items()))
        pods, known = SelectedPodsPeer(wanted, namespace, path=path), self.reading.profile.services_by_selector
        if known is None:
            why = f"before Cilium 1.17 toServices did not reach {name}, which has a selector; the version is not known"
            return UnclearPeer(why, path, pods=pods)
        return AnyOf((pods,) if known else (), name, path)


def _is_empty(peer: PolicyPeer) -> bool:
    return isinstance(peer, AnyOf) and not peer.peers


def _without_source(wanted: Requirement) -> Requirement:
    """Labels of Services have no source, so Cilium compares the key behind it."""
    _, colon, key = wanted.key.partition(":")
    return Requirement(key, wanted.operator, wanted.values, wanted.path) if colon else wanted


def _cidr(item: object, path: str) -> PolicyPeer:
    """A CIDR or a bare address."""
    return _block(text(item, path), (), path)


def _block(cidr: str, excepts: tuple[str, ...], path: str) -> Addresses:
    if "/" in cidr and not _PREFIX.fullmatch(cidr):
        raise Invalid(path, f"{cidr!r} is not a CIDR")
    return Addresses(parse_block(cidr, excepts, path), path)


def _block_less(cidr: str, excepts: list[tuple[str, str]], path: str) -> Addresses:
    """Unlike toCIDR, toCIDRSet wants a prefix length, and exceptions inside the block (``CIDRRule.sanitize``)."""
    whole = _prefix(cidr, path)
    for where, each in excepts:
        hole = _prefix(each, where)
        if hole.version != whole.version or not hole.subnet_of(whole):  # type: ignore[arg-type]
            raise Invalid(where, f"the exception {each} is outside {cidr}")
    return _block(cidr, tuple(each for _, each in excepts), path)


def _prefix(cidr: str, path: str) -> Network:
    if not _PREFIX.fullmatch(cidr):
        raise Invalid(path, f"{cidr!r} is no CIDR with a prefix length")
    return parse_network(cidr, path)


def _entity(item: object, path: str) -> PolicyPeer:
    name = text(item, path)
    if name not in ENTITIES:
        raise Invalid(path, f"the entity {name!r} is not known")
    return Nobody("the entity none admits no peer", path) if name == "none" else Entity(name, path)


def _names(item: object, path: str) -> PolicyPeer:
    rule = mapping(item, path)
    only(rule, ("matchName", "matchPattern"), path)
    name, pattern = (text(rule.get(key), f"{path}/{key}") for key in ("matchName", "matchPattern"))
    if name and pattern:
        raise Invalid(path, "only one of matchName and matchPattern can stand in an entry")
    for key, word, allowed in (("matchName", name, _NAME), ("matchPattern", pattern, _PATTERN)):
        if word and not allowed.fullmatch(word):
            raise Invalid(f"{path}/{key}", f"{word!r} is no name")
    if not name and not pattern:
        raise NotUnderstood(path, "neither matchName nor matchPattern")
    return FqdnPeer(name or pattern, bool(name), f"{path}/{'matchName' if name else 'matchPattern'}")


def _gone(path: str, why: str) -> PolicyPeer:
    raise NotUnderstood(path, why)


def _outside(peer: Endpoint) -> bool:
    return not peer.is_pod


def _not_a_pod(peer: Endpoint) -> bool:
    return not peer.is_pod or peer.host_network
