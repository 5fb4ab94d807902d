"""What is said when an alert resolved: only what KAI knows; what was proposed and not approved is withdrawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from bot.alerts.resolved import ROLE, WITHDRAWN, ResolvedNote, Resolves, note_of, reason
from bot.approval.proposal import Purpose
from bot.approval.states import ProposalState as Stands
from bot.slack.notes import ThreadReply
from bot.slack.renderer import render
from bot.store import Ceiling, InvestigationState, OriginKind, Request
from bot.store.store import Store, open_store
from sensors.kit import Target
from tests.bot.store.test_proposals import proposal

NOW = datetime(2026, 11, 28, 22, 3, 5, tzinfo=UTC)
REQUEST = Request(Target("web-1", "shop"), "flow.x", OriginKind.ALERT, "alert alertmanager", channel="C0ALERTS")


@dataclass
class Desk:
    delivered: list[str] = field(default_factory=list)

    async def wait(self, investigation: str) -> object:
        return object()

    async def deliver(self, key: str) -> None:
        self.delivered.append(key)


@pytest.fixture
async def store(database: str):
    async with open_store(database) as store:
        await store.investigations.admit(REQUEST, "inv1", NOW, Ceiling())
        await store.investigations.finish("inv1", InvestigationState.FAILED, "no way in", "failed", NOW)
        yield store


async def test_it_is_said_once_however_often_it_resolves(store: Store):
    desk = Desk()
    resolves = Resolves(store, desk, lambda: NOW)

    await resolves.resolve("inv1")
    await resolves.resolve("inv1")

    assert desk.delivered == [f"inv1.{ROLE}"]
    message, it = await store.messages.get(f"inv1.{ROLE}"), await store.investigations.get("inv1")
    assert message is not None
    assert it is not None
    note = await note_of(message, it, store)
    assert isinstance(note, ResolvedNote)
    (reply,) = render(note)
    assert isinstance(reply, ThreadReply)
    assert reply.said.text.startswith("✔ The alert resolved at 22:03:05 UTC: KAI has changed nothing")


async def test_a_proposal_that_nobody_approved_is_withdrawn(store: Store):
    made = proposal(id="p1", investigation="inv1")
    await store.proposals.create(made, [], NOW)

    await Resolves(store, Desk(), lambda: NOW).resolve("inv1")

    (kept,) = await store.proposals.of("inv1")
    assert (kept.state, kept.why) == (Stands.EXPIRED, WITHDRAWN)


async def test_a_proposal_to_keep_what_was_added_is_not(store: Store):
    it = proposal(id="e" * 32, purpose=Purpose.EXTENSION, parent="0" * 32)
    await store.proposals.create(it, [], NOW)

    await Resolves(store, Desk(), lambda: NOW).resolve("inv1")

    kept = await store.proposals.get(it.id)
    assert kept is not None
    assert kept.state is Stands.PROPOSED


def test_the_reason_is_what_kai_changed_or_nothing():
    applied = proposal(id="p1", investigation="inv1", state=Stands.VERIFIED, moved_at=NOW)

    assert reason(()).startswith("KAI has changed nothing")
    assert reason((proposal(id="p2", investigation="inv1"),)).startswith("KAI has changed nothing")
    assert reason((applied,)).startswith("after the approved change was applied at 22:03:05 UTC")
