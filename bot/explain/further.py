"""Further looks of a durable run: each is taken once, and its result is read again after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import Any, TypeAlias

from bot.desk.journal import Steps
from bot.report.json_result import decode, encode
from flows.agent.correlation import FurtherLookResult
from flows.agent.open_walk import OpenWalk
from flows.model import AskedLook

OpenScene: TypeAlias = Callable[[AsyncExitStack], Awaitable[OpenWalk]]
"""Opens the cluster of an investigation, and walks again where the walk is not in memory any more."""


class DurableFurther:
    """`Further` in steps. A scene that was lost in a crash is made again, with the looks that it had."""

    def __init__(self, steps: Steps, open_scene: OpenScene, stack: AsyncExitStack) -> None:
        self._steps, self._open, self._stack = steps, open_scene, stack
        self._scene: OpenWalk | None = None
        self._past: list[tuple[int, str, Mapping[str, Any], str]] = []
        self._asked_for_tools = 0

    async def tools(self) -> list[dict[str, Any]]:
        self._asked_for_tools += 1
        tools: list[dict[str, Any]] = await self._steps.take(f"tools-{self._asked_for_tools}", self._tools)
        return tools

    async def _tools(self) -> list[dict[str, Any]]:
        return await (await self._opened()).tools()

    async def look(self, number: int, tool: str, said: Mapping[str, Any], known: str) -> FurtherLookResult:
        it = await self._steps.take(f"look-{number}", self._look, number, tool, dict(said), known)
        self._past.append((number, tool, said, known))
        result = await asyncio.to_thread(decode, it["result"]) if it["result"] is not None else None
        return FurtherLookResult(AskedLook(**it["asked"]), result)

    async def _look(self, number: int, tool: str, said: Mapping[str, Any], known: str) -> dict[str, Any]:
        looked = await (await self._opened()).look(number, tool, said, known)
        result = await asyncio.to_thread(encode, looked.diagnosis) if looked.diagnosis is not None else None
        return {"asked": asdict(looked.asked), "result": result}

    async def _opened(self) -> OpenWalk:
        if self._scene is None:
            self._scene = await self._open(self._stack)
            for each in self._past:
                await self._scene.look(*each)
        return self._scene


@asynccontextmanager
async def durable_further(steps: Steps, open_scene: OpenScene) -> AsyncIterator[DurableFurther]:
    """Open for as long as it may be asked."""
    async with AsyncExitStack() as stack:
        yield DurableFurther(steps, open_scene, stack)
