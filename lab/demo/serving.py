"""Runs the demo until Ctrl-C: says where the page is, and opens it where there is a screen."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from lab.demo.running import Demo, demonstrate

PrintStep = Callable[[str], None]


def serve(case: Path, port: int, browser: bool, say: PrintStep) -> None:
    """Returns when it was told to stop. Raises `BadCase`; `OSError` when the port is taken."""
    asyncio.run(_serve(case, port, browser, say))


async def _serve(case: Path, port: int, browser: bool, say: PrintStep) -> None:
    stop = asyncio.Event()
    with _until_stopped(stop):
        async with demonstrate(case, port) as demo:
            if not stop.is_set():
                _invite(demo, browser, say)
            await stop.wait()
            say("The demo stops.")


def _invite(demo: Demo, browser: bool, say: PrintStep) -> None:
    screen = has_screen(os.environ, sys.platform)
    for line in welcome(demo, screen):
        say(line)
    if browser and screen:
        _open(demo.url)


@contextmanager
def _until_stopped(stop: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C ends the demo in order; a second one, or one on the way out, ends it at once."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def heard() -> None:
        stop.set()
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, heard)
    try:
        yield
    finally:
        for each in signals:
            loop.remove_signal_handler(each)


def welcome(demo: Demo, screen: bool) -> list[str]:
    """Text of the terminal once everything runs."""
    port = urlsplit(demo.url).port
    far = [] if screen else [f"On another machine: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE, then open the same."]
    return [
        "",
        f"The same incident in a chat, to try out: {demo.url}",
        *far,
        f"Type there:  {demo.command}",
        "It is a recording that a simulated cluster replays on this machine. Ctrl-C ends it and removes everything.",
    ]


def has_screen(environ: Mapping[str, str], platform: str) -> bool:
    """Can a browser window open? Over ssh none should: it would open in front of nobody."""
    if environ.get("SSH_CONNECTION"):
        return False
    return platform in ("darwin", "win32") or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _open(url: str) -> None:
    """Beside us: some browsers come back only when they are closed."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
