"""views.*: modals and home tabs."""

from __future__ import annotations

from typing import Any

from lab.workspace.call import MethodCall, MethodSpec
from lab.workspace.limits import check_view
from lab.workspace.refusal import MethodRefusal, refuse

Json = dict[str, Any]


def _view(call: MethodCall, kind: str) -> Json:
    view = call.structure("view")
    if not isinstance(view, dict):
        raise MethodRefusal("invalid_arguments")
    refuse(check_view(view))
    if view["type"] != kind:
        wrong = f"[ERROR] a view of type {view['type']} is not allowed here [json-pointer:/view/type]"
        raise MethodRefusal("invalid_arguments", response_metadata={"messages": [wrong]})
    return view


async def opened(call: MethodCall) -> Json:
    view = _view(call, "modal")
    trigger = call.world.triggers.spend(call.need("trigger_id"), call.app.id)
    return _told(call, call.world.modals.open(trigger.user, call.app, view))


async def pushed(call: MethodCall) -> Json:
    view = _view(call, "modal")
    trigger = call.world.triggers.spend(call.need("trigger_id"), call.app.id)
    return _told(call, call.world.modals.push(trigger.user, call.app, view))


async def updated(call: MethodCall) -> Json:
    view = _view(call, "modal")
    named = {"view_id": call.text("view_id"), "external_id": call.text("external_id")}
    if not any(named.values()):
        call.need("view_id")
    return _told(call, call.world.modals.update(call.app, view, **named, hash_=call.text("hash") or None))


async def published(call: MethodCall) -> Json:
    view = _view(call, "home")
    user = call.world.user(call.need("user_id"))
    return _told(call, call.world.modals.publish(user.id, call.app, view, call.text("hash") or None))


def _told(call: MethodCall, view: Json) -> Json:
    call.world.changed()
    return {"view": view}


METHODS = {
    "views.open": MethodSpec(opened, tier=4),
    "views.push": MethodSpec(pushed, tier=4),
    "views.update": MethodSpec(updated, tier=4),
    "views.publish": MethodSpec(published, tier=4),
}
