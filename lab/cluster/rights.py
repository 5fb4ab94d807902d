"""Role-based access: whether somebody may do something, read from the Role objects of the store at that moment.

From Kubernetes' `pkg/apis/rbac/v1/evaluation_helpers.go` and `plugin/pkg/auth/authorizer/rbac`: rights only add up; an
empty `resourceNames` means every name; a list has no name, so that a rule with names does not cover it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.cluster.resources import ResourceCatalog
from lab.cluster.store import ObjectStore
from lab.cluster.users import ApiUser

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Attributes:
    """One wish. `resource` may carry its subresource (`pods/exec`); a `path` is no resource at all."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Rights:
    store: ObjectStore
    catalog: ResourceCatalog

    def allows(self, user: ApiUser, wish: Attributes) -> str | None:
        """The reason why it is allowed, in the API server's words; None where it is not."""
        if "system:masters" in user.groups:
            return ""
        for binding, where in self._bindings(wish.namespace):
            subject = next((each for each in binding.get("subjects") or () if _is(user, each, where)), None)
            if subject is not None and any(_covers(rule, wish) for rule in self._rules(binding, where)):
                return _because(binding, where, subject)
        return None

    def _bindings(self, namespace: str) -> Iterator[tuple[Json, str]]:
        group = "rbac.authorization.k8s.io"
        for each in self.store.all(self.catalog.named("clusterrolebindings", group)):
            yield each, ""
        if namespace:
            for each in self.store.all(self.catalog.named("rolebindings", group), namespace):
                yield each, namespace

    def _rules(self, binding: Json, where: str) -> list[Json]:
        ref = binding["roleRef"]
        plural = "clusterroles" if ref["kind"] == "ClusterRole" else "roles"
        role = self.store.get(self.catalog.named(plural, "rbac.authorization.k8s.io"), where, ref["name"])
        return list((role or {}).get("rules") or ())


def _is(user: ApiUser, subject: Json, where: str) -> bool:
    if subject["kind"] == "ServiceAccount":
        return user.name == f"system:serviceaccount:{subject.get('namespace') or where}:{subject['name']}"
    return subject["name"] in (user.groups if subject["kind"] == "Group" else (user.name,))


def _covers(rule: Json, wish: Attributes) -> bool:
    if not _has(rule.get("verbs"), wish.verb):
        return False
    if wish.path:
        return any(_is_path(each, wish.path) for each in rule.get("nonResourceURLs") or ())
    names = rule.get("resourceNames") or ()
    return (
        _has(rule.get("apiGroups"), wish.group)
        and _has_resource(rule.get("resources") or (), wish.resource)
        and (not names or wish.name in names)
    )


def _has(listed: Any, wanted: str) -> bool:
    return "*" in (listed or ()) or wanted in (listed or ())


def _has_resource(listed: Any, wanted: str) -> bool:
    _, slash, sub = wanted.partition("/")
    return "*" in listed or wanted in listed or (bool(slash) and f"*/{sub}" in listed)


def _is_path(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _because(binding: Json, where: str, subject: Json) -> str:
    ref, meta = binding["roleRef"], binding["metadata"]
    named = f"{meta['name']}/{where}" if where else meta["name"]
    to = f'{subject["kind"]} "{subject["name"]}"'
    return f'RBAC: allowed by {binding["kind"]} "{named}" of {ref["kind"]} "{ref["name"]}" to {to}'
