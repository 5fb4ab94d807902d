"""Who may ask about a namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bot.approval.decision import AccessReview
from bot.approval.person import Directory
from bot.approval.proposal import KubeUser
from bot.approval.rules import Approvals, AskRule, Rules
from bot.change.asking import Asking, nobody_may
from bot.change.ports import CannotRead

PEOPLE = Directory({"U1ALICE": KubeUser("alice", ("oncall",)), "U2BOB": KubeUser("bob")})


async def told(user: str) -> Mapping[str, Any] | None:
    return {"id": user}


async def alice_only(who: KubeUser, namespace: str, cluster: str) -> AccessReview:
    return AccessReview(who.name == "alice" and namespace == "shop")


async def silent(who: KubeUser, namespace: str, cluster: str) -> AccessReview:
    raise CannotRead("no answer")


def asking(may: Any = alice_only, **rules: Any) -> Asking:
    approvals = Approvals(PEOPLE, namespaces={"shop": Rules(**rules)})
    return Asking(lambda: approvals, told, may)


async def test_everybody_may_ask_where_nothing_is_said():
    assert await asking().why_not("U9", "shop", "default") == ""
    assert await asking(ask=AskRule.RIGHTS).why_not("U9", "elsewhere", "default") == ""


@pytest.mark.parametrize(("user", "may"), [("U1ALICE", True), ("U5", True), ("U2BOB", False), ("U9", False)])
async def test_of_a_group_those_named_and_the_members_of_a_named_kubernetes_group(user, may):
    said = await asking(ask=AskRule.GROUP, askers=frozenset({"U5", "oncall"})).why_not(user, "shop", "default")

    assert (said == "") is may


@pytest.mark.parametrize(("user", "may"), [("U1ALICE", True), ("U2BOB", False), ("U9", False)])
async def test_by_rights_whoever_may_read_logs_there(user, may):
    assert (await asking(ask=AskRule.RIGHTS).why_not(user, "shop", "default") == "") is may


@pytest.mark.parametrize("may", [silent, nobody_may])
async def test_rights_that_cannot_be_asked_for_are_a_no(may):
    assert "could not be found out" in await asking(may, ask=AskRule.RIGHTS).why_not("U1ALICE", "shop", "default")
