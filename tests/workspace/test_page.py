"""What the page is told and what it may do; no browser needed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

import lab.workspace
from lab.workspace import Workspace
from lab.workspace.page import Page

HERE = Path(lab.workspace.__file__).parent


def test_the_bundle_is_of_these_sources() -> None:
    page = HERE / "page"
    sources = [page / name for name in ("build.mjs", "index.html", "package-lock.json")]
    digest = hashlib.sha256()
    for path in sorted([*sources, *page.glob("src/*")], key=lambda one: one.relative_to(page).as_posix()):
        digest.update(path.read_bytes())

    built = (HERE / "static" / "sources.sha256").read_text().strip()

    assert built == digest.hexdigest(), "the page is older than its sources: run lab/workspace/page/build.sh"


def test_the_bundle_names_no_registry() -> None:
    lock = (HERE / "page" / "package-lock.json").read_text()

    assert '"resolved"' not in lock


async def test_each_person_is_shown_only_what_he_may_see(workspace: Workspace, client: AsyncWebClient) -> None:
    await client.chat_postMessage(channel="C0INCIDENTS", text="internal")
    await client.chat_postEphemeral(channel="C0PARTNER", user="U0ALICE", text="for alice")
    page = Page(workspace.world, workspace.user)

    alice = page.picture(workspace.world.user("alice"))
    mallory = page.picture(workspace.world.user("mallory"))

    def texts(picture: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[str]:
        return [one["text"] for room in picture["channels"] for one in room["messages"]]

    assert texts(alice) == ["internal", "for alice"]
    assert texts(mallory) == []
    assert [room["name"] for room in mallory["channels"] if room["kind"] != "im"] == ["partner-shared"]


async def test_the_page_forbids_scripts_of_others(workspace: Workspace) -> None:
    async with aiohttp.ClientSession() as session, session.get(workspace.url) as response:
        policy = response.headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'self';")
    assert "script-src" not in policy


async def test_a_form_of_another_site_does_nothing(workspace: Workspace) -> None:
    said = '{"user": "alice", "act": "say", "channel": "incidents", "text": "forged"}'
    async with aiohttp.ClientSession() as session:
        async with session.post(
            f"{workspace.url}/page/do", data=said, headers={"Content-Type": "text/plain"}
        ) as forged:
            assert forged.status == 415
        headers = {"Content-Type": "application/json"}
        async with session.post(f"{workspace.url}/page/do", data=said, headers=headers) as own:
            assert own.status == 200

    assert [one["text"] for one in workspace.messages()] == ["forged"]


async def test_what_a_person_cannot_do_is_told_in_words(workspace: Workspace) -> None:
    acts = [
        {"user": "mallory", "act": "say", "channel": "incidents", "text": "x"},
        {"user": "nobody", "act": "say", "channel": "incidents", "text": "x"},
        {"user": "alice", "act": "close", "where": {"type": "modal", "id": "V1"}},
        {"user": "alice", "act": "dance"},
    ]
    async with aiohttp.ClientSession() as session:
        answers = []
        for act in acts:
            async with session.post(f"{workspace.url}/page/do", json=act) as response:
                answers.append((response.status, (await response.json())["error"]))

    assert answers == [
        (409, "mallory is not in #incidents"),
        (409, "user_not_found"),
        (409, "alice has no view V1 open"),
        (409, "'dance'"),
    ]


async def test_a_name_that_nobody_has_is_not_found(workspace: Workspace) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{workspace.url}/page/live?user=nobody") as response:
        assert response.status == 404


async def test_who_calls_an_app_that_is_not_in_the_channel_is_told(workspace: Workspace) -> None:
    alice = workspace.user("alice")

    await alice.mention("why?", "random")
    await alice.mention("why?", "incidents")

    told = [(one["channel"], one["text"]) for one in workspace.ephemerals("alice")]
    assert told == [("C0RANDOM", "You mentioned <@U0KAI>, but they're not in this channel.")]
