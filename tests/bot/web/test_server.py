"""KAI's own address reads no more than each route allows, and answers what it has."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession, web

from bot.errors import UsageMistake
from bot.web import Route, listening


async def echo(request: web.Request) -> web.StreamResponse:
    return web.json_response({"read": len(await request.read())})


ROUTES = (Route("POST", "/small", echo, largest=10), Route("POST", "/large", echo, largest=3_000_000))


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


async def test_what_is_no_route_is_not_found():
    async with listening("127.0.0.1", 0, ROUTES) as url:
        assert (await post(f"{url}/none", b""))[0] == 404


async def test_a_port_that_is_taken_is_said_in_one_line():
    async with listening("127.0.0.1", 0, ROUTES) as url:
        port = int(url.rpartition(":")[2])

        with pytest.raises(UsageMistake, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
            async with listening("127.0.0.1", port, ROUTES):
                pass
