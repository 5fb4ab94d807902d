"""A request takes the same way to the desk, whatever its origin."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bot.clusters.target import NoSuchPod
from bot.desk import LimitReached
from bot.desk.desk import Started
from bot.intake import Intake, Origin
from bot.store import Admitted, Ceiling, InvestigationState, OriginKind, Request
from bot.store.store import Store
from bot.triggers.commands import Investigate
from sensors.kit import Target
from tests.bot.store.words import NOW

ASKED = Investigate("web", "shop", "payments.prod", 8080, 900)


@dataclass
class Desk:
    """Takes requests on in a store, as the real one does, and runs nothing."""

    store: Store
    requests: list[tuple[Request, str]] = field(default_factory=list)

    async def start(self, request: Request, once: str = "") -> Started:
        self.requests.append((request, once))
        said = await self.store.investigations.admit(request, f"i{len(self.requests)}", NOW, Ceiling(), once)
        assert isinstance(said, Admitted)
        return Started(said.investigation.id, joined=not said.fresh)


async def find(target: Target, cluster: str) -> Target:
    if target.pod == "nobody":
        raise NoSuchPod('no pod "nobody"')
    return Target(f"{target.pod}-1", target.namespace, target.to_host, target.to_port)


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


@pytest.fixture
def intake(desk: Desk) -> Intake:
    return Intake(desk, desk.store, find, "flow")


@pytest.mark.parametrize("kind", list(OriginKind))
async def test_every_origin_reaches_the_desk_with_where_the_answer_is_awaited(intake: Intake, desk: Desk, kind):
    origin = Origin(kind, "U1", "C1", "1.2", "key-1")

    taken = await intake.take(ASKED, origin)

    ((request, once),) = desk.requests
    assert request == Request(
        Target("web-1", "shop", "payments.prod", 8080), "flow", kind, "U1", "default", "C1", "1.2", 900
    )
    assert (once, taken.investigation.request, taken.joined) == ("key-1", request, False)


async def test_what_is_delivered_twice_is_taken_on_once(intake: Intake):
    origin = Origin(OriginKind.ALERT, "alertmanager", once="fingerprint-1")

    first, second = await intake.take(ASKED, origin), await intake.take(ASKED, origin)

    assert (first.investigation.id, first.joined, second.joined) == (second.investigation.id, False, True)


async def test_a_repeated_question_keeps_target_and_flow_and_takes_the_new_origin(intake: Intake, desk: Desk):
    first = await intake.take(ASKED, Origin(OriginKind.SLASH, "U1"))
    await desk.store.investigations.finish(first.investigation.id, InvestigationState.LOST, "", "lost", NOW)

    again = (await intake.repeat(first.investigation, Origin(OriginKind.MENTION, "U2"))).investigation.request

    before = first.investigation.request
    assert (again.target, again.flow, again.since) == (before.target, before.flow, before.since)
    assert (again.asked_by, again.origin) == ("U2", "mention")


async def test_a_pod_that_is_not_there_is_said_and_nothing_started(intake: Intake, desk: Desk):
    with pytest.raises(NoSuchPod):
        await intake.take(Investigate("nobody", "shop"), Origin(OriginKind.FORM, "U1"))

    assert desk.requests == []


async def test_a_word_that_is_too_long_is_refused_in_a_sentence(intake: Intake, desk: Desk):
    with pytest.raises(LimitReached, match="the channel has at most 200 printable characters"):
        await intake.take(ASKED, Origin(OriginKind.SLASH, "U1", "C" * 201))

    assert desk.requests == []
