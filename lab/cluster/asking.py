"""Reads a request: which object it is about, what is to be done with it, and who asks.

Source: apiserver `pkg/endpoints/request/requestinfo.go` (verbs).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote

from lab.cluster.refusal import no_such_path, unauthorized
from lab.cluster.resources import Resource, ResourceCatalog
from lab.cluster.rights import Attributes
from lab.cluster.users import USERS, ApiUser

METHOD_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """One request for a resource. `name` is empty for a collection, `sub` for the object itself."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    sub: str = ""

    @property
    def wish(self) -> Attributes:
        plural = f"{self.resource.plural}/{self.sub}" if self.sub else self.resource.plural
        return Attributes(self.verb, self.resource.group, plural, self.namespace, self.name)


def asked(method: str, path: str, catalog: ResourceCatalog, watching: bool) -> ResourceRequest:
    """Raises `Refusal` (404) where nothing is served."""
    api, rest = _api(path)
    space = ""
    if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
        space, rest = rest[1], rest[2:]
    resource = catalog.find(api, rest[0]) if rest else None
    if resource is None or len(rest) > 3 or (space and not resource.namespaced):
        raise no_such_path()
    name, sub = ([*rest[1:], "", ""])[:2]
    found = ResourceRequest(_verb(method, bool(name), watching), resource, space, name, sub)
    if resource.plural == "namespaces" and name:
        return replace(found, namespace="")
    return found


def _api(path: str) -> tuple[str, list[str]]:
    parts = [unquote(each) for each in path.strip("/").split("/")]
    if parts[0] == "api":
        return "/".join(parts[1:2]), parts[2:]
    if parts[0] == "apis":
        return "/".join(parts[1:3]), parts[3:]
    raise no_such_path()


def _verb(method: str, has_name: bool, watching: bool) -> str:
    if method == "GET":
        return "get" if has_name else "watch" if watching else "list"
    if method == "DELETE":
        return "delete" if has_name else "deletecollection"
    return METHOD_VERBS.get(method, method.lower())


# -- who asks ----------------------------------------------------------------------------------------------------------


def user_of(headers: Mapping[str, str], tokens: Mapping[str, str]) -> ApiUser:
    """User that a token belongs to. `tokens` are names by token. Raises `Refusal` (401)."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    name = tokens.get(token.strip()) if scheme.lower() == "bearer" else None
    if name is None:
        raise unauthorized()
    return USERS[name]
