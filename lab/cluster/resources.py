"""Resources of the API server: groups, versions, plurals, and kubectl's names for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sensors.kit.kinds import KINDS, Kind

BUILT_IN = frozenset({"v1", "apps/v1", "networking.k8s.io/v1", "discovery.k8s.io/v1"})
RBAC, REVIEWS, TOKENS = "rbac.authorization.k8s.io/v1", "authorization.k8s.io/v1", "authentication.k8s.io/v1"
RESOURCE_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
SHORT_NAMES = {
    "pods": ("po",),
    "namespaces": ("ns",),
    "nodes": ("no",),
    "services": ("svc",),
    "configmaps": ("cm",),
    "events": ("ev",),
    "deployments": ("deploy",),
    "replicasets": ("rs",),
    "statefulsets": ("sts",),
    "daemonsets": ("ds",),
    "networkpolicies": ("netpol",),
    "ciliumnetworkpolicies": ("cnp",),
    "ciliumclusterwidenetworkpolicies": ("ccnp",),
    "ciliumendpoints": ("cep",),
    "ciliumnodes": ("cn",),
}
COUNTS_CHANGES = frozenset(
    {"NetworkPolicy", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Pod", "EndpointSlice"}
)
"""Built-in kinds with a metadata.generation; custom resources all have one."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource. `api` is group/version; a `virtual` one stores nothing (reviews)."""

    api: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    virtual: bool = False

    @property
    def group(self) -> str:
        return self.api.rpartition("/")[0]

    @property
    def qualified(self) -> str:
        """`networkpolicies.networking.k8s.io`, as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def is_custom(self) -> bool:
        return self.api not in BUILT_IN | {RBAC, REVIEWS, TOKENS}

    @property
    def counts_changes(self) -> bool:
        return self.is_custom or self.kind in COUNTS_CHANGES

    def discovered(self) -> dict[str, Any]:
        """As the discovery document lists it."""
        verbs = ["create"] if self.virtual else list(RESOURCE_VERBS)
        said = {"name": self.plural, "singularName": self.kind.lower(), "namespaced": self.namespaced}
        return {**said, "kind": self.kind, "verbs": verbs, **({"shortNames": list(self.short)} if self.short else {})}


def of_kind(kind: Kind) -> Resource:
    plural = kind.plural.partition(".")[0]
    return Resource(kind.api, plural, kind.name, kind.namespaced, SHORT_NAMES.get(plural, ()))


VIRTUAL = (
    Resource(REVIEWS, "subjectaccessreviews", "SubjectAccessReview", False, virtual=True),
    Resource(REVIEWS, "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, virtual=True),
    Resource(TOKENS, "selfsubjectreviews", "SelfSubjectReview", False, virtual=True),
    Resource(TOKENS, "tokenreviews", "TokenReview", False, virtual=True),
)
ROLES = (
    Resource(RBAC, "clusterroles", "ClusterRole", False),
    Resource(RBAC, "clusterrolebindings", "ClusterRoleBinding", False),
    Resource(RBAC, "roles", "Role"),
    Resource(RBAC, "rolebindings", "RoleBinding"),
)


@dataclass(frozen=True)
class ResourceCatalog:
    """All resources, by where they are found. `unrecorded` are served by any cluster and not in this recording."""

    resources: tuple[Resource, ...]
    unrecorded: frozenset[Resource] = frozenset()

    def find(self, api: str, plural: str) -> Resource | None:
        return next((each for each in self.resources if (each.api, each.plural) == (api, plural)), None)

    def of_object(self, thing: Any) -> Resource | None:
        api, kind = thing.get("apiVersion"), thing.get("kind")
        return next((each for each in self.resources if (each.api, each.kind) == (api, kind)), None)

    def named(self, plural: str, group: str = "") -> Resource:
        return next(each for each in self.resources if (each.plural, each.group) == (plural, group))

    @property
    def versions(self) -> dict[str, list[str]]:
        """Group versions by group; the core group has none and is left out."""
        found: dict[str, list[str]] = {}
        for each in self.resources:
            if each.group and each.api not in found.setdefault(each.group, []):
                found[each.group].append(each.api)
        return found


def catalog(recorded: Iterable[str]) -> ResourceCatalog:
    """Resources of a cluster of which these plurals were recorded: custom resources only if they are among them."""
    known = frozenset(recorded)
    kinds = [kind for kind in KINDS if kind.api in BUILT_IN or kind.plural in known]
    missing = frozenset(of_kind(kind) for kind in kinds if kind.plural not in known)
    return ResourceCatalog((*map(of_kind, kinds), *ROLES, *VIRTUAL), missing)
