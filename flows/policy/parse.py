"""From objects of the API server to policies in the common form; the one place that knows every dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flows.policy.admin import parse_admin_policy, parse_cluster_network_policy
from flows.policy.calico import parse_calico
from flows.policy.catalog import ServiceCatalog
from flows.policy.cilium import parse_cilium
from flows.policy.kubernetes import parse_network_policy
from flows.policy.profile import Profile
from flows.policy.reading import Json, loose_text
from flows.policy.rules import Policy

Parser = Callable[[Json, Profile, ServiceCatalog], tuple[Policy, ...]]


@dataclass(frozen=True, slots=True)
class Dialect:
    groups: tuple[str, ...]  # apiVersion without the version
    kind: str
    parse: Parser


def _kubernetes(policy: Json, profile: Profile, catalog: ServiceCatalog) -> tuple[Policy, ...]:
    return (parse_network_policy(policy, profile),)


_CALICO = ("projectcalico.org", "crd.projectcalico.org")
_ADMIN = ("policy.networking.k8s.io",)
DIALECTS = (
    Dialect(("networking.k8s.io",), "NetworkPolicy", _kubernetes),
    Dialect(("cilium.io",), "CiliumNetworkPolicy", parse_cilium),
    Dialect(("cilium.io",), "CiliumClusterwideNetworkPolicy", parse_cilium),
    Dialect(_ADMIN, "ClusterNetworkPolicy", parse_cluster_network_policy),
    Dialect(_ADMIN, "AdminNetworkPolicy", parse_admin_policy),
    Dialect(_ADMIN, "BaselineAdminNetworkPolicy", parse_admin_policy),
    Dialect(_CALICO, "NetworkPolicy", parse_calico),
    Dialect(_CALICO, "GlobalNetworkPolicy", parse_calico),
)
_BY_KIND: Mapping[tuple[str, str], Dialect] = {(group, d.kind): d for d in DIALECTS for group in d.groups}


def dialect_of(item: Json) -> Dialect | None:
    """The dialect of an object, or ``None`` if it is no policy."""
    group = loose_text(item.get("apiVersion")).partition("/")[0]
    return _BY_KIND.get((group, loose_text(item.get("kind"))))


def parse_policy(item: Json, profile: Profile, catalog: ServiceCatalog) -> tuple[Policy, ...]:
    """One object as policies in the common form: none if it is no policy, several for a CNP with ``specs``."""
    dialect = dialect_of(item)
    return dialect.parse(item, profile, catalog) if dialect else ()
