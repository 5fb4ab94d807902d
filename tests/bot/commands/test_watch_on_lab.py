"""`kai netdebug --watch` as a process of its own, on a simulated cluster in which alice mends the fault meanwhile."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from tests.bot.change.test_on_lab import Stage, _approved, stage

pytestmark = pytest.mark.slow


async def begin(it: Stage) -> Process:
    """A process that watches, once it has reported what it found first."""
    assert it.lab.target is not None
    target = it.lab.target
    to = ("--to", target.to) if target.to else ()
    words = ["netdebug", target.pod, "-n", target.namespace, *to, "--watch", "--every", "1"]
    words += ["--kubeconfig", str(it.lab.kubeconfig("kai")), "--server", it.lab.relay]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot", *words, stdout=PIPE, stderr=PIPE)
    await until(process, "Watching every 1 s")
    return process


async def until(process: Process, words: str) -> str:
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(60):
        while words not in said:
            line = (await process.stdout.readline()).decode()
            assert line, said
            said += line
    return said


async def test_it_ends_with_0_when_the_fix_helps_and_ctrl_c_ends_it_with_the_last_verdict(tmp_path: Path) -> None:
    async with stage("orders-to-ledger", tmp_path) as it:
        interrupted, watching = await begin(it), await begin(it)
        interrupted.send_signal(signal.SIGINT)
        _, complaint = await interrupted.communicate()
        proposal = await it.propose()
        approving = asyncio.create_task(_approved(it, proposal))
        said = await until(watching, "can talk")
        async with asyncio.timeout(60):
            out, _ = await watching.communicate()
        await approving

    assert (interrupted.returncode, complaint) == (1, b"")
    assert (watching.returncode, out) == (0, b"")
    assert said.splitlines()[-1].split()[1:3] == ["UTC", "✔"]
