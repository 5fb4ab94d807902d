"""Whoever says nothing, or too slowly, holds no place that somebody else needs; over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from bot.web import HttpRoute, listening
from bot.web.connections import Bounds

GET = b"GET /quick HTTP/1.1\r\nHost: kai\r\n"


async def quick(_: web.Request) -> web.StreamResponse:
    return web.json_response({})


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(0.8)
    return web.json_response({})


async def large(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"x" * 50_000_000)


ROUTES = (HttpRoute("GET", "/quick", quick), HttpRoute("GET", "/slow", slow), HttpRoute("GET", "/large", large))


@asynccontextmanager
async def dialled(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.close()


async def closed(reader: asyncio.StreamReader) -> bool:
    """Has the other side closed it?"""
    async with asyncio.timeout(30):
        try:
            return await reader.read(1000) == b""
        except ConnectionError:
            return True


async def status(url: str, path: str) -> int:
    async with ClientSession() as session, session.get(f"{url}/{path}") as answer:
        return answer.status


@pytest.mark.parametrize(
    "said",
    [b"", b"GE", GET, GET + b"X-Slow: " + b"a" * 50],
    ids=["nothing", "half a word", "no end", "half a header"],
)
async def test_whoever_does_not_end_the_head_of_a_request_is_sent_away_with_one_line(said: bytes, caplog):
    async with listening("127.0.0.1", 0, ROUTES, bounds=Bounds(head_s=0.05)) as url, dialled(url) as (reader, writer):
        writer.write(said)

        assert await closed(reader)
    assert [each.getMessage() for each in caplog.records] == [
        "a connection from 127.0.0.1 is closed: it sent no whole request within 0.05 s"
    ]


async def test_one_header_after_the_other_does_not_buy_more_time():
    async with listening("127.0.0.1", 0, ROUTES, bounds=Bounds(head_s=0.1)) as url, dialled(url) as (reader, writer):

        async def drip() -> None:
            writer.write(GET)
            while not writer.is_closing():
                writer.write(b"X-Drip: 1\r\n")
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert await closed(reader)
        dripping.cancel()


async def test_a_second_request_on_the_same_connection_has_the_same_time_and_an_idle_one_is_kept(caplog):
    async with listening("127.0.0.1", 0, ROUTES, bounds=Bounds(head_s=0.5)) as url, dialled(url) as (reader, writer):
        writer.write(GET + b"\r\n")
        assert (await reader.read(1000)).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.8)
        assert caplog.records == []
        writer.write(GET)

        assert await closed(reader)


async def test_an_answer_may_take_longer_than_a_head():
    async with listening("127.0.0.1", 0, ROUTES, bounds=Bounds(head_s=0.5)) as url:
        assert await status(url, "slow") == 200


async def test_an_answer_that_nobody_reads_is_not_kept_for_ever(caplog):
    async with listening("127.0.0.1", 0, ROUTES, bounds=Bounds(unread_s=0.1)) as url, dialled(url) as (_, writer):
        writer.write(GET.replace(b"quick", b"large") + b"\r\n")
        async with asyncio.timeout(30):
            while not caplog.records:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.01)

    assert "did not read its answer within 0.1 s" in caplog.records[0].getMessage()


@pytest.mark.parametrize("bounds", [Bounds(of_one_address=20), Bounds(in_all=20)], ids=["of one address", "in all"])
async def test_a_hundred_that_say_nothing_keep_nobody_out(bounds: Bounds, caplog):
    async with listening("127.0.0.1", 0, ROUTES, bounds=bounds) as url:
        port = int(url.rpartition(":")[2])
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]

        assert await status(url, "quick") == 200
        assert [await closed(reader) for reader, _ in silent[:80]] == [True] * 80
        for _, writer in silent:
            writer.close()
    assert 80 <= len(caplog.records) <= 82


async def test_whoever_is_being_answered_keeps_their_place():
    asked, may_go_on = asyncio.Semaphore(0), asyncio.Event()

    async def held(_: web.Request) -> web.StreamResponse:
        asked.release()
        await may_go_on.wait()
        return web.json_response({})

    async with listening("127.0.0.1", 0, (HttpRoute("GET", "/held", held),), bounds=Bounds(of_one_address=3)) as url:
        answers = [asyncio.create_task(status(url, "held")) for _ in range(3)]
        for _ in answers:
            await asked.acquire()
        async with dialled(url) as (reader, _):
            assert await closed(reader)
        may_go_on.set()

        assert await asyncio.gather(*answers) == [200, 200, 200]
