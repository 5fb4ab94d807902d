"""The demo's second half: a named person's change, written with their rights, verified by flows and taken back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.approval.proposal import Proposal
from bot.approval.states import ProposalState
from bot.approval.trail import faults
from bot.change.expiry import approved_end, role_of
from bot.change.extension import until
from bot.slack import proposal_blocks as ids
from bot.store.messages import owe
from lab.demo import Demo, demonstrate
from tests.demo.conftest import CASES
from tests.demo.visitor import CHANNEL, type_command, verdict

Json = dict[str, Any]


async def card(demo: Demo, words: str) -> Json:
    """The proposal's card, once its state begins like this."""

    def found() -> Json | None:
        root = demo.workspace.messages(CHANNEL)[-1]
        cards = [each for each in demo.workspace.thread(root["ts"]) if _is_card(each)]
        return next((each for each in cards if words in each["text"]), None)

    return await demo.workspace.wait_for(found)  # type: ignore[return-value]


def _is_card(message: Json) -> bool:
    return any(
        element.get("action_id") == ids.SHOW_FIX
        for block in message.get("blocks", ())
        for element in block.get("elements", ())
    )


def green(demo: Demo) -> Json | None:
    """The root message, once its headline says that the change has helped."""
    root = demo.workspace.messages(CHANNEL)[-1]
    return (
        root if root["blocks"][0]["type"] == "header" and "talks again" in root["text"] + str(root["blocks"]) else None
    )


def buttons(message: Json) -> dict[str, str]:
    """The value of each button."""
    return {
        element["action_id"]: element["value"]
        for block in message["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    }


async def asked(demo: Demo) -> Json:
    await type_command(demo)
    await verdict(demo)
    return await card(demo, "Waiting for an approval")


async def told(demo: Demo, who: str, words: str) -> str:
    """What this person alone is told, once it has these words."""

    def found() -> str | None:
        said = [each["text"] for each in demo.workspace.ephemerals(who)]
        return next((each for each in said if words in each), None)

    return str(await demo.workspace.wait_for(found))


async def policies(demo: Demo) -> list[str]:
    return [each["metadata"]["name"] for each in policy_objects(demo)]


def policy_objects(demo: Demo) -> list[Json]:
    resource = demo.lab.catalog.named("ciliumnetworkpolicies", "cilium.io")
    return [dict(each) for each in demo.lab.store.all(resource, "production")]


@pytest.mark.slow
async def test_alice_approves_drops_stop_the_root_turns_green_and_undo_brings_them_back(demo: Demo) -> None:
    proposal, before = await asked(demo), await policies(demo)

    await demo.workspace.user("alice").press(proposal, ids.APPROVE)
    done = await card(demo, "✔ Verified")
    root = await demo.workspace.wait_for(lambda: green(demo))
    added = set(await policies(demo)) - set(before)
    await demo.workspace.user("alice").press(done, ids.UNDO)
    undone = await card(demo, "↩ Rolled back")

    assert "forwarded, 0 dropped" in done["text"]
    assert root["blocks"][0]["text"]["text"] == "🟢 production/api-server-79fd8d4cc-jzc5m → 10.96.0.1:443: talks again"
    assert len(added) == 1
    assert await policies(demo) == before
    assert ids.UNDO not in buttons(undone)
    [it, *_] = await demo.served.store.proposals.in_states([ProposalState.ROLLED_BACK])
    links = [each async for each in demo.served.store.audit.links()]
    assert faults(links, await demo.served.store.audit.head()) == []
    assert [each.entry.count(it.id) > 0 for each in links].count(True) > 8


@pytest.mark.slow
async def test_bob_is_refused_by_kubernetes_and_mallory_before_any_call(demo: Demo) -> None:
    proposal, before = await asked(demo), await policies(demo)

    await demo.workspace.user("bob").press(proposal, ids.APPROVE)
    bob = await told(demo, "bob", "Kubernetes does not let bob")
    await demo.workspace.user("mallory").press(proposal, ids.APPROVE)
    mallory = await told(demo, "mallory", "Only members of this workspace")
    await demo.workspace.user("grace").press(proposal, ids.APPROVE)
    await told(demo, "grace", "Guests of this workspace")

    assert 'User "bob" cannot create resource "ciliumnetworkpolicies"' in bob
    assert "Kubernetes" not in mallory
    assert await policies(demo) == before
    entries = [each.entry async for each in demo.served.store.audit.links()]
    refused = [each for each in entries if '"event":"refused"' in each]
    assert [code for each in refused for code in ("rbac", "other_company", "guest") if f'"{code}"' in each] == [
        "rbac",
        "other_company",
        "guest",
    ]


@pytest.mark.slow
async def test_a_wrong_fix_made_by_an_edit_is_taken_back_before_ones_eyes(temporary: Path) -> None:
    """A Service's port is no policy: only the flows can tell that it does not help."""
    async with demonstrate(CASES / "mobile-to-gateway") as demo:
        alice, proposal = demo.workspace.user("alice"), await asked(demo)

        await alice.press(proposal, ids.EDIT)
        fields = (await demo.workspace.wait_for(lambda: next(iter(alice.views), None)))["blocks"]
        operations = json.loads(fields[0]["element"]["initial_value"])
        wrong = [{**each, "value": 9} if each["op"] == "replace" else each for each in operations]
        await alice.submit(values={ids.TEXT_ACTION: json.dumps(wrong)})
        edited = await card(demo, "dited by")
        await alice.press(edited, ids.APPROVE)
        undone = await card(demo, "↩ Rolled back")

    assert "value" in str(operations)
    assert "not verified: 0 forwarded" in undone["text"]


@pytest.mark.slow
async def test_an_added_policy_is_kept_by_the_buttons_of_the_message_that_says_when_it_ends(demo: Demo) -> None:
    await demo.workspace.user("alice").press(await asked(demo), ids.APPROVE)
    await card(demo, "✔ Verified")
    it, end = await ends_soon(demo)
    soon = await said(demo, "is taken back at")

    await demo.workspace.user("bob").press(soon, ids.KEEP)
    bob = await told(demo, "bob", "Kubernetes does not let bob")
    await demo.workspace.user("grace").press(soon, ids.LET_GO)
    await told(demo, "grace", "Guests of this workspace")
    await demo.workspace.user("alice").press(soon, ids.LET_GO)
    await said(demo, "lets it go")
    await demo.workspace.user("alice").press(soon, ids.EXTEND)
    kept = await said(demo, "stays to the end of")

    thing = next(each for each in policy_objects(demo) if each["metadata"]["name"] == it.parts[0].target.name)
    assert 'User "bob" cannot patch resource "ciliumnetworkpolicies"' in bob
    assert thing["metadata"]["annotations"]["kai.dev/expires"] == until(end)
    assert not any(block["type"] == "actions" for block in kept["blocks"])


async def ends_soon(demo: Demo) -> tuple[Proposal, datetime]:
    """As the sweep says it an hour before: here the time has not come, and it is owed by hand."""
    store = demo.served.store
    [it] = await store.proposals.in_states([ProposalState.VERIFIED])
    end = approved_end(it)
    assert end is not None
    async with store.database.writing() as connection:
        await owe(connection, it.investigation, role_of(it, end), datetime.now(UTC))
    return it, end


async def said(demo: Demo, words: str) -> Json:
    """A message in the thread, once it has these words."""

    def found() -> Json | None:
        root = demo.workspace.messages(CHANNEL)[-1]
        return next((each for each in demo.workspace.thread(root["ts"]) if words in each["text"]), None)

    return await demo.workspace.wait_for(found)  # type: ignore[return-value]


@pytest.mark.slow
async def test_a_button_carries_the_id_and_nothing_else(demo: Demo) -> None:
    proposal = await asked(demo)

    values = set(buttons(proposal).values())
    known = {each.id for each in await demo.served.store.proposals.in_states([ProposalState.PROPOSED])}

    assert len(values) == 1
    assert values <= known
    assert all(len(each) == 32 for each in values)
