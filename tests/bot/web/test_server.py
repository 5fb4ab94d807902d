"""KAI's own address reads no more than each route allows, and answers what it has."""

from __future__ import annotations

import asyncio
import errno
import gzip
import socket
from typing import Any

import pytest
from aiohttp import ClientSession, web

from bot.errors import UsageMistake
from bot.web import HttpRoute, listening, server


async def echo(request: web.Request) -> web.StreamResponse:
    return web.json_response({"read": len(await request.read())})


ROUTES = (HttpRoute("POST", "/small", echo, largest=10), HttpRoute("POST", "/large", echo, largest=3_000_000))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def post(url: str, content: object) -> tuple[int, int | None]:
    async with ClientSession() as session, session.post(url, data=content) as answer:
        return answer.status, (await answer.json())["read"] if answer.status == 200 else None


async def chunks(size: int):
    """A body whose length is not announced."""
    for _ in range(size):
        yield b"x"


@pytest.mark.parametrize(
    ("path", "size", "expected"),
    [
        ("small", 10, (200, 10)),
        ("small", 11, (413, None)),
        ("large", 2_000_000, (200, 2_000_000)),
        ("large", 3_000_001, (413, None)),
    ],
)
async def test_a_body_is_read_up_to_the_limit_of_its_route(path: str, size: int, expected: tuple[int, int | None]):
    async with listening("127.0.0.1", 0, ROUTES) as url:
        assert await post(f"{url}/{path}", b"x" * size) == expected


async def test_a_body_of_unknown_length_is_not_read_beyond_the_limit():
    async with listening("127.0.0.1", 0, ROUTES) as url:
        assert await post(f"{url}/small", chunks(10)) == (200, 10)
        assert await post(f"{url}/small", chunks(11)) == (413, None)


@pytest.mark.parametrize("host", server.EVERYWHERE)
async def test_a_pod_with_either_family_of_addresses_is_reached_and_callers_keep_theirs(host: str):
    async def remote(request: web.Request) -> web.StreamResponse:
        return web.json_response({"read": request.remote})

    port = free_port()
    async with listening(host, port, (HttpRoute("POST", "/who", remote),)) as url:
        assert url == f"http://127.0.0.1:{port}"
        assert [await post(f"http://{each}:{port}/who", b"x") for each in ("127.0.0.1", "[::1]")] == [
            (200, "127.0.0.1"),
            (200, "::1"),
        ]


async def test_a_node_without_ipv6_is_served_by_ipv4(monkeypatch: pytest.MonkeyPatch):
    real = socket.socket

    def without_ipv6(family: int = socket.AF_INET, *more: Any, **named: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, *more, **named)

    port = free_port()
    monkeypatch.setattr(asyncio.base_events.socket, "socket", without_ipv6)
    async with listening("::", port, ROUTES) as url:
        assert await post(f"{url}/small", b"x") == (200, 1)


async def test_an_address_of_ipv6_is_shown_as_one_can_open_it():
    async with listening("::1", 0, ROUTES) as url:
        assert await post(f"{url}/small", b"x") == (200, 1)


async def test_what_is_no_route_is_not_found():
    async with listening("127.0.0.1", 0, ROUTES) as url:
        assert (await post(f"{url}/none", b""))[0] == 404


async def test_a_port_that_is_taken_is_said_in_one_line():
    async with listening("127.0.0.1", 0, ROUTES) as url:
        port = int(url.rpartition(":")[2])

        with pytest.raises(UsageMistake, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
            async with listening("127.0.0.1", port, ROUTES):
                pass


async def raw(url: str, said: bytes, *, hang_up: bool = False) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(said)
    await writer.drain()
    if hang_up:
        writer.close()
    answer = await reader.read(300)
    writer.close()
    return answer


HEAD = b"POST /large HTTP/1.1\r\nHost: kai\r\n"


@pytest.mark.parametrize(
    "said",
    [
        HEAD + b"Content-Length: many\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["length", "chunk", "line"],
)
async def test_what_is_no_http_is_a_400_and_never_a_trace(said: bytes, caplog: pytest.LogCaptureFixture):
    async with listening("127.0.0.1", 0, ROUTES) as url:
        answer = await raw(url, said)

    assert answer.startswith(b"HTTP/1.0 400")
    assert [each.exc_info for each in caplog.records] in ([], [None])
    assert all("\n" not in each.getMessage() for each in caplog.records)


async def test_a_caller_who_hangs_up_in_the_midst_costs_one_line(caplog: pytest.LogCaptureFixture):
    async with listening("127.0.0.1", 0, ROUTES) as url:
        await raw(url, HEAD + b"Content-Length: 10\r\n\r\nabc", hang_up=True)
        async with asyncio.timeout(30):
            while not caplog.records:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.01)

    assert [(each.levelname, each.exc_info) for each in caplog.records] == [("WARNING", None)]


async def test_a_body_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(server, "BODY_TIMEOUT_S", 0.05)
    async with listening("127.0.0.1", 0, ROUTES) as url:
        answer = await raw(url, HEAD + b"Content-Length: 10\r\n\r\nabc")

    assert answer.startswith(b"HTTP/1.1 408")
    assert [each.exc_info for each in caplog.records] == [None]
    assert "its body did not come within 0.05 s" in caplog.text


async def test_a_body_that_cannot_be_decoded_is_refused_with_one_line(caplog: pytest.LogCaptureFixture):
    async with listening("127.0.0.1", 0, ROUTES) as url:
        answer = await raw(url, HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n\x1f\x8bnot it.")

    assert answer.startswith(b"HTTP/1.1 400")
    assert [(each.levelname, each.exc_info) for each in caplog.records] == [("WARNING", None)]
    assert "its body cannot be decoded" in caplog.text


async def test_a_body_that_is_encoded_well_is_read_as_what_it_is():
    async with listening("127.0.0.1", 0, ROUTES) as url, ClientSession() as session:
        packed = {"Content-Encoding": "gzip"}
        async with session.post(f"{url}/large", data=gzip.compress(b"x" * 2_000_000), headers=packed) as answer:
            assert await answer.json() == {"read": 2_000_000}
        async with session.post(f"{url}/large", data=gzip.compress(b"x" * 3_000_001), headers=packed) as answer:
            assert answer.status == 413


async def test_a_handler_that_takes_its_time_over_a_whole_body_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    async def slow(request: web.Request) -> web.StreamResponse:
        said = await request.read()
        await asyncio.sleep(0.8)
        return web.json_response({"read": len(said)})

    monkeypatch.setattr(server, "BODY_TIMEOUT_S", 0.5)
    async with listening("127.0.0.1", 0, (HttpRoute("POST", "/slow", slow),)) as url:
        assert await post(f"{url}/slow", b"x" * 7) == (200, 7)


async def test_a_fault_of_ours_still_shows_where_it_is(caplog: pytest.LogCaptureFixture):
    async def broken(_: web.Request) -> web.StreamResponse:
        raise ValueError("ours")

    async with listening("127.0.0.1", 0, (HttpRoute("POST", "/broken", broken),)) as url:
        assert (await post(f"{url}/broken", b""))[0] == 500

    assert [each.exc_info is not None for each in caplog.records] == [True]
