"""Rights of a person in the cluster, asked of the API server (SubjectAccessReview): it decides, never we."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.patch.model import EVERYBODY, Approver, ClusterChange, Creation, Deletion, Edit, ObjectName
from bot.patch.wire import AnswerLost, ApiCall, NotSent, WriteConnection
from sensors.access.kube.failure import plural_of
from sensors.kit.kinds import Kind
from sensors.kit.model import Blind
from sensors.kit.objects import flag, one_line, text

REVIEWS_PATH = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class ObjectRight:
    """One verb on one object; an empty `name` means any object of the namespace, an empty `namespace` all of them."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        grouped = f"{resource}.{self.group}" if self.group else resource
        named = f" {self.name}" if self.name else ""
        return f"{self.verb} {grouped}{named}{f' in namespace {self.namespace}' if self.namespace else ''}"


@dataclass(frozen=True, slots=True)
class RightsAnswer:
    """The API server's word; `words` are its reason, or which right is missing."""

    allowed: bool
    words: str


def rights_for(change: ClusterChange) -> tuple[ObjectRight, ...]:
    """Exactly what the requests of a change need: it is read, and it is written."""
    target = change.target
    match change:
        case Edit():
            return (right_on(target, "get"), right_on(target, "patch"))
        case Creation():
            return (right_on(target, "get"), right_to(target.kind, "create", target.namespace))
        case Deletion():
            return (right_on(target, "get"), right_on(target, "delete"))


def right_on(target: ObjectName, verb: str) -> ObjectRight:
    return ObjectRight(verb, plural_of(target.kind), target.kind.group, target.namespace, target.name)


def right_to(kind: Kind, verb: str, namespace: str) -> ObjectRight:
    """Without a name: what is created has none yet, as far as the API server's authorizers know."""
    return ObjectRight(verb, plural_of(kind), kind.group, namespace)


async def may(line: WriteConnection, agent: str, approver: Approver | None, right: ObjectRight) -> RightsAnswer:
    """Word of the API server on whether the person may.

    Raises `Blind` where that could not be asked: nobody may do what nobody could ask.
    """
    who = f"what {one_line(approver.user) if approver else 'you'} may do could not be asked"
    body = review(approver, right)
    try:
        reply = await line.send(ApiCall("POST", f"{REVIEWS_PATH}/{body['kind'].lower()}s", agent, body=body))
    except (NotSent, AnswerLost) as why:
        raise Blind(f"{who}: {why}") from None
    allowed = flag(reply.body, "status", "allowed") if reply.good else None
    if allowed is None:
        raise Blind(f"{who}: {reply.words}")
    reason = one_line(text(reply.body, "status", "reason") or text(reply.body, "status", "evaluationError"))
    denied = flag(reply.body, "status", "denied") is True
    return RightsAnswer(allowed and not denied, reason or (f"may {right}" if allowed else f"may not {right}"))


def review(approver: Approver | None, right: ObjectRight) -> dict[str, Any]:
    """Impersonation makes everybody a member of `system:authenticated`; a review does not, so that it is said here."""
    asked = {"verb": right.verb, "resource": right.resource, "group": right.group, "subresource": right.subresource}
    asked |= {"namespace": right.namespace, "name": right.name}
    spec: dict[str, Any] = {"resourceAttributes": {key: value for key, value in asked.items() if value}}
    if approver is None:
        return {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    spec |= {"user": approver.user, "groups": sorted({*approver.groups, EVERYBODY})}
    if approver.extra:
        spec["extra"] = {key.lower(): list(values) for key, values in approver.extra.items()}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
