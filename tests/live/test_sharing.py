"""Investigations of one moment read once; a verification reads for itself; nobody is given an old list."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import pytest

from bot.clusters import opening
from bot.clusters.opening import PolicyWorlds
from bot.clusters.sharing import LIFE_S, SharedLine
from bot.store import OriginKind, Request
from sensors.access.kube import Kube
from sensors.access.live import LiveCluster, SharedReads
from sensors.access.live.sharing import SHARED_S
from sensors.kit import Absent, Blind, Target
from sensors.kit.attempt import attempt
from sensors.kit.kinds import CILIUM_NETWORK_POLICY, NETWORK_POLICY, POD


@dataclass
class Time:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Api:
    """Counts what it is asked, and answers when it is let."""

    asked: Counter[Any] = field(default_factory=Counter)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    fails: Exception | None = None

    async def list(self, kind: Any, namespace: str | None = None) -> tuple[dict[str, Any], ...]:
        return await self._answer(kind, ({"kind": kind.name, "metadata": {"name": f"{self.asked[kind]}"}},))

    async def log(self, namespace: str, pod: str, container: str, **more: Any) -> str:
        return await self._answer((namespace, pod, container, *more.values()), "a line")

    async def _answer(self, key: Any, said: Any) -> Any:
        self.asked[key] += 1
        await self.go.wait()
        if self.fails is not None:
            raise self.fails
        return said


@pytest.fixture
def api() -> Api:
    api = Api()
    api.go.set()
    return api


def cluster(api: Api, shared: SharedReads | None) -> LiveCluster:
    return LiveCluster(api, None, shared=shared)  # type: ignore[arg-type]


async def test_two_investigations_of_one_moment_list_the_policies_once(api: Api):
    shared = SharedReads()
    api.go.clear()
    first, second = cluster(api, shared), cluster(api, shared)
    asking = asyncio.gather(first.objects(NETWORK_POLICY), second.objects(NETWORK_POLICY))
    await asyncio.sleep(0)
    api.go.set()
    one, other = await asking

    assert one is other
    assert api.asked == {NETWORK_POLICY: 1}


async def test_two_investigations_of_one_moment_read_a_log_once_and_each_other_log_for_itself(api: Api):
    shared = SharedReads()
    await cluster(api, shared).log("shop", "web", "app")
    await cluster(api, shared).log("shop", "web", "app")
    await cluster(api, shared).log("shop", "web", "app", previous=True)

    assert sorted(api.asked.values()) == [1, 1]


async def test_a_list_is_given_to_others_for_two_seconds_after_it_was_begun_and_no_longer(api: Api):
    clock = Time()
    shared = SharedReads(clock)
    (before,) = await cluster(api, shared).objects(POD)
    clock.now += SHARED_S - 0.1
    (meanwhile,) = await cluster(api, shared).objects(POD)
    clock.now += 0.2
    (after,) = await cluster(api, shared).objects(POD)

    assert before is meanwhile
    assert after is not before


async def test_one_investigation_sees_one_state_however_long_it_takes(api: Api):
    clock = Time()
    own = cluster(api, SharedReads(clock))
    before = await own.objects(POD)
    clock.now += 60

    assert await own.objects(POD) is before


async def test_lists_go_with_their_investigation_and_do_not_wait_for_python_to_look_for_circles(api: Api):
    class WeighedPods(frozenset[str]):
        """Something in place of a list that can be watched."""

    async def weighed(*_: object) -> WeighedPods:
        return WeighedPods()

    own = cluster(api, None)
    api.list = weighed  # type: ignore[assignment, method-assign]
    api.fails = Blind("no right")
    with circles_left():
        list_of_pods = ref(await own.objects(POD))
        await attempt(own.log("shop", "web", "app"))
        assert list_of_pods() is not None
        await own.close()
        await asyncio.sleep(0)  # the loop's own hand on it
        assert list_of_pods() is None


@contextmanager
def circles_left() -> Iterator[None]:
    """A while in which Python does not look for garbage that refers to itself."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def test_that_a_kind_is_not_installed_is_an_answer_for_all(api: Api):
    api.fails, shared = Absent("not installed"), SharedReads()
    for _ in range(2):
        with pytest.raises(Absent):
            await cluster(api, shared).objects(CILIUM_NETWORK_POLICY)

    assert api.asked[CILIUM_NETWORK_POLICY] == 1


async def test_a_failure_of_one_does_not_blind_those_who_come_later(api: Api):
    api.fails, shared = Blind("no answer"), SharedReads()
    with pytest.raises(Blind):
        await cluster(api, shared).objects(POD)
    api.fails = None

    assert await cluster(api, shared).objects(POD)


async def test_one_who_gives_up_does_not_end_the_read_of_the_others(api: Api):
    shared = SharedReads()
    api.go.clear()
    given_up, patient = (asyncio.create_task(cluster(api, shared).objects(POD)) for _ in range(2))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait({given_up})
    api.go.set()

    assert await patient
    assert api.asked[POD] == 1


async def test_what_is_too_old_for_anybody_is_not_kept_in_memory(api: Api):
    shared = SharedReads(shared_s=0.0)
    await cluster(api, shared).objects(POD)
    await asyncio.sleep(0)

    assert len(shared) == 0


async def test_without_sharing_each_reads_for_itself(api: Api):
    for _ in range(2):
        await cluster(api, None).objects(NETWORK_POLICY)

    assert api.asked[NETWORK_POLICY] == 2


# -- the connection of a process --------------------------------------------------------------------------------------


@dataclass
class Opened:
    """Connections as they were opened and closed."""

    api: Api
    opened: int = 0
    closed: int = 0
    fails: bool = False

    @asynccontextmanager
    async def connect(self, *_: Any) -> AsyncIterator[Kube]:
        if self.fails:
            raise Blind("no way")
        self.opened += 1
        yield self.api  # type: ignore[misc]
        self.closed += 1


async def test_investigations_of_a_minute_share_a_connection_and_the_next_minute_has_its_own(api: Api):
    clock, there = Time(), Opened(api)
    line = SharedLine(there.connect, clock)
    async with line.use(), line.use():
        clock.now += LIFE_S + 1
        async with line.use():
            assert (there.opened, there.closed) == (2, 0)  # those of the first minute still read on theirs
    assert (there.opened, there.closed) == (2, 1)
    await line.close()
    assert (there.opened, there.closed) == (2, 2)


async def test_a_connection_that_could_not_be_opened_is_tried_again(api: Api):
    there = Opened(api, fails=True)
    line = SharedLine(there.connect)
    with pytest.raises(Blind):
        async with line.use():
            raise AssertionError("there is no connection")
    there.fails = False
    async with line.use() as (kube, _):
        assert kube is api  # type: ignore[comparison-overlap]
    await line.close()


async def test_a_verification_never_reads_a_shared_snapshot(api: Api, monkeypatch: pytest.MonkeyPatch):
    there = Opened(api)

    @asynccontextmanager
    async def on(live: Any, kube: Any, shared: SharedReads | None = None) -> AsyncIterator[LiveCluster]:
        yield cluster(kube, shared)

    @asynccontextmanager
    async def own(live: Any) -> AsyncIterator[LiveCluster]:
        async with there.connect() as kube, on(live, kube) as fresh:
            yield fresh

    monkeypatch.setattr(opening, "opened_on", on)
    monkeypatch.setattr(opening, "opened", own)
    worlds = PolicyWorlds(line=SharedLine(there.connect))
    asked = Request(Target("web", "shop"), "flow.k8s_network_debug", OriginKind.SLASH, "U1")
    for _ in range(2):
        async with worlds.open(asked) as opened:
            await opened.cluster.objects(NETWORK_POLICY)
    assert api.asked[NETWORK_POLICY] == 1

    for _ in range(2):
        async with worlds.cluster() as as_it_is:  # what proofs, verifications and the watch are given
            await as_it_is.objects(NETWORK_POLICY)
    assert api.asked[NETWORK_POLICY] == 3
