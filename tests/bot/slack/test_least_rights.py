"""With exactly the scopes and events of the manifest, everything works that the page promises."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.bot.slack.conftest import Start

MANIFEST = yaml.safe_load((Path(__file__).parents[3] / "docs/slack-manifest.yaml").read_text("utf-8"))


async def test_a_whole_investigation_needs_no_more_than_the_manifest_asks_for(workspace, start: Start):
    workspace.app.scopes = frozenset(MANIFEST["oauth_config"]["scopes"]["bot"])
    workspace.app.events = frozenset(MANIFEST["settings"]["event_subscriptions"]["bot_events"])
    async with start() as kai:
        alice = kai.workspace.user("alice")
        await alice.command("/kai netdebug api-server production")
        await kai.told()
        thread = len(kai.workspace.thread(kai.root()["ts"]))
        await alice.mention("why?", thread_ts=kai.root()["ts"])
        await kai.workspace.wait_for(lambda: len(kai.workspace.thread(kai.root()["ts"])) == thread + 2)
        await alice.message_bot("history")
        await alice.open_home()
        await alice.command("/kai netdebug")
        await kai.workspace.wait_for(lambda: alice.view and alice.home)
        await kai.workspace.wait_for(lambda: len(kai.workspace.direct_messages("alice")) == 2)
        failed = [(call.method, call.answer["error"]) for call in kai.workspace.calls() if not call.answer["ok"]]

    assert failed == []


async def test_who_asks_where_kai_hears_only_its_name_is_told_so_once_and_alone(workspace, start: Start):
    workspace.app.scopes = frozenset(MANIFEST["oauth_config"]["scopes"]["bot"])
    workspace.app.events = frozenset(MANIFEST["settings"]["event_subscriptions"]["bot_events"])
    async with start() as kai:
        alice = kai.workspace.user("alice")
        await alice.command("/kai netdebug api-server production")
        await kai.told()
        await kai.whispers("alice")
        await alice.command("/kai status")
        said = await kai.whispers("alice", 2)

    assert [each for each in said if "@kai why?" in each] == [said[0]]


async def test_who_asks_where_kai_hears_everything_needs_no_hint(start: Start):
    async with start() as kai:
        await kai.workspace.user("alice").command("/kai netdebug api-server production")
        await kai.told()
        hints = kai.workspace.ephemerals("alice")

    assert hints == []
