"""Asks the API server who it takes us for, so that a missing right can be given to the right one."""

from __future__ import annotations

from sensors.access.kube import Kube
from sensors.access.kube.failure import refused, status_of
from sensors.access.kube.wire import MIB
from sensors.kit.model import Blind
from sensors.kit.objects import one_line, text

SELF_REVIEW_PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


async def whoami(kube: Kube) -> str:
    """The user's name, `system:serviceaccount:kai:kai` for a pod. Raises `Blind`."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await kube.wire.ask(SELF_REVIEW_PATH, method="POST", body=body, limit=MIB)
    name = text(status_of(answer.body), "status", "userInfo", "username") if answer.good else ""
    if not name:
        raise Blind(refused(answer.status, answer.body, "who we are could not be asked"))
    return one_line(name)
