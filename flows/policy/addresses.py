"""CIDR blocks: is the address inside, and would this datapath compare it at all?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from flows.policy.direction import is_node, is_workload
from flows.policy.model import Endpoint
from flows.policy.profile import Profile
from flows.policy.reading import NotUnderstood

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class CidrBlock:
    """A CIDR less its exceptions."""

    cidr: str
    network: Network
    excepts: tuple[Network, ...] = ()

    def covers(self, ip: str) -> bool:
        return inside(ip, self.network)

    def excepted_by(self, ip: str) -> Network | None:
        return next((network for network in self.excepts if inside(ip, network)), None)

    def admits(self, ip: str) -> bool:
        return self.covers(ip) and self.excepted_by(ip) is None

    def __str__(self) -> str:
        return self.cidr + (f" except {', '.join(map(str, self.excepts))}" if self.excepts else "")


def parse_network(value: str, path: str) -> Network:
    """A CIDR, or a bare address as its own block; host bits are cut off, as every datapath does."""
    try:
        return ip_network(value, strict=False)
    except ValueError:
        raise NotUnderstood(path, f"{value!r} is not a CIDR") from None


def parse_block(cidr: str, excepts: Iterable[str], path: str) -> CidrBlock:
    nets = tuple(parse_network(each, f"{path}/except") for each in excepts)
    return CidrBlock(cidr, parse_network(cidr, path), nets)


def inside(ip: str, network: Network) -> bool:
    value = number_of(ip)
    if value is None or value[0] != network.version:
        return False
    shift = network.max_prefixlen - network.prefixlen
    return value[1] >> shift == int(network.network_address) >> shift


@lru_cache(maxsize=65536)
def number_of(ip: str) -> tuple[int, int] | None:
    """The version of an address and its number; ``None`` where it is none."""
    try:
        address = ip_address(ip)
    except ValueError:
        return None
    return address.version, int(address)


def is_address(ip: str) -> bool:
    return number_of(ip) is not None


def comparable(endpoint: Endpoint, profile: Profile) -> bool | None:
    """Checks whether this datapath compares the endpoint's address with CIDR rules; ``None`` = not known.

    Cilium: addresses of pods and nodes carry their identity, never a CIDR's, unless policy-cidr-match-mode says so
    (``pkg/ipcache/metadata.go``). Others look at the address alone.
    """
    workload = is_workload(endpoint, profile)
    if workload or (endpoint.is_pod and workload is None):
        return profile.cidr_matches_pods
    if is_node(endpoint):  # a pod of the host network, too
        return profile.cidr_matches_nodes
    if endpoint.entities & {"unmanaged", "init", "health", "ingress"}:
        return profile.cidr_matches_pods
    return True


def kind_in_words(endpoint: Endpoint) -> str:
    if endpoint.is_pod and not endpoint.host_network:
        return "a pod"
    return "a node" if is_node(endpoint) else "such an address"
