"""The channel's message about an alert is found by its title, and the channel's history is asked seldom."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from slack_sdk.errors import SlackApiError

from bot.slack.alert_anchors import Anchors


@dataclass
class Channel:
    """A channel's history and a clock that waiting turns."""

    posted: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    at: float = 1000.0
    refusal: str = ""

    async def conversations_history(self, **_: Any) -> dict[str, Any]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.refusal:
            raise SlackApiError("no", {"error": self.refusal})
        return {"messages": [each for each in self.posted if float(each["ts"]) <= self.at]}

    async def wait(self, seconds: float) -> None:
        self.at += seconds / 10  # ten of them wait together
        await asyncio.sleep(0)

    def anchors(self) -> Anchors:
        client: Any = self
        return Anchors(client, lambda: self.at, self.wait)


def message(title: str, ts: str, **more: str) -> dict[str, Any]:
    return {"bot_id": "B0AM", "ts": ts, "attachments": [{"title": title}], **more}


async def test_a_history_is_asked_a_few_times_however_many_messages_are_awaited():
    channel = Channel()
    anchors = channel.anchors()

    found = await asyncio.gather(*(anchors.find("C0A", f"[FIRING:1] X{each}", 5.0) for each in range(10)))

    assert found == [""] * 10
    assert 2 <= channel.asked <= 3


async def test_a_message_that_only_the_history_shows_is_found_when_it_comes():
    channel = Channel([message("[FIRING:1] X", "1003.5"), message("[FIRING:1] Y", "1000.0")])
    anchors = channel.anchors()

    assert await asyncio.gather(*(anchors.find("C0A", f"[FIRING:1] {each}", 5.0) for each in "XY")) == [
        "1003.5",
        "1000.0",
    ]


async def test_of_two_messages_with_one_title_the_newest_counts():
    channel = Channel([message("[FIRING:1] X", "999.5"), message("[FIRING:1] X", "990.0")])

    assert await channel.anchors().find("C0A", "[FIRING:1] X", 5.0) == "999.5"


async def test_what_a_person_wrote_or_nobody_waits_for_is_not_found():
    channel = Channel([{"ts": "999.0", "text": "[FIRING:1] X"}])

    assert await channel.anchors().find("C0A", "[FIRING:1] X", 0.0) == ""
    assert channel.asked == 0
    assert await channel.anchors().find("C0A", "[FIRING:1] X", 1.0) == ""


async def test_without_the_scope_the_history_is_asked_once():
    channel = Channel(refusal="missing_scope")
    anchors = channel.anchors()

    assert [await anchors.find("C0A", "X", 5.0) for _ in range(3)] == [""] * 3
    assert channel.asked == 1
