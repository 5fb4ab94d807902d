"""A no of the API server reaches people in its own words, where it has any about the person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.approval.decision import AccessReview
from bot.approval.proposal import KubeUser
from bot.change.orders import ClusterConnection, Orders
from bot.patch import Conflict, Forbidden, NotApplied, ObjectRight, Order, Rehearsed, RightsAnswer, Unknown
from tests.bot.approval.making import part

BOB = KubeUser("bob")
WORDS = 'networkpolicies.networking.k8s.io "strict-egress" is forbidden: User "bob" cannot patch resource'


class Clerk:
    """A writer that says what it was told to say, and notes what it was asked."""

    def __init__(self, allowed: tuple[str, ...], rehearsal: Any) -> None:
        self.allowed, self.rehearsal = allowed, rehearsal
        self.orders: list[Order] = []

    async def may(self, approver: Any, right: ObjectRight) -> RightsAnswer:
        allowed = right.verb in self.allowed
        return RightsAnswer(allowed, f"may {right}" if allowed else f"may not {right.verb}")

    async def rehearse(self, order: Order) -> Any:
        self.orders.append(order)
        return self.rehearsal


async def review(clerk: Clerk) -> AccessReview:
    @asynccontextmanager
    async def line(cluster: str) -> AsyncIterator[ClusterConnection]:
        nobody: Any = None
        writer: Any = clerk
        yield ClusterConnection(nobody, writer)

    return await Orders(line).review(BOB, part(), "p-1", "default")


async def test_a_missing_right_is_told_as_the_api_server_tells_it():
    clerk = Clerk(("get",), Forbidden(WORDS))

    assert await review(clerk) == AccessReview(False, WORDS)
    assert [(each.proposal, each.approver and each.approver.user) for each in clerk.orders] == [("p-1", "bob")]


@pytest.mark.parametrize(
    "rehearsal",
    [
        Forbidden('User "system:serviceaccount:kai:kai" cannot impersonate', as_kai=True),
        Rehearsed(None, None, (), "digest"),
        Conflict("changed since"),
        NotApplied("no answer"),
        Unknown("not known"),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_whatever_else_a_dry_run_says_the_no_of_the_review_stands(rehearsal: Any):
    assert await review(Clerk(("get",), rehearsal)) == AccessReview(False, "may not patch")


async def test_who_may_is_not_tried_out_by_a_review():
    clerk = Clerk(("get", "patch"), Forbidden(WORDS))

    assert (await review(clerk)).allowed
    assert clerk.orders == []
