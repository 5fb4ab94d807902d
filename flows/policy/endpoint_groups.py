"""Group everything that could talk into classes that no policy at hand can tell apart.

Two pods with the same namespace, the same values of every label some policy mentions and the same named ports get the
same verdicts, so one of them speaks for all. Addresses outside are cut along the blocks that policies name. That makes
comparing two worlds exact without comparing every pair of pods.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network

from flows.policy.addresses import Network, number_of
from flows.policy.cilium_peers import NAMESPACE_LABELS, POD_NAMESPACE, SERVICE_ACCOUNT, CiliumEndpoints, FqdnPeer
from flows.policy.model import Endpoint, PolicyParty
from flows.policy.peer_table import is_ordinary
from flows.policy.peers import Addresses, AnyOf, PolicyPeer, SelectedPodsPeer, UnclearPeer
from flows.policy.profile import Datapath, Profile
from flows.policy.rules import Policy
from flows.policy.selectors import Selector


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every word the policies at hand use to tell endpoints apart."""

    labels: frozenset[str]
    namespace_labels: frozenset[str]
    namespaces: frozenset[str]  # named by a policy; all others look alike but for their labels
    blocks: frozenset[Network]
    names: tuple[tuple[str, bool], ...]  # (pattern, exact)

    def of(self, endpoint: Endpoint, profile: Profile) -> Hashable:
        """Traits of a pod that policies can see: equal for pods of one class."""
        return (
            endpoint.namespace if endpoint.namespace in self.namespaces else endpoint.is_pod,
            frozenset((k, v) for k, v in endpoint.labels.items() if k in self.labels),
            frozenset((k, v) for k, v in endpoint.namespace_labels.items() if k in self.namespace_labels),
            frozenset(endpoint.named_ports.items()),
            endpoint.host_network,
            endpoint.service_account if SERVICE_ACCOUNT in self.labels else "",
            self._position(endpoint, profile),
        )

    def _position(self, endpoint: Endpoint, profile: Profile) -> Hashable:
        """The smallest block around a pod's address, where a datapath compares pods with blocks."""
        if profile.cidr_matches_pods is False or not endpoint.ip:
            return None
        return _smallest(endpoint.ip, self.blocks)


def _smallest(ip: str, blocks: frozenset[Network]) -> Network | None:
    found = number_of(ip)
    if found is None:
        return None
    version, value = found
    for shift, known in _by_length(blocks).get(version, ()):
        if (network := known.get(value >> shift)) is not None:
            return network
    return None


@lru_cache(maxsize=4096)
def _by_length(blocks: frozenset[Network]) -> dict[int, list[tuple[int, dict[int, Network]]]]:
    """Blocks by version, longest prefix first: how far to shift an address, and what block it is then."""
    shelves: dict[int, dict[int, dict[int, Network]]] = {}
    for block in blocks:
        shift = block.max_prefixlen - block.prefixlen
        shelves.setdefault(block.version, {}).setdefault(shift, {})[int(block.network_address) >> shift] = block
    return {version: sorted(found.items()) for version, found in shelves.items()}


def vocabulary(policies: Iterable[Policy]) -> Vocabulary:
    labels: set[str] = set()
    spaces: set[str] = set()
    namespaces: set[str] = set()
    blocks: set[Network] = set()
    names: set[tuple[str, bool]] = set()
    for policy in policies:
        namespaces.add(policy.subject.namespace)
        labels |= _keys(policy.subject.pods)
        labels |= {condition.key for condition in policy.subject.conditions}
        spaces |= _keys(policy.subject.namespaces)
        for peer in _peers(policy):
            found, around = _label_keys(peer)
            labels |= found
            spaces |= around
            namespaces |= _namespaces(peer)
            blocks |= _blocks(peer)
            if isinstance(peer, FqdnPeer):
                names.add((peer.pattern, peer.exact))
    return Vocabulary(
        frozenset(labels), frozenset(spaces), frozenset(namespaces), frozenset(blocks), tuple(sorted(names))
    )


def _keys(selector: Selector | None) -> set[str]:
    return {requirement.key for requirement in selector.requirements} if selector else set()


def _peers(policy: Policy) -> Iterator[PolicyPeer]:
    stack = [peer for side in policy.sides.values() for clause in side.clauses for peer in clause.peers]
    while stack:
        peer = stack.pop()
        yield peer
        if isinstance(peer, AnyOf):
            stack += peer.peers
        elif isinstance(peer, UnclearPeer) and peer.pods is not None:
            stack.append(peer.pods)


def _label_keys(peer: PolicyPeer) -> tuple[set[str], set[str]]:
    if isinstance(peer, SelectedPodsPeer):
        return _keys(peer.pods), _keys(peer.namespaces)
    if not isinstance(peer, CiliumEndpoints):
        return set(), set()
    keys = {term.key for term in peer.terms}
    spaces = {key.removeprefix(NAMESPACE_LABELS) for key in keys if key.startswith(NAMESPACE_LABELS)}
    return keys, spaces


def _namespaces(peer: PolicyPeer) -> set[str]:
    if isinstance(peer, SelectedPodsPeer):
        return {peer.namespace}
    if not isinstance(peer, CiliumEndpoints):
        return set()
    return {
        peer.namespace,
        *(value for term in peer.terms if term.key == POD_NAMESPACE for value in term.wanted.values),
    }


def _blocks(peer: PolicyPeer) -> set[Network]:
    return {peer.block.network, *peer.block.excepts} if isinstance(peer, Addresses) else set()


@dataclass(slots=True)
class EndpointGroup:
    """Endpoints that get the same verdicts, before and after."""

    before: Endpoint
    after: Endpoint
    moved: bool  # policies see something else of it after the change
    parties: dict[PolicyParty, int] = field(default_factory=dict)  # how many endpoints of each

    @property
    def outside(self) -> bool:
        return not self.before.is_pod

    @property
    def ordinary(self) -> bool:
        """True for all but pods that policies may take for a node, whose outcome depends on where the subject runs."""
        return self.outside or all(is_ordinary(each) for each in (self.before, self.after))


@dataclass(frozen=True, slots=True)
class NodeAddresses:
    """Addresses of nodes and of the API server, as far as they are known."""

    nodes: tuple[Endpoint, ...] = ()
    api_outside: tuple[str, ...] = ()  # API servers that are no node of the cluster (EKS, GKE, AKS)


def outsiders(words: Vocabulary, profile: Profile, places: NodeAddresses = NodeAddresses()) -> list[EndpointGroup]:
    """Everyone who is no pod: nodes, the API server, blocks of addresses, DNS names, and the rest of the world."""
    found = list(_reserved(profile, places, words.blocks))
    found += [(party, Endpoint(ip=ip, entities=_WORLD, names_known=True)) for party, ip in _atoms(words.blocks)]
    for pattern, exact in words.names:
        name = pattern if exact else pattern.replace("**", "any").replace("*", "any")
        endpoint = Endpoint(ip=_REST_V4, entities=_WORLD, fqdns=(name,))
        found.append((PolicyParty("fqdn", "", pattern), endpoint))
    return [EndpointGroup(endpoint, endpoint, False, {party: 1}) for party, endpoint in found]


_WORLD = frozenset({"world"})
_REST_V4 = "0.0.0.1"
_NO_NODES = ("ingress", "health", "init", "unmanaged")
"""Entities that are no node. `unmanaged` are real pods: started before Cilium, or by another plug-in."""


def _reserved(
    profile: Profile, places: NodeAddresses, blocks: frozenset[Network]
) -> Iterator[tuple[PolicyParty, Endpoint]]:
    """Everyone with a name of its own in Cilium; other datapaths see a node's address, which blocks speak for."""
    if profile.datapath is not Datapath.CILIUM:
        return
    for name in _NO_NODES:
        yield PolicyParty("entity", "", name), Endpoint(entities=frozenset({name}))
    for ip in places.api_outside:
        words = _WORLD | {"kube-apiserver"}
        yield PolicyParty("entity", "", "kube-apiserver"), Endpoint(ip=ip, entities=words, names_known=True)
    for name in ("host", "remote-node", *(["kube-apiserver"] if _api_is_a_node(places) else [])):
        words = frozenset({name, "remote-node"} if name == "kube-apiserver" else {name})
        for ip in _node_addresses(name, profile, places, blocks):
            yield PolicyParty("entity", "", name), Endpoint(ip=ip, entities=words, host_network=True)


def _api_is_a_node(places: NodeAddresses) -> bool:
    """Also where nobody knows where the API server is."""
    return not places.api_outside or any("kube-apiserver" in each.entities for each in places.nodes)


def _node_addresses(name: str, profile: Profile, places: NodeAddresses, blocks: frozenset[Network]) -> list[str]:
    """One address for each piece of the blocks that holds nodes, where the datapath compares nodes with blocks."""
    if profile.cidr_matches_nodes is False:
        return [""]
    wanted = (each for each in places.nodes if name != "kube-apiserver" or name in each.entities)
    return list({_smallest(each.ip, blocks): each.ip for each in wanted}.values()) or [""]


def _atoms(blocks: Iterable[Network]) -> Iterator[tuple[PolicyParty, str]]:
    """Cut all addresses along the blocks: for each block the first address that lies in no smaller block.

    Blocks either nest or are disjoint, so every address of one piece is in the same blocks.
    """
    every = {ip_network("0.0.0.0/0"), ip_network("::/0"), *blocks}
    for network in sorted(every, key=lambda n: (n.version, int(n.network_address), n.prefixlen)):
        inner = [n for n in every if n != network and n.version == network.version and n.subnet_of(network)]  # type: ignore[arg-type]
        free = _first_free(network, inner)
        if free is not None:
            yield _party(network), str(free)


def _first_free(network: Network, inner: Iterable[Network]) -> IPv4Address | IPv6Address | None:
    at = int(network.network_address)
    for hole in sorted(inner, key=lambda n: int(n.network_address)):
        if at < int(hole.network_address):
            break
        at = max(at, int(hole.broadcast_address) + 1)
    if at > int(network.broadcast_address):
        return None
    return IPv4Address(at) if network.version == 4 else IPv6Address(at)


def _party(network: Network) -> PolicyParty:
    if network.prefixlen == 0:
        return PolicyParty("entity", "", f"world-ipv{network.version}")
    return PolicyParty("cidr", "", str(network))


def phantom(endpoint: Endpoint) -> Endpoint:
    """The same pod in a namespace nobody has made yet: what reaches it, reaches every namespace."""
    name = "a-namespace-yet-to-come"
    return replace(endpoint, namespace=name, namespace_labels={"kubernetes.io/metadata.name": name}, pod="")
