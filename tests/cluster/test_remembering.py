from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from sensors.access.kube import RememberingLists
from sensors.kit.cluster import Cluster, Object
from sensors.kit.kinds import CONFIG_MAP, NODE, POD, Kind
from sensors.kit.model import Absent, Blind, TooMany
from sensors.kit.reading import pods_near

PODS: dict[str, Any] = {
    "shop": {"metadata": {"namespace": "shop", "name": "web"}},
    "bank": {"metadata": {"namespace": "bank", "name": "ledger"}},
}


class Reader:
    """Notes what is read; with a gate, the reads wait for it."""

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.gate = gate

    async def __call__(self, kind: Kind, namespace: str | None) -> tuple[Object, ...]:
        self.asked.append((kind.plural, namespace))
        if self.gate is not None:
            await self.gate.wait()
        if kind is NODE:
            raise Blind("no right")
        return tuple(each for space, each in PODS.items() if namespace in (None, space))


async def test_sensors_that_ask_at_once_and_later_cost_one_list() -> None:
    reader = Reader()
    lists = RememberingLists(reader)

    found = await asyncio.gather(*(lists.objects(POD) for _ in range(5)), lists.objects(POD, "shop"))

    assert found[0] == tuple(PODS.values())
    assert found[5] == (PODS["shop"],)
    assert reader.asked == [("pods", None)]


async def test_one_namespace_is_read_alone_when_nobody_asked_for_all() -> None:
    reader = Reader()

    assert await RememberingLists(reader).objects(POD, "shop") == (PODS["shop"],)
    assert reader.asked == [("pods", "shop")]


async def test_config_maps_are_read_in_the_system_namespaces_only() -> None:
    reader = Reader()

    await RememberingLists(reader, ("kube-system", "cilium")).objects(CONFIG_MAP)

    assert reader.asked == [("configmaps", "kube-system"), ("configmaps", "cilium")]


async def test_a_failed_read_is_remembered_with_its_reason() -> None:
    reader = Reader()
    lists = RememberingLists(reader)

    for _ in range(2):
        with pytest.raises(Blind, match="no right"):
            await lists.objects(NODE)
    assert reader.asked == [("nodes", None)]


async def test_a_sensor_that_gives_up_does_not_take_the_read_from_the_others() -> None:
    gate = asyncio.Event()
    lists = RememberingLists(Reader(gate))
    hasty, patient = (asyncio.create_task(lists.objects(POD)) for _ in range(2))
    await asyncio.sleep(0)

    hasty.cancel()
    await asyncio.sleep(0)
    gate.set()

    assert await patient == tuple(PODS.values())
    assert hasty.cancelled()


async def test_closing_ends_what_is_under_way_and_says_so() -> None:
    lists = RememberingLists(Reader(asyncio.Event()))
    waiting = asyncio.create_task(lists.objects(POD))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    await lists.close()

    with pytest.raises(Blind, match="pods were not read to the end: the look is over"):
        await waiting


async def test_what_is_not_installed_stays_absent() -> None:
    async def read(kind: Kind, namespace: str | None) -> tuple[Object, ...]:
        raise Absent("not installed")

    with pytest.raises(Absent):
        await RememberingLists(read).objects(POD)


async def test_where_all_are_too_many_one_namespace_is_read_for_itself() -> None:
    asked: list[str | None] = []

    async def crowded(_: Kind, namespace: str | None) -> tuple[Object, ...]:
        asked.append(namespace)
        if namespace is None:
            raise TooMany("pods in all namespaces: 150,000, too many to read")
        return (PODS[namespace],)

    lists = RememberingLists(crowded)
    with pytest.raises(TooMany):
        await lists.objects(POD)

    assert await lists.objects(POD, "shop") == (PODS["shop"],)
    assert await pods_near_in(lists) == (PODS["shop"],)
    assert asked == [None, "shop"]


async def test_where_all_can_be_read_no_namespace_is_read_beside_them() -> None:
    reader = Reader()
    lists = RememberingLists(reader)

    assert await pods_near_in(lists) == tuple(PODS.values())
    assert reader.asked == [("pods", None)]


async def test_a_right_that_is_missing_everywhere_is_not_asked_for_in_one_namespace() -> None:
    async def forbidden(_: Kind, namespace: str | None) -> tuple[Object, ...]:
        assert namespace is None
        raise Blind("no right")

    with pytest.raises(Blind, match="no right"):
        await pods_near_in(RememberingLists(forbidden))


async def pods_near_in(lists: RememberingLists) -> tuple[Object, ...]:
    return await pods_near(cast("Cluster", lists), "shop")
