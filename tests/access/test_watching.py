"""Objects as they change: what was before, what is now, and nothing missed where the server has forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lab.observer.server import Manners, ObserverServer
from sensors.access.kube import connect
from sensors.access.kube.watching import KnownObjects, ObjectChange, Watching
from sensors.access.relay import Relay, following, relay_config
from sensors.kit import Absent, Blind
from sensors.kit.cluster import Object
from sensors.kit.kinds import LINKERD_SERVER, NETWORK_POLICY
from tests.labcluster.desk import patch, path_of, running


def policy(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": name, "resourceVersion": str(version)}, "spec": {"v": version}}


def line(kind: str, thing: object) -> bytes:
    return json.dumps({"type": kind, "object": thing}).encode()


class Scripted(Watching):
    """Lists and watches as they were written down; it ends with the script."""

    def __init__(
        self, lists: list[list[dict[str, Any]]], watches: list[list[bytes]], known: KnownObjects | None = None
    ) -> None:
        super().__init__(wire=None, kind=NETWORK_POLICY, known=known)  # type: ignore[arg-type]
        self.lists, self.watches = iter(lists), iter(watches)
        self.began_at: list[str] = []

    async def _listed(self) -> list[Object]:
        self._version = "100"
        return list(next(self.lists))

    async def _lines(self) -> AsyncIterator[bytes]:
        self.began_at.append(self._version)
        for each in next(self.watches, None) or self._over():
            yield each

    def _over(self) -> list[bytes]:
        raise Blind("the script is over")


async def all_of(watching: Watching) -> list[tuple[str, Any, Any]]:
    found: list[ObjectChange] = []

    async def follow() -> None:
        async for each in watching.changes():
            found.append(each)  # noqa: PERF401 - what came before the end counts

    with pytest.raises(Blind):
        await follow()
    return [
        (str((each.after or each.before or {})["metadata"]["name"]), *(_spec(one) for one in (each.before, each.after)))
        for each in found
    ]


def _spec(thing: Object | None) -> int | None:
    return None if thing is None else thing["spec"]["v"]


async def test_what_was_there_before_is_no_change_and_each_change_has_both_sides():
    events = [line("MODIFIED", policy("a", 101)), line("ADDED", policy("b", 102)), line("DELETED", policy("a", 103))]
    watching = Scripted([[policy("a", 1)]], [[*events, line("BOOKMARK", policy("", 120))]])

    assert await all_of(watching) == [("a", 1, 101), ("b", None, 102), ("a", 101, None)]
    assert watching.began_at == ["100", "120"]


@pytest.mark.parametrize("said", [line("ERROR", {"code": 410}), b"{", b"[]"])
async def test_after_what_the_server_has_forgotten_everything_is_listed_and_compared(said: bytes):
    lists = [[policy("a", 1), policy("b", 2)], [policy("a", 7), policy("c", 8)]]
    watching = Scripted(lists, [[said]])

    assert await all_of(watching) == [("a", 1, 7), ("b", 2, None), ("c", None, 8)]


async def test_a_new_connection_tells_what_changed_since_the_one_that_broke():
    known = KnownObjects()
    assert await all_of(Scripted([[policy("a", 1)]], [[line("ADDED", policy("b", 2))]], known)) == [("b", None, 2)]

    assert await all_of(Scripted([[policy("a", 7), policy("b", 2)]], [], known)) == [("a", 1, 7)]
    assert await all_of(Scripted([[policy("a", 7), policy("b", 2)]], [])) == []


async def test_of_what_was_missed_nobody_says_when_it_was():
    known = KnownObjects({("shop", "a"): policy("a", 1)}, is_listed=True)
    changes = Scripted([[]], [[line("ADDED", policy("b", 2))]], known).changes()

    assert [(await anext(changes)).missed for _ in range(2)] == [True, False]
    await changes.aclose()


async def test_a_living_api_server_is_followed_and_a_kind_that_is_not_there_is_absent():
    async with running("api-server-cannot-watch") as lab, connect(lab.kubeconfig("kai"), environ={}) as kube:
        with pytest.raises(Absent):
            await anext(kube.changes(LINKERD_SERVER))
        things = lab.catalog.find("networking.k8s.io/v1", "networkpolicies")
        assert things is not None
        thing = lab.store.all(things)[0]
        space, name = thing["metadata"]["namespace"], thing["metadata"]["name"]
        changes = kube.changes(NETWORK_POLICY)
        task = asyncio.ensure_future(anext(changes))
        async with asyncio.timeout(60):
            while not lab.store._watchers:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        labels = [{"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}]
        await patch(lab, "admin", path_of("NetworkPolicy", space, name), labels)
        change = await asyncio.wait_for(task, 60)
        await changes.aclose()

    assert change.before is not None
    assert change.after is not None
    assert (change.after["metadata"]["name"], change.after["metadata"]["labels"]) == (name, {"x": "y"})
    assert change.after["kind"] == "NetworkPolicy"


async def test_the_relay_s_policy_drops_come_as_they_happen_and_its_absence_is_blind():
    async with running("api-server-cannot-watch") as lab:
        heard = list[bool]()
        drops = Relay(relay_config({}, server=lab.relay)).policy_drops(lambda: heard.append(True))
        task = asyncio.ensure_future(anext(drops))
        async with asyncio.timeout(60):
            while not lab.relay_server._followers:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await lab.advance(10)
        flow = await asyncio.wait_for(task, 60)
        await drops.aclose()

    assert (flow.verdict, flow.event, flow.drop_reason) == ("DROPPED", 1, 133)
    assert heard
    heard.clear()
    with pytest.raises(Blind):
        await anext(Relay(relay_config({}, server="127.0.0.1:1")).policy_drops(lambda: heard.append(True)))
    assert not heard


async def test_a_relay_that_takes_the_call_and_says_nothing_is_not_heard(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "ALIVE_TIMEOUT_S", 0.2)
    heard = list[bool]()
    async with ObserverServer([], Manners(is_mute=True)) as server:
        config = relay_config({}, server=server.address)
        with pytest.raises(Blind):
            await anext(following.follow_policy_drops(config, lambda: heard.append(True)))
    assert not heard


async def test_a_relay_that_falls_silent_on_an_open_stream_is_found_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(following, "ALIVE_TIMEOUT_S", 0.2)
    async with ObserverServer([]) as server:
        drops = following.follow_policy_drops(relay_config({}, server=server.address), lambda: None, 0.05)
        task = asyncio.ensure_future(anext(drops))
        await server.until_open(1)
        done, _ = await asyncio.wait({task}, timeout=0.3)
        assert not done  # it answers, so its silence means that nothing is dropped
        server.manners = Manners(is_mute=True)
        with pytest.raises(Blind, match="no answer any more"):
            await asyncio.wait_for(task, 60)


async def test_whoever_stops_listening_is_not_told_that_the_relay_is_gone():
    async with ObserverServer([]) as server:
        drops = following.follow_policy_drops(relay_config({}, server=server.address), lambda: None, 60)
        task = asyncio.ensure_future(anext(drops))
        await server.until_open(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
