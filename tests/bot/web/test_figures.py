"""/metrics of a running KAI is what Prometheus reads, and counts what Slack and an investigation did."""

from __future__ import annotations

from collections import Counter

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.bot.slack.conftest import Start, start, workspace  # noqa: F401 - fixtures


async def test_an_investigation_is_seen_in_the_figures(start: Start) -> None:  # noqa: F811
    async with start() as kai, aiohttp.ClientSession() as session:
        await kai.workspace.user("alice").command("/kai netdebug api-server production")
        await kai.told()
        async with session.get(f"{kai.served.url}/metrics") as answer:
            page, kind = await answer.text(), answer.headers["Content-Type"]

    samples = [each for family in text_string_to_metric_families(page) for each in family.samples]
    names = Counter[tuple[str, str]]()
    for each in samples:
        names[each.name, each.labels.get("outcome", "")] += each.value  # type: ignore[assignment]
    assert kind.startswith("text/plain; version=")
    assert names["kai_investigations_total", "fault"] == 1
    assert names["kai_slack_calls_total", "ok"] > 0
    assert names["kai_store_up", ""] == 1
    assert "api-server" not in page
    assert "production" not in page
    assert kai.workspace.app.bot_token not in page
