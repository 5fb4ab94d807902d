"""The rest of the Web API: who am I, where do I dial in, is this block well-formed."""

from __future__ import annotations

from typing import Any

from lab.workspace.call import MethodCall, MethodSpec
from lab.workspace.limits import check_blocks, check_view
from lab.workspace.people import DOMAIN, TEAM
from lab.workspace.refusal import MethodRefusal, refuse

Json = dict[str, Any]


async def api_test(call: MethodCall) -> Json:
    if error := call.text("error"):
        raise MethodRefusal(error, args=dict(call.args))
    return {"args": dict(call.args)}


async def auth_test(call: MethodCall) -> Json:
    app = call.app
    bot = call.world.users[app.bot_user]
    who = {"user": bot.name, "user_id": bot.id, "bot_id": app.bot_id, "app_id": app.id}
    return {"url": call.world.base_url + "/", "team": "KAI lab", "team_id": TEAM, **who, "is_enterprise_install": False}


async def connections_open(call: MethodCall) -> Json:
    return {"url": call.sockets.ticket(call.app, call.world.base_url)}


async def bots_info(call: MethodCall) -> Json:
    name = call.text("bot", call.app.bot_id)
    app = next((one for one in call.world.apps.values() if one.bot_id == name), None)
    if app is None:
        raise MethodRefusal("bot_not_found")
    return {"bot": app.profile()}


async def team_info(call: MethodCall) -> Json:
    return {"team": {"id": TEAM, "name": "KAI lab", "domain": DOMAIN, "email_domain": "example.com", "icon": {}}}


async def blocks_validate(call: MethodCall) -> Json:
    """Answers for `blocks`, a `message` that holds some, or a `view`."""
    view, message = call.structure("view"), call.structure("message")
    if view is not None:
        refuse(check_view(view))
        return {}
    blocks = message.get("blocks") if isinstance(message, dict) else call.structure("blocks")
    if blocks is None:
        call.need("blocks")
    refuse(check_blocks(blocks))
    return {}


async def quiet(call: MethodCall) -> Json:
    """Accepted, and without a trace: the page shows no typing status."""
    return {}


METHODS = {
    "api.test": MethodSpec(api_test, open=True, tier=4),
    "auth.test": MethodSpec(auth_test, tier=4),
    "apps.connections.open": MethodSpec(connections_open, tier=1, app_level=True),
    "bots.info": MethodSpec(bots_info, ("users:read",)),
    "team.info": MethodSpec(team_info, ("team:read",)),
    "blocks.validate": MethodSpec(blocks_validate, open=True, tier=4),
    "assistant.threads.setStatus": MethodSpec(quiet, ("assistant:write", "chat:write")),
}
