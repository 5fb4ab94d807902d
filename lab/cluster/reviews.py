"""Answers what somebody may do, and who somebody is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.cluster.refusal import bad_request
from lab.cluster.rights import Attributes, Rights
from lab.cluster.users import EVERYBODY, USERS, ApiUser

Json = Mapping[str, Any]


def access(rights: Rights, user: ApiUser, body: Json) -> dict[str, Any]:
    """The status of a (Self)SubjectAccessReview."""
    why = rights.allows(user, wish_of(body.get("spec") or {}))
    return {"allowed": why is not None, **({"reason": why} if why else {})}


def subject_of(body: Json) -> ApiUser:
    """The user a SubjectAccessReview is about; nobody is added to groups that were not said."""
    spec = body.get("spec") or {}
    if not spec.get("user") and not spec.get("groups"):
        raise bad_request('spec.user: Invalid value: "": at least one of user or group must be specified')
    return ApiUser(str(spec.get("user") or ""), tuple(spec.get("groups") or ()))


def wish_of(spec: Json) -> Attributes:
    asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if isinstance(path, Mapping):
        return Attributes(str(path.get("verb", "")), path=str(path.get("path", "")))
    if not isinstance(asked, Mapping):
        raise bad_request("exactly one of nonResourceAttributes or resourceAttributes must be specified")
    sub = f"/{asked['subresource']}" if asked.get("subresource") else ""
    return Attributes(
        str(asked.get("verb", "")),
        str(asked.get("group", "")),
        f"{asked.get('resource', '')}{sub}",
        str(asked.get("namespace", "")),
        str(asked.get("name", "")),
    )


def myself(user: ApiUser) -> dict[str, Any]:
    return {"userInfo": user.told()}


def token(tokens: Mapping[str, str], body: Json) -> dict[str, Any]:
    """`tokens` are names by token."""
    name = tokens.get(str((body.get("spec") or {}).get("token", "")))
    if name is None:
        return {"user": {}, "error": "invalid bearer token"}
    return {"authenticated": True, "user": (USERS.get(name) or ApiUser(name, (EVERYBODY,))).told()}
