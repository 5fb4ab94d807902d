"""Proposals and people for the tests of approvals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.approval.person import Click, Installation
from bot.approval.proposal import (
    Approval,
    KubeUser,
    PartKind,
    ProofRecord,
    Proposal,
    ProposalLocation,
    ProposalPart,
    Tuple5,
)
from flows.model import Component
from sensors.kit import Target

NOW = datetime(2026, 11, 28, 21, 0, tzinfo=UTC)
OURS = Installation("T1", "A1")
PLACE = ProposalLocation("T1", "C1", "1.0", "2.0")
CLICK = Click("U1ALICE", "T1", "T1", "A1", "C1", "2.0")
ALICE, BOB = KubeUser("alice", ("oncall",)), KubeUser("bob")
MEMBER: dict[str, Any] = {"id": "U1ALICE", "team_id": "T1", "profile": {}}
ADD = {"op": "add", "path": "/spec/egress/-", "value": {"ports": [{"port": 6443}]}}
REMOVE = {"op": "remove", "path": "/spec/egress/1"}


def part(namespace: str = "shop", name: str = "strict-egress", **changes: Any) -> ProposalPart:
    made = ProposalPart(
        PartKind.PATCH, Component("NetworkPolicy", namespace, name), (ADD,), (REMOVE,), "uid-1", "7", "before"
    )
    return replace(made, **changes)


def proposal(*parts: ProposalPart, **changes: Any) -> Proposal:
    made = Proposal(
        id="0" * 32,
        investigation="inv1",
        target=Target("web-1", "shop"),
        title="Add to NetworkPolicy shop/strict-egress an egress rule to the API server on TCP 6443",
        parts=parts or (part(),),
        proved=ProofRecord("policies-1", (Tuple5("shop/web-1", "10.0.0.1", "TCP", 6443),), 847, 847, ("1 way",)),
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=30),
        asked_by=("U1ALICE",),
        place=PLACE,
    )
    return replace(made, **changes)


def approval(it: Proposal, person: str = "U1ALICE", who: KubeUser = ALICE, *covers: int, **changes: Any) -> Approval:
    return replace(Approval(person, who, covers or (0,), it.sha256, NOW), **changes)
