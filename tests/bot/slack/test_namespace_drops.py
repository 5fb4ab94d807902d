"""`/kai drops NAMESPACE`, and clusters by name, on the whole of KAI."""

from __future__ import annotations

from tests.bot.slack.conftest import Kai


async def test_drops_are_told_to_whoever_asked(kai: Kai) -> None:
    await kai.workspace.user("alice").command("/kai drops production")

    told = "\n".join(await kai.whispers("alice", 2)).replace("\u200b", "")
    assert "production: policies deny 1 pair of workloads (847 packets dropped)" in told
    assert "NetworkPolicy production/strict-egress has no rule for egress to the API server" in told
    assert "/kai netdebug api-server-79fd8d4cc-jzc5m production --to 172.30.0.11:6443" in told
    assert kai.workspace.messages("incidents") == []


async def test_a_namespace_that_is_not_there_is_said(kai: Kai) -> None:
    await kai.workspace.user("alice").command("/kai drops prodction")

    assert 'no namespace "prodction"' in "\n".join(await kai.whispers("alice", 2)).replace("\u200b", "")


async def test_a_cluster_that_is_not_served_is_refused_and_nothing_starts(kai: Kai) -> None:
    alice = kai.workspace.user("alice")
    await alice.command("/kai netdebug api-server production --cluster prod-eu")
    await alice.command("/kai drops production --cluster prod-eu")

    told = await kai.whispers("alice", 2)
    assert all("no cluster" in each and "the settings name none" in each for each in told)
    assert kai.workspace.messages("incidents") == []
