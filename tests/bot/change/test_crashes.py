"""Random stories of double clicks, two approvers, edits, changed policies and rights, and kill -9 between any steps."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from bot.approval.trail import faults
from bot.store.store import Store, open_store
from tests.bot.change.interleaving import Story, story

FEW, MANY = 25, 1000


async def told(store: Store, seeds: range) -> list[Story]:
    return [await story(store, each) for each in seeds]


def broken(stories: list[Story]) -> list[str]:
    return [f"seed {each.seed}: {why}" for each in stories for why in each.wrong]


async def test_at_most_one_write_each_and_state_message_and_object_agree(store: Store) -> None:
    stories = await told(store, range(FEW))

    assert broken(stories) == []
    assert sum(each.kills for each in stories) > FEW / 10, "the stories must be about processes that die"
    assert sum(each.writes for each in stories) > FEW / 5, "and about changes that are made"
    assert faults([each async for each in store.audit.links()], await store.audit.head()) == []


@pytest.mark.crash
@pytest.mark.timeout(3000)
async def test_a_thousand_interleavings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin = int(os.environ.get("KAI_SEED", "1000"))
    many = int(os.environ.get("KAI_STORIES", str(MANY)))
    began, stories = time.monotonic(), list[Story]()
    for at in range(begin, begin + many, 100):  # a database for each hundred: a trail is read whole
        async with open_store(f"sqlite:///{tmp_path}/{at}.db") as store:
            stories += await told(store, range(at, min(at + 100, begin + many)))
            assert faults([each async for each in store.audit.links()], await store.audit.head()) == []
    ends = sum((each.ends for each in stories), Counter[str]())
    with capsys.disabled():
        print(f"\n{len(stories)} interleavings in {time.monotonic() - began:.0f} s")
        print(f"  kill -9: {sum(each.kills for each in stories)}; writes: {sum(each.writes for each in stories)}")
        print(f"  proposals ended as: {', '.join(f'{count} {end}' for end, count in ends.most_common())}")
        print(f"  broken promises: {len(broken(stories))}")

    assert broken(stories) == []
