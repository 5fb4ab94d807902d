"""A person in a terminal, with their own kubeconfig: nobody is impersonated, and the API server knows them itself."""

from __future__ import annotations

from bot import __version__
from bot.approval.proposal import KubeUser
from bot.clusters.connecting import connected
from bot.clusters.options import Live
from bot.errors import CouldNotLook, UsageMistake
from bot.patch.wire import AnswerLost, ApiCall, NotSent, open_line
from sensors.kit import Blind
from sensors.kit.objects import get, text

AGENT = f"kai-netdebug/{__version__}"
MYSELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


async def myself(live: Live) -> KubeUser:
    """User of these credentials, by the API server's word. Raises `CouldNotLook`, `UsageMistake`."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        async with connected(live) as kube, open_line(kube.place) as line:
            reply = await line.send(ApiCall("POST", MYSELF, AGENT, body=body))
    except (Blind, NotSent, AnswerLost) as why:
        raise CouldNotLook(f"who you are to the API server could not be asked: {why}") from why
    name = text(reply.body, "status", "userInfo", "username") if reply.good else ""
    if not name:
        raise CouldNotLook(f"the API server does not say who you are: {reply.words}")
    if name.startswith("system:"):
        raise UsageMistake(f"{name} is no person: approve with your own kubeconfig")
    groups = get(reply.body, "status", "userInfo", "groups") or ()
    return KubeUser(name, tuple(str(each) for each in groups if not str(each).startswith("system:")))
