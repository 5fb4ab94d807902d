from __future__ import annotations

import asyncio
import re
import signal
import sys

import aiohttp


async def test_one_line_starts_a_workspace_and_ctrl_c_ends_it() -> None:
    command = (sys.executable, "-u", "-m", "lab.workspace", "--port", "0")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode()
    address = re.search(r"http://127\.0\.0\.1:\d+", first)
    assert address is not None

    async with aiohttp.ClientSession() as session, session.get(address[0]) as page:
        shown = await page.text()
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()

    assert "<title>KAI lab</title>" in shown
    assert (process.returncode, errors) == (0, b"")
