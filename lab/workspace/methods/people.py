"""users.* and usergroups.*: who is who."""

from __future__ import annotations

from typing import Any

from lab.workspace.call import MethodCall, MethodSpec
from lab.workspace.refusal import MethodRefusal

Json = dict[str, Any]


async def info(call: MethodCall) -> Json:
    name = call.need("user")
    if name not in call.world.users:
        raise MethodRefusal("user_not_found")
    return {"user": _without_email(call, call.world.users[name].wire())}


async def listed(call: MethodCall) -> Json:
    return call.page([_without_email(call, user.wire()) for user in call.world.users.values()], "members")


async def by_email(call: MethodCall) -> Json:
    email = call.need("email")
    found = next((user for user in call.world.users.values() if user.email == email and not user.deleted), None)
    if found is None:
        raise MethodRefusal("users_not_found")
    return {"user": found.wire()}


async def groups(call: MethodCall) -> Json:
    return {"usergroups": [group.wire(call.flag("include_users")) for group in call.world.groups.values()]}


async def group_members(call: MethodCall) -> Json:
    group = call.world.groups.get(call.need("usergroup"))
    if group is None:
        raise MethodRefusal("no_such_subteam")
    return {"users": list(group.users)}


def _without_email(call: MethodCall, user: Json) -> Json:
    """Slack leaves the address out unless the app may read it."""
    if "users:read.email" in call.app.scopes:
        return user
    return {**user, "profile": {name: part for name, part in user["profile"].items() if name != "email"}}


METHODS = {
    "users.info": MethodSpec(info, ("users:read",), tier=4),
    "users.list": MethodSpec(listed, ("users:read",), tier=2),
    "users.lookupByEmail": MethodSpec(by_email, ("users:read.email",)),
    "usergroups.list": MethodSpec(groups, ("usergroups:read",), tier=2),
    "usergroups.users.list": MethodSpec(group_members, ("usergroups:read",), tier=2),
}
