"""A recording whose hubble flows two processes read: a look finds what it finds message by message."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sensors.access.casefolder import CaseFolder, open_case
from sensors.hubble import halves
from sensors.hubble.question import FlowQuestion
from sensors.hubble_capture_flows import HubbleFlows, look
from sensors.kit.gathering import gather
from sensors.kit.model import Blind

LAB = Path(__file__).resolve().parents[2] / "lab" / "cases"
CASES = sorted(each.parent for each in LAB.glob("*/flows.jsonl"))


def found(case: CaseFolder) -> HubbleFlows:
    assert case.header.target is not None
    return asyncio.run(look(case.header.target, case))


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "MIN_BYTES", 0)
    monkeypatch.setattr(halves, "_cores", lambda: 2)


@pytest.mark.parametrize("path", CASES[:6], ids=lambda path: path.name)
def test_the_same_facts_by_two_processes(path: Path, two_processes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    case = open_case(path)
    with monkeypatch.context() as one_process:
        one_process.setattr(halves, "_is_worth_it", lambda *_: False)
        alone = found(case)

    assert found(case) == alone


def test_what_the_capture_noted_of_the_flows_is_told_as_well(two_processes: None) -> None:
    case = open_case(CASES[0])
    gathered = asyncio.run(case.gathered_flows(FlowQuestion(), 60.0))
    assert gathered is not None
    assert gathered.reading is not None
    noted = replace(case.header, reading=type(gathered.reading)(garbage=3, unfinished=True))

    again = asyncio.run(replace(case, header=noted).gathered_flows(FlowQuestion(), 60.0))

    assert again is not None
    assert again.reading is not None
    assert (again.reading.garbage, again.is_cut_short) == (gathered.reading.garbage + 3, True)


def test_flows_that_nobody_can_read_are_blind(two_processes: None, tmp_path: Path) -> None:
    (tmp_path / "flows.jsonl").write_bytes(b"no flow\n" * 9000)
    case = CaseFolder(tmp_path, open_case(CASES[0]).header, open_case(CASES[0]).recorded)

    with pytest.raises(Blind, match="line 1 is not a hubble flow"):
        asyncio.run(gather(case, FlowQuestion(), 60.0))


def test_a_look_that_is_given_up_ends_the_helper(two_processes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    began = threading.Event()
    popen = halves.subprocess.Popen
    wait = popen.wait

    def noted(*words: Any, **more: Any) -> Any:
        helper = popen(*words, **more)
        began.set()
        return helper

    monkeypatch.setattr(halves.subprocess, "Popen", noted)
    monkeypatch.setattr(popen, "wait", lambda self, *said, **more: ended.append(wait(self, *said, **more)) or ended[-1])
    monkeypatch.setattr(halves, "PROGRAM", "import time; time.sleep(600)")

    async def give_up() -> None:
        looking = asyncio.create_task(open_case(CASES[0]).gathered_flows(FlowQuestion(), 60.0))
        await asyncio.to_thread(began.wait, 60.0)
        looking.cancel()
        await looking

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(give_up())

    assert ended == [-9]
