"""Acts as somebody else, as Kubernetes 1.36 allows it: constrained impersonation (KEP-5284).

Two rights are checked for an impersonated request: whom the caller may act as (`impersonate:user-info` on users,
groups, uids and extras, `impersonate:serviceaccount` on service accounts), and what it may do as them
(`impersonate-on:user-info:VERB` on the very object). Then the request has the rights of that person and no other. The
old right, which had no limit, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote

from lab.cluster.refusal import StatusRefusal, forbidden, forbidden_path
from lab.cluster.rights import Attributes, Rights
from lab.cluster.users import EVERYBODY, ApiUser

GROUP = "authentication.k8s.io"
AS, AS_ACCOUNT = "impersonate:user-info", "impersonate:serviceaccount"
EXTRA = "impersonate-extra-"


def acting_as(user: ApiUser, headers: Mapping[str, str], rights: Rights, wish: Attributes) -> ApiUser:
    """The user of a request: the caller, or the person in its headers. Raises `StatusRefusal` (403, 500)."""
    wanted, groups = headers.get("Impersonate-User", ""), _all(headers, "Impersonate-Group")
    keys = dict.fromkeys(key for key in headers if key.lower().startswith(EXTRA))
    extra = {unquote(key[len(EXTRA) :]).lower(): _all(headers, key) for key in keys}
    uid = headers.get("Impersonate-Uid", "")
    if not wanted:
        if groups or extra or uid:
            message = 'requested [{"Group" or "UserExtra" or "UID"}] without impersonating a user'
            raise StatusRefusal(500, "InternalError", f"Internal error occurred: {message}")
        return user
    for each in _whom(wanted, groups, uid, extra):
        _require(user, rights, each)
    mode = "serviceaccount" if _account(wanted) else "user-info"
    _require(user, rights, replace(wish, verb=f"impersonate-on:{mode}:{wish.verb}"))
    return ApiUser(wanted, tuple(dict.fromkeys((*groups, EVERYBODY))), uid, extra)


def check_path(rights: Rights, caller: ApiUser, headers: Mapping[str, str], path: str) -> None:
    """Checks whether this path, which is no resource, may be read. Raises `StatusRefusal` (403)."""
    wish = Attributes("get", path=path)
    _require(acting_as(caller, headers, rights, wish), rights, wish)


def _whom(wanted: str, groups: tuple[str, ...], uid: str, extra: Mapping[str, tuple[str, ...]]) -> Iterator[Attributes]:
    if account := _account(wanted):
        yield Attributes(AS_ACCOUNT, GROUP, "serviceaccounts", *account)
    else:
        yield Attributes(AS, GROUP, "users", "", wanted)
    yield from (Attributes(AS, GROUP, "groups", "", each) for each in groups)
    if uid:
        yield Attributes(AS, GROUP, "uids", "", uid)
    for key, values in extra.items():
        yield from (Attributes(AS, GROUP, f"userextras/{key}", "", each) for each in values)


def _account(name: str) -> tuple[str, str] | None:
    """Namespace and name of a service account."""
    parts = name.split(":")
    return (parts[2], parts[3]) if name.startswith("system:serviceaccount:") and len(parts) == 4 else None


def _require(user: ApiUser, rights: Rights, wish: Attributes) -> None:
    if rights.allows(user, wish) is None:
        if wish.path:
            raise forbidden_path(user.name, wish.verb, wish.path)
        raise forbidden(user.name, wish.verb, wish.group, wish.resource, wish.namespace, wish.name)


def _all(headers: Mapping[str, str], key: str) -> tuple[str, ...]:
    every = getattr(headers, "getall", None)
    return tuple(every(key, ())) if every is not None else tuple(filter(None, [headers.get(key)]))
