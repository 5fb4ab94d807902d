"""A browser for tests: Chromium without a window, spoken to over its DevTools protocol.

`apt-get install chromium` (Debian, Ubuntu: chromium-browser); another one may be named in the variable CHROMIUM.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
OFFLINE = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-proxy-server",
)

# The first shown element of that selector whose label or text begins so.
FIND = """
(selector, text) => [...document.querySelectorAll(selector)].find((one) => {
  const named = one.getAttribute("aria-label") ?? one.innerText ?? one.value ?? "";
  return one.getClientRects().length && named.trim().startsWith(text);
})
"""
# Resolves as soon as the expression is true, at the latest with false. Scrolling changes nothing of the document.
UNTIL = """
new Promise((resolve) => {
  const look = () => { try { return (%s) } catch { return false } };
  if (look()) return resolve(true);
  const watch = new MutationObserver(() => look() && done(true));
  const again = setInterval(() => look() && done(true), 50);
  const done = (answer) => { watch.disconnect(); clearInterval(again); clearTimeout(timer); resolve(answer) };
  const timer = setTimeout(() => done(Boolean(look())), %d);
  watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
})
"""


def executable() -> str:
    """Raises FileNotFoundError naming the package to install."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise FileNotFoundError("no Chromium here: apt-get install chromium (or set CHROMIUM)")
    return found


STILL = """(async () => {
  const find = () => %s;
  let before = "", calm = 0;
  while (calm < 3) {  // a message above that grows moves the button away from under the mouse
    find()?.scrollIntoView({block: 'center'});  // not below a header or the pill that tells of news
    await new Promise((done) => setTimeout(done, 80));
    const box = find()?.getBoundingClientRect();
    const now = box ? JSON.stringify([box.x + box.width / 2, box.y + box.height / 2]) : "";
    calm = now && now === before ? calm + 1 : 0;
    before = now;
  }
  return JSON.parse(before);
})()"""


class Browser:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.complaints: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        wanted = next(self._ids)
        await self._socket.send_json({"id": wanted, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == wanted:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self._noted(answer)

    async def js(self, expression: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def open(self, url: str, width: int = 1280, height: int = 800, dark: bool = False) -> None:
        await self.call("Page.enable")
        await self.call("Runtime.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])
        await self.call("Page.navigate", url=url)
        await self.until("document.querySelector('main')")

    async def until(self, expression: str, seconds: float = 60.0) -> None:
        """Waits for an expression to become true; raises AssertionError with what is shown instead.

        The limit is wide, for a busy machine: it measures nothing.
        """
        if not await self.js(UNTIL % (expression, int(seconds * 1000))):
            shown = await self.js("document.body?.innerText")
            raise AssertionError(f"never true: {expression}\n--- shown:\n{shown}\n--- console: {self.complaints}")

    async def sees(self, text: str) -> None:
        await self.until(f"document.body.innerText.includes({json.dumps(text)})")

    async def click(self, selector: str, text: str = "") -> None:
        """With the mouse, on the first such element whose label or text begins with `text`, once it keeps still."""
        found = f"({FIND})({json.dumps(selector)}, {json.dumps(text)})"
        await self.until(found)
        x, y = await self.js(STILL % found)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def type(self, text: str) -> None:
        """Into whatever has the focus."""
        await self.call("Input.insertText", text=text)

    async def key(self, name: str) -> None:
        text = {"text": "\r"} if name == "Enter" else {}
        code = {"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "Tab": 9}[name]
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **text
            )

    async def picture(self, path: Path) -> None:
        answer = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))

    def _noted(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(event["params"]["exceptionDetails"]))
        if event.get("method") == "Runtime.consoleAPICalled" and event["params"]["type"] == "error":
            self.complaints.append(str(event["params"]["args"]))


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Browser]:
    """Starts Chromium with an empty profile in that folder, and ends it."""
    flags = (*FLAGS, *OFFLINE, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank")
    process = await asyncio.create_subprocess_exec(executable(), *flags, stderr=asyncio.subprocess.PIPE)
    try:
        port = await _port(process)
        async with aiohttp.ClientSession() as session, session.put(f"http://127.0.0.1:{port}/json/new") as answer:
            address = (await answer.json())["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                yield Browser(socket)
    finally:
        process.terminate()
        await process.wait()


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stderr is not None
    async with asyncio.timeout(30):
        async for line in process.stderr:
            if found := re.search(rb"DevTools listening on ws://[^:]+:(\d+)/", line):
                return int(found[1])
    raise RuntimeError("Chromium ended before it could be spoken to")
