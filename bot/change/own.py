"""A person in a terminal, with their own kubeconfig: nobody is impersonated, and the API server knows them itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace

from bot import __version__
from bot.approval.proposal import KubeUser
from bot.change.orders import Line as Way
from bot.clusters.connecting import connected
from bot.clusters.options import Live
from bot.errors import CouldNotLook, UsageMistake
from bot.patch import Approver, Order, Outcome, Rehearsed, Right, Trouble, Unknown, Verdict, Writer
from bot.patch.wire import AnswerLost, Call, Line, NotSent, Reply, open_line
from sensors.access.kube import Kube
from sensors.kit import Blind
from sensors.kit.objects import get, text

AGENT = f"kai-netdebug/{__version__}"
MYSELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class OwnLine(Line):
    """Sends every request as the one whose credentials these are."""

    async def send(self, call: Call) -> Reply:
        return await Line.send(self, replace(call, approver=None, why=""))


@dataclass(frozen=True, slots=True)
class OwnWriter:
    """`bot.patch` without impersonation; rights are asked for by a SelfSubjectAccessReview."""

    kube: Kube
    writer: Writer

    async def may(self, approver: Approver, right: Right) -> Verdict:
        asked = (right.verb, right.resource, right.group, right.subresource, right.namespace, right.name)
        allowed = await self.kube.self_subject_access_review(*asked)
        return Verdict(allowed, f"{'may' if allowed else 'may not'} {right}")

    async def rehearse(self, order: Order) -> Rehearsed | Trouble | Unknown:
        return await self.writer.rehearse(order)

    async def apply(self, order: Order) -> Outcome:
        return await self.writer.apply(order)

    async def reconcile(self, order: Order) -> Outcome:
        return await self.writer.reconcile(order)


@asynccontextmanager
async def own_way(live: Live) -> AsyncIterator[Way]:
    """Raises `Blind` where there is no way to the cluster."""
    try:
        async with connected(live) as kube, open_line(kube.place) as line:
            yield Way(kube, OwnWriter(kube, Writer(_own(line))))
    except UsageMistake as why:
        raise Blind(str(why)) from why


async def myself(live: Live) -> KubeUser:
    """Who these credentials belong to, by the API server's word. Raises `CouldNotLook`, `UsageMistake`."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        async with connected(live) as kube, open_line(kube.place) as line:
            reply = await line.send(Call("POST", MYSELF, AGENT, body=body))
    except (Blind, NotSent, AnswerLost) as why:
        raise CouldNotLook(f"who you are to the API server could not be asked: {why}") from why
    name = text(reply.body, "status", "userInfo", "username") if reply.good else ""
    if not name:
        raise CouldNotLook(f"the API server does not say who you are: {reply.words}")
    if name.startswith("system:"):
        raise UsageMistake(f"{name} is no person: approve with your own kubeconfig")
    groups = get(reply.body, "status", "userInfo", "groups") or ()
    return KubeUser(name, tuple(str(each) for each in groups if not str(each).startswith("system:")))


def _own(line: Line) -> OwnLine:
    return OwnLine(*(getattr(line, each.name) for each in fields(line)))
