"""users.* and usergroups.*: who is who."""

from __future__ import annotations

from typing import Any

from lab.workspace.call import Call, Door
from lab.workspace.refusal import Refusal

Json = dict[str, Any]


async def info(call: Call) -> Json:
    name = call.need("user")
    if name not in call.world.users:
        raise Refusal("user_not_found")
    return {"user": _without_email(call, call.world.users[name].wire())}


async def listed(call: Call) -> Json:
    return call.page([_without_email(call, user.wire()) for user in call.world.users.values()], "members")


async def by_email(call: Call) -> Json:
    email = call.need("email")
    found = next((user for user in call.world.users.values() if user.email == email and not user.deleted), None)
    if found is None:
        raise Refusal("users_not_found")
    return {"user": found.wire()}


async def groups(call: Call) -> Json:
    return {"usergroups": [group.wire(call.flag("include_users")) for group in call.world.groups.values()]}


async def group_members(call: Call) -> Json:
    group = call.world.groups.get(call.need("usergroup"))
    if group is None:
        raise Refusal("no_such_subteam")
    return {"users": list(group.users)}


def _without_email(call: Call, user: Json) -> Json:
    """Slack leaves the address out unless the app may read it."""
    if "users:read.email" in call.app.scopes:
        return user
    return {**user, "profile": {name: part for name, part in user["profile"].items() if name != "email"}}


METHODS = {
    "users.info": Door(info, ("users:read",), tier=4),
    "users.list": Door(listed, ("users:read",), tier=2),
    "users.lookupByEmail": Door(by_email, ("users:read.email",)),
    "usergroups.list": Door(groups, ("usergroups:read",), tier=2),
    "usergroups.users.list": Door(group_members, ("usergroups:read",), tier=2),
}
