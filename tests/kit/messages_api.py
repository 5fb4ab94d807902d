"""A server that speaks the Messages API over real sockets, for tests. Every answer it gives is written by us.

It is no model: `MessagesApi.answers` are given one after the other, or a function decides by the request. It refuses
what the real API refuses, with its shape of an error, and counts tokens and cache as the real one reports them.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from flows.agent.tokens import estimated

KEY = "sk-ant-test-written-for-tests"
MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-4-5")
SMALLEST_CACHED = 1024
"""Tokens below which the real API caches nothing."""

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
_KEYS = {
    "model", "max_tokens", "messages", "system", "stream", "tools", "tool_choice", "output_config", "metadata",
    "stop_sequences", "thinking", "service_tier", "cache_control",
}  # fmt: skip


class Wrong(Exception):
    """The request is refused, as the real API would."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """What is answered: `blocks` of content, or an error `status`. All of it was written for a test.

    `delay` is seconds before anything is sent, `each` seconds between two pieces of the stream. `cut` ends the
    connection after so many pieces. `late_error` comes within the stream, when its status was 200 already.
    """

    blocks: tuple[Mapping[str, Any], ...] = ()
    status: int = 200
    message: str = "written for a test"
    headers: Mapping[str, str] = field(default_factory=dict)
    stop: str = ""
    details: Mapping[str, Any] | None = None
    delay: float = 0.0
    each: float = 0.0
    cut: int | None = None
    late_error: str = ""
    output_tokens: int | None = None

    def later(self, seconds: float) -> Answer:
        """The same answer, after so many seconds."""
        return replace(self, delay=seconds)


def says(text: str | Mapping[str, Any], **more: Any) -> Answer:
    """An answer of text; a mapping is sent as JSON."""
    said = text if isinstance(text, str) else json.dumps(text)
    return Answer(({"type": "text", "text": said},), **more)


def asks(tool: str, **said: Any) -> Answer:
    """An answer that asks for a look."""
    return Answer(({"type": "tool_use", "id": f"toolu_{tool}_{len(str(said))}", "name": tool, "input": said},))


def error(status: int, **more: Any) -> Answer:
    return Answer(status=status, **more)


Script = Callable[[Mapping[str, Any]], Answer]


@dataclass
class MessagesApi:
    """`answers` in their order, the last one again and again; `requests` are the bodies that were accepted."""

    answers: list[Answer] = field(default_factory=list)
    script: Script | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    url: str = ""
    on_request: Callable[[Mapping[str, Any]], None] = lambda body: None
    _cached: set[str] = field(default_factory=set)

    @property
    def calls(self) -> int:
        return len(self.requests)

    def briefs(self) -> list[str]:
        """The first text of each request."""
        return [body["messages"][0]["content"][0]["text"] for body in self.requests]

    # -- serving ----------------------------------------------------------------------------------------------------

    def app(self) -> web.Application:
        app = web.Application(client_max_size=4 * 2**20)
        app.router.add_post("/v1/messages", self._messages)
        return app

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await _body(request)
            check(request.headers, body)
        except Wrong as why:
            self.refused.append(str(why))
            return _error(why.status, str(why), {})
        self.requests.append(body)
        self.on_request(body)
        answer = self._next(body)
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.status != 200:
            return _error(answer.status, answer.message, answer.headers)
        try:
            return await self._stream(request, body, answer)
        except ConnectionResetError:  # whoever asked did not wait for the end
            return web.Response()

    def _next(self, body: Mapping[str, Any]) -> Answer:
        if self.script is not None:
            return self.script(body)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def _stream(self, request: web.Request, body: Mapping[str, Any], answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream", "request-id": "req_test"})
        await response.prepare(request)
        for number, event in enumerate(self._events(body, answer)):
            if number == answer.cut:
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            if answer.each:
                await asyncio.sleep(answer.each)
        await response.write_eof()
        return response

    def _events(self, body: Mapping[str, Any], answer: Answer) -> Iterator[dict[str, Any]]:
        usage = {**self._usage(body), "output_tokens": 1}
        message = {"id": "msg_test", "type": "message", "role": "assistant", "model": body["model"], "content": []}
        yield {
            "type": "message_start",
            "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage},
        }
        yield {"type": "ping"}
        if answer.late_error:
            yield {"type": "error", "error": {"type": answer.late_error, "message": answer.message}}
            return
        for at, block in enumerate(answer.blocks):
            yield from _block(at, block)
        asked = any(block["type"] == "tool_use" for block in answer.blocks)
        stop = answer.stop or ("tool_use" if asked else "end_turn")
        written = answer.output_tokens or estimated(json.dumps(answer.blocks))
        delta = {"stop_reason": stop, "stop_sequence": None, "stop_details": answer.details}
        yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": written}}
        yield {"type": "message_stop"}

    def _usage(self, body: Mapping[str, Any]) -> dict[str, int]:
        """What is read from the cache, written to it, and neither: by the prefixes that ask to be cached."""
        read = written = last = 0
        prefix = json.dumps(body.get("tools", []))
        counted = estimated(prefix) if body.get("tools") else 0
        for block in _blocks(body):
            prefix += json.dumps({key: each for key, each in block.items() if key != "cache_control"})
            counted += estimated(json.dumps(block.get("text") or block.get("content") or block.get("input") or ""))
            if "cache_control" in block and counted >= SMALLEST_CACHED:
                name = hashlib.sha256(prefix.encode()).hexdigest()
                read, written = (counted, 0) if name in self._cached else (read, counted - read)
                last = counted
                self._cached.add(name)
        return {
            "input_tokens": counted - last,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
        }


def _blocks(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from body.get("system", ())
    for message in body["messages"]:
        content = message["content"]
        yield from ([{"type": "text", "text": content}] if isinstance(content, str) else content)


def _block(at: int, block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        empty, pieces = (
            {"type": "text", "text": ""},
            [{"type": "text_delta", "text": part} for part in _cut(block["text"])],
        )
    else:
        empty = {**block, "input": {}}
        pieces = [{"type": "input_json_delta", "partial_json": part} for part in _cut(json.dumps(block["input"]))]
    yield {"type": "content_block_start", "index": at, "content_block": empty}
    yield from ({"type": "content_block_delta", "index": at, "delta": piece} for piece in pieces)
    yield {"type": "content_block_stop", "index": at}


def _cut(text: str) -> list[str]:
    return [text[at : at + 80] for at in range(0, len(text), 80)]


def _error(status: int, message: str, headers: Mapping[str, str]) -> web.Response:
    body = {"type": "error", "error": {"type": _TYPES[status], "message": message}, "request_id": "req_test"}
    return web.json_response(body, status=status, headers={"request-id": "req_test", **headers})


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise Wrong(400, "The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise Wrong(400, "Input should be an object")
    return body


# -- what the real API refuses ---------------------------------------------------------------------------------------


def check(headers: Mapping[str, str], body: Mapping[str, Any]) -> None:
    """Raises `Wrong`."""
    said = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not said:
        raise Wrong(401, "x-api-key header is required")
    if said != KEY:
        raise Wrong(401, "invalid x-api-key")
    if not headers.get("anthropic-version"):
        raise Wrong(400, "anthropic-version: header is required")
    for key in body:
        if key not in _KEYS:
            raise Wrong(400, f"{key}: Extra inputs are not permitted")
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        raise Wrong(400, "max_tokens: Field required")
    if body.get("model") not in MODELS:
        raise Wrong(404, f"model: {body.get('model')}")
    if body.get("stream") is not True:
        raise Wrong(400, "this server answers streams only")
    _check_messages(body.get("messages"))
    _check_tools(body)
    _check_output(body.get("output_config") or {})
    if sum("cache_control" in block for block in _blocks(body)) > 4:
        raise Wrong(400, "A maximum of 4 blocks with cache_control may be provided.")


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages or messages[0].get("role") != "user":
        raise Wrong(400, "messages: first message must use the user role")
    wanted: list[str] = []
    for at, message in enumerate(messages):
        content = message["content"] if isinstance(message["content"], list) else []
        results = [each["tool_use_id"] for each in content if each["type"] == "tool_result"]
        if wanted != results:
            raise Wrong(400, f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after")
        if any(each["type"] == "text" and not each["text"] for each in content):
            raise Wrong(400, "messages: text content blocks must be non-empty")
        wanted = [each["id"] for each in content if each["type"] == "tool_use"]


def _check_tools(body: Mapping[str, Any]) -> None:
    for tool in body.get("tools", ()):
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool.get("name", "")):
            raise Wrong(400, "tools: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'")
        _check_schema(tool["input_schema"])
    if body.get("tool_choice") and not body.get("tools"):
        raise Wrong(400, "tool_choice may only be specified while providing tools")


def _check_output(config: Mapping[str, Any]) -> None:
    if config.get("effort") not in (None, "low", "medium", "high", "xhigh", "max"):
        raise Wrong(400, "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    if config.get("format"):
        _check_schema(config["format"]["schema"])


def _check_schema(schema: Mapping[str, Any]) -> None:
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise Wrong(400, "For 'object' type, 'additionalProperties' must be explicitly set to false")
    for key in ("minimum", "maximum", "minLength", "maxLength", "maxItems"):
        if key in schema:
            raise Wrong(400, f"For '{schema.get('type')}' type, property '{key}' is not supported")
    for each in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        _check_schema(each)


# -- running it ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(api: MessagesApi) -> AsyncIterator[MessagesApi]:
    """On a free port of this machine."""
    runner = web.AppRunner(api.app(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    api.url = f"http://127.0.0.1:{port}"
    try:
        yield api
    finally:
        await runner.cleanup()


@contextmanager
def serving_beside(api: MessagesApi) -> Iterator[MessagesApi]:
    """In a thread of its own: for processes that are started, and killed, from a test."""
    ready, ends = threading.Event(), list[Callable[[], object]]()

    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        ends.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with serving(api):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield api
    finally:
        ends[0]()
        thread.join(10)
