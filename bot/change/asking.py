"""Rights to ask about a namespace: everybody, the people of a list or group, or those who may read its pods' logs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.approval.decision import AccessReview
from bot.approval.person import ApprovalRefusal
from bot.approval.proposal import KubeUser
from bot.approval.rules import Approvals, AskRule
from bot.change.ports import CannotRead

ReadAnswer: TypeAlias = Callable[[str], Awaitable[Mapping[str, Any] | None]]
"""A person as Slack tells of them at this moment; None where it does not."""

MayReadLogs: TypeAlias = Callable[[KubeUser, str, str], Awaitable[AccessReview]]
"""A SubjectAccessReview for `get pods/log` in a namespace of a cluster. Raises `CannotRead`."""


async def nobody_may(who: KubeUser, namespace: str, cluster: str) -> AccessReview:
    """Refuses, for want of a cluster that could be asked about rights."""
    raise CannotRead("rights cannot be asked for here")


@dataclass(frozen=True, slots=True)
class Asking:
    """One for each process. What cannot be found out is a no."""

    rules: Callable[[], Approvals]
    told: ReadAnswer
    may_read_logs: MayReadLogs = nobody_may

    async def why_not(self, user: str, namespace: str, cluster: str) -> str:
        """Empty when this person may ask about the namespace of that cluster, else a sentence."""
        approvals = self.rules()
        rules = approvals.of(namespace)
        if rules.ask is AskRule.EVERYONE or (rules.ask is AskRule.GROUP and user in rules.askers):
            return ""
        who = approvals.directory.kube_user(user, await self.told(user) or {})
        if isinstance(who, ApprovalRefusal):
            return f"You may not ask about the namespace {namespace}: {_lower(who.sentence)}"
        if rules.ask is AskRule.GROUP:
            inside = not rules.askers.isdisjoint(who.groups)
            return "" if inside else f"You are not among those who may ask about the namespace {namespace}."
        try:
            review = await self.may_read_logs(who, namespace, cluster)
        except CannotRead:
            return f"Whether you may ask about the namespace {namespace} could not be found out: try again."
        return "" if review.allowed else f"Kubernetes does not let {who} read logs in the namespace {namespace}."


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
