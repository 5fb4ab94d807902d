"""The demo's second half: a named person's change, written with their rights, verified by flows and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from bot.approval.states import State
from bot.approval.trail import faults
from bot.slack import proposal_blocks as ids
from lab.demo import Demo
from tests.demo.visitor import CHANNEL, type_command, verdict

Json = dict[str, Any]
PATIENCE = 60.0
"""Seconds for each step; on an idle machine a change is verified within fifteen."""


async def card(demo: Demo, words: str) -> Json:
    """The proposal's card, once its state begins like this."""

    def found() -> Json | None:
        root = demo.workspace.messages(CHANNEL)[-1]
        cards = [each for each in demo.workspace.thread(root["ts"]) if _is_card(each)]
        return next((each for each in cards if words in each["text"]), None)

    return await demo.workspace.wait_for(found, PATIENCE)  # type: ignore[return-value]


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

    return str(await demo.workspace.wait_for(found, PATIENCE))


async def policies(demo: Demo) -> list[str]:
    resource = demo.lab.catalog.named("ciliumnetworkpolicies", "cilium.io")
    return [each["metadata"]["name"] for each in demo.lab.store.all(resource, "production")]


@pytest.mark.slow
async def test_alice_approves_drops_stop_the_root_turns_green_and_undo_brings_them_back(demo: Demo) -> None:
    proposal, before = await asked(demo), await policies(demo)

    await demo.workspace.user("alice").press(proposal, ids.APPROVE)
    done = await card(demo, "✔ Verified")
    root = await demo.workspace.wait_for(lambda: green(demo), PATIENCE)
    added = set(await policies(demo)) - set(before)
    await demo.workspace.user("alice").press(done, ids.UNDO)
    undone = await card(demo, "↩ Rolled back")

    assert "forwarded, 0 dropped" in done["text"]
    assert root["blocks"][0]["text"]["text"] == "🟢 production/api-server-79fd8d4cc-jzc5m → 10.96.0.1:443: talks again"
    assert len(added) == 1
    assert await policies(demo) == before
    assert ids.UNDO not in buttons(undone)
    [it, *_] = await demo.served.store.proposals.in_states([State.ROLLED_BACK])
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
async def test_a_button_carries_the_id_and_nothing_else(demo: Demo) -> None:
    proposal = await asked(demo)

    values = set(buttons(proposal).values())
    known = {each.id for each in await demo.served.store.proposals.in_states([State.PROPOSED])}

    assert len(values) == 1
    assert values <= known
    assert all(len(each) == 32 for each in values)
