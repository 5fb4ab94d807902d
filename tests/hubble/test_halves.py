"""A large file of hubble flows read by two processes: the same answer as from one, and nothing left running."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

import msgspec
import pytest

from sensors.hubble import halves
from sensors.hubble.gathered import Gathered
from sensors.hubble.half import Half, HalfHolding, HalfShared, receive, send, shared_by
from sensors.hubble.halves import gather_in_halves
from sensors.hubble.lines import FlowQuestion, UnreadableFlows, read_flow_lines
from tests.kit.hubble_captures import FOLDER

Message = TypeVar("Message", bound=msgspec.Struct)

EVERYTHING = FlowQuestion(last=0)
CLIENT = FlowQuestion("shop", "client-6fc9d7cff9-qflgv", last=3)
LISTENING = replace(EVERYTHING, enough=asyncio.Event())
QUESTIONS = {
    "everything": EVERYTHING,
    "until enough": LISTENING,
    "a pod's last three": CLIENT,
    "a namespace": FlowQuestion("shop", last=2),
}
READER = """attempt connections decoding dns_tally drop_reasons gathered group half joining line_reader lines moments
    noise outcomes question records sides signs wire"""
CAPTURES = sorted(FOLDER.glob("*.jsonl"))
CAPTURES_BY_NAME = {each.name[:2]: each for each in CAPTURES}


def alone(data: bytes, question: FlowQuestion) -> Gathered:
    gathered = Gathered(question)
    for batch in read_flow_lines(BytesIO(data), question):
        gathered.take(batch)
    return gathered


def sent(message: Message) -> Message:
    """The message as the other process receives it."""
    with TemporaryFile() as pipe:
        send(pipe.fileno(), message)
        pipe.seek(0)
        return receive(pipe.read, type(message))


def cut_at(path: Path, place: int, question: FlowQuestion) -> Gathered | None:
    """Both halves without a second process; None where a flow is in both."""
    handle = os.open(path, os.O_RDONLY)
    try:
        first, second = Half(question), Half(question, after=1)
        first.read(handle, 0, place, lambda: True)
        second.read(handle, place, path.stat().st_size, lambda: True)
    finally:
        os.close(handle)
    return joined(first, second)


def joined(first: Half, second: Half) -> Gathered | None:
    held: tuple[HalfHolding, HalfHolding] = first.holding(), sent(second.holding())
    shared: HalfShared | None = shared_by(*held)
    if shared is None:
        return None
    first.fold(shared)
    second.fold(sent(shared))
    return first.joined(sent(second.handed_over()), [sent(each) for each in second.attempts()])


def facts(gathered: Gathered) -> tuple[Any, ...]:
    """Everything that anybody reads of gathered flows."""
    parts = [(each.all(), each.dns(), each.flows, each.noise) for each in (gathered.own, gathered.others)]
    heard = gathered.statuses, gathered.lost, gathered.memory(), gathered.reading, gathered.flows_read
    return *parts, *heard, gathered.is_cut_short


def line_ends(data: bytes) -> list[int]:
    return [at + 1 for at, byte in enumerate(data) if byte == ord("\n") and at + 1 < len(data)]


def renamed(data: bytes, copy: int) -> bytes:
    """The same flows under new uuids: what came again later."""
    return data.replace(b'"uuid":"', b'"uuid":"%d-' % copy).replace(b'"uuid": "', b'"uuid": "%d-' % copy)


# -- the same answer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", QUESTIONS.values(), ids=QUESTIONS)
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_wherever_a_capture_is_cut_both_halves_are_the_whole(capture: Path, asked: FlowQuestion) -> None:
    data = capture.read_bytes()
    ends = line_ends(data)
    whole = facts(alone(data, asked))

    for place in ends[:: max(1, len(ends) // 12)]:
        found = cut_at(capture, place, asked)
        if found is not None:  # else a flow stands twice in it, and one process reads the file
            assert facts(found) == whole, place


@pytest.mark.parametrize("change", ["crlf", "broken lines", "no end", "bom", "blank lines"])
def test_spoiled_files_are_read_the_same(change: str, tmp_path: Path) -> None:
    lines = list(itertools.chain.from_iterable(renamed(each.read_bytes(), 1).splitlines() for each in CAPTURES[:12]))
    spoiled = {
        "crlf": b"\r\n".join(lines) + b"\r\n",
        "broken lines": b"".join(line + b"\n" + b'{"flow":{"time\n' * (at % 3 == 1) for at, line in enumerate(lines)),
        "no end": b"\n".join(lines)[:-20],
        "bom": b"\xef\xbb\xbf" + b"\n".join(lines) + b"\n",
        "blank lines": b"\n \n".join(lines) + b"\n\n",
    }[change]
    path = tmp_path / "flows.jsonl"
    path.write_bytes(spoiled)
    ends = line_ends(spoiled)
    whole = facts(alone(spoiled, EVERYTHING))

    for place in ends[:: max(1, len(ends) // 40)]:
        found = cut_at(path, place, EVERYTHING)
        assert found is not None
        assert facts(found) == whole, place


def test_halves_that_name_more_nodes_than_a_machine_word_has_bits(tmp_path: Path) -> None:
    lines = [json.loads(each) for each in itertools.chain(*(path.open() for path in CAPTURES[:12]))]
    named = [{**each, "node_name": f"kai/w{at % 70}"} if "flow" in each else each for at, each in enumerate(lines)]
    flows = [{**each, "flow": {**each["flow"], "node_name": each["node_name"]}} for each in named if "flow" in each]
    data = "".join(f"{json.dumps(each)}\n" for each in flows).encode()
    path = tmp_path / "flows.jsonl"
    path.write_bytes(data)

    ends = line_ends(data)
    found = cut_at(path, ends[len(ends) // 5], EVERYTHING)

    assert len({each["node_name"] for each in flows}) == 70
    assert found is not None
    assert facts(found) == facts(alone(data, EVERYTHING))


def test_a_flow_in_both_halves_is_left_to_one_process(tmp_path: Path) -> None:
    data = CAPTURES[3].read_bytes()
    path = tmp_path / "flows.jsonl"
    path.write_bytes(data + data)

    assert cut_at(path, len(data), EVERYTHING) is None


WRITTEN_AS_NUMBERS = {
    b'"DROPPED"': b"2",
    b'"FORWARDED"': b"1",
    b'"L3_L4"': b"1",
    b'"L7"': b"2",
    b'"EGRESS"': b"2",
    b'"TO_ENDPOINT"': b"101",
    b'"POLICY_DENIED"': b"133",
}


def without_messages(data: bytes) -> bytes:
    """What an exporter writes that was told to leave `l7` out."""
    lines = [json.loads(each) for each in data.splitlines() if each.startswith(b"{")]
    for each in lines:
        each.get("flow", each).pop("l7", None)
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in lines)


@pytest.mark.parametrize("masked", [bytes, without_messages], ids=["whole", "without l7"])
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_a_flow_as_it_is_written_is_summed_as_its_record(
    capture: Path, masked: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    data = masked(capture.read_bytes())
    for name, number in WRITTEN_AS_NUMBERS.items():
        data = data.replace(b":" + name, b":" + number)
    path = tmp_path / "flows.jsonl"
    path.write_bytes(data)

    half = Half(EVERYTHING)
    with path.open("rb") as file:
        half.read(file.fileno(), 0, len(data), lambda: True)

    own = half.gathered.own
    expected = alone(data, EVERYTHING)
    assert (own.all(), own.dns(), own.flows, own.noise) == (
        expected.own.all(), expected.own.dns(), expected.own.flows, expected.own.noise,
    )  # fmt: skip


def test_a_line_as_long_as_no_flow_is_counts_once_wherever_the_file_is_cut(tmp_path: Path) -> None:
    lines = CAPTURES[3].read_bytes().splitlines(keepends=True)
    data = b"".join([*lines[:2], b"x" * (9 << 20) + b"\n", *lines[2:]])
    path = tmp_path / "flows.jsonl"
    path.write_bytes(data)
    whole = alone(data, EVERYTHING)

    assert whole.reading is not None
    assert whole.reading.garbage == 1
    for place in line_ends(data)[:4]:
        found = cut_at(path, place, EVERYTHING)
        assert found is not None
        assert facts(found) == facts(whole)


def test_a_last_line_as_long_as_no_flow_is_and_without_an_end_is_a_file_that_broke_off(tmp_path: Path) -> None:
    lines = CAPTURES[3].read_bytes().splitlines(keepends=True)
    data = b"".join(lines) + b"x" * (9 << 20)
    path = tmp_path / "flows.jsonl"
    path.write_bytes(data)

    found = cut_at(path, line_ends(data)[1], EVERYTHING)

    assert found is not None
    assert found.is_cut_short == alone(data, EVERYTHING).is_cut_short
    assert found.reading == alone(data, EVERYTHING).reading


CLIENT_PORT = re.compile(rb'_port": ?[3-6]\d{4}\b')


def handed_over(first_port: int, second_port: int, tmp_path: Path) -> int:
    """Attempts handed over as they are, where answers come translated: of one client's port in each half."""
    data = CAPTURES_BY_NAME["23"].read_bytes()
    parts = [
        CLIENT_PORT.sub(b'_port":%d' % port, renamed(data, copy)) for copy, port in enumerate((first_port, second_port))
    ]
    path = tmp_path / "flows.jsonl"
    path.write_bytes(b"".join(parts))
    halves_read = Half(EVERYTHING), Half(EVERYTHING, after=1)
    with path.open("rb") as file:
        halves_read[0].read(file.fileno(), 0, len(parts[0]), lambda: True)
        halves_read[1].read(file.fileno(), len(parts[0]), len(b"".join(parts)), lambda: True)

    shared = shared_by(halves_read[0].holding(), sent(halves_read[1].holding()))

    whole = joined(*halves_read)
    assert shared is not None
    assert whole is not None
    assert facts(whole) == facts(alone(b"".join(parts), EVERYTHING))
    return sum(len(ports.lower) for _, ports in shared.own.attempts)


def test_attempts_of_other_clients_stay_where_they_are_though_answers_come_translated(tmp_path: Path) -> None:
    assert handed_over(40001, 40002, tmp_path) == 0


def test_attempts_of_a_client_whose_answers_come_translated_are_handed_over(tmp_path: Path) -> None:
    assert handed_over(40001, 40001, tmp_path) > 0


# -- with the second process -----------------------------------------------------------------------------------------


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every capture a few times over, and a limit below its size."""
    monkeypatch.setattr(halves, "MIN_BYTES", 1 << 16)
    monkeypatch.setattr(halves, "_cores", lambda: 2)
    path = tmp_path / "flows.jsonl"
    clean = [each.read_bytes() for each in CAPTURES if each.read_bytes().startswith((b'{"flow"', b'{"node_status"'))]
    copies = (renamed(data, 100 * copy + at) for copy in range(3) for at, data in enumerate(clean))
    path.write_bytes(b"".join(each if each.endswith(b"\n") else each + b"\n" for each in copies))
    return path


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes that were started; all have ended at the end of the test."""
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **more))
        return started[-1]

    monkeypatch.setattr(halves.subprocess, "Popen", start)
    yield started
    assert all(each.returncode is not None for each in started)


def in_halves(path: Path, question: FlowQuestion = EVERYTHING, seconds: float = 60.0) -> Gathered | None:
    with path.open("rb") as file:
        return gather_in_halves(file.fileno(), question, lambda: True, seconds)


def test_of_two_that_read_at_the_same_time_one_has_a_helper(large: Path, helpers: list[Any]) -> None:
    with halves._TURN:
        assert in_halves(large) is None
    assert helpers == []

    assert in_halves(large) is not None
    assert in_halves(large) is not None  # the first has given its turn back


def test_a_number_that_no_flow_has_is_left_to_one_process(large: Path, helpers: list[Any]) -> None:
    large.write_bytes(large.read_bytes().replace(b'"source_port":', b'"source_port":99999999999999999999'))

    assert in_halves(large) is None
    assert len(helpers) == 1


@pytest.mark.parametrize("asked", QUESTIONS.values(), ids=QUESTIONS)
def test_two_processes_find_what_one_finds(large: Path, helpers: list[Any], asked: FlowQuestion) -> None:
    found = in_halves(large, asked)

    assert len(helpers) == 1
    assert found is not None
    assert facts(found) == facts(alone(large.read_bytes(), asked))


@pytest.mark.parametrize(
    "program",
    ["raise SystemExit(3)", "import os; os.write(1, bytes(9))", "import os; os.write(1, b'\\0\\0\\0\\1\\xc1')"],
)
def test_one_process_reads_where_the_helper_fails(
    large: Path, helpers: list[Any], monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(halves, "PROGRAM", program)

    assert in_halves(large) is None
    assert len(helpers) == 1


def test_no_helper_on_one_core(large: Path, helpers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "_cores", lambda: 1)

    assert (in_halves(large), helpers) == (None, [])


def test_no_helper_for_a_small_file(helpers: list[Any]) -> None:
    assert (in_halves(CAPTURES[0]), helpers) == (None, [])


@pytest.mark.parametrize("form", ["gzip", "array", "utf-16", "one line"])
def test_no_helper_for_what_is_not_plain_lines(large: Path, helpers: list[Any], form: str) -> None:
    lines = large.read_bytes().splitlines()
    other = {
        "gzip": b"".join(gzip.compress(each, 0) for each in lines),
        "array": b"[" + b",".join(lines) + b"]",
        "utf-16": large.read_text().encode("utf-16"),
        "one line": b'{"flow":{"node_name":"' + b"x" * (6 << 20) + b'"}}',
    }[form]
    large.write_bytes(other)

    assert (in_halves(large), helpers) == (None, [])


def test_a_stopped_look_ends_both_processes(large: Path, helpers: list[Any]) -> None:
    with large.open("rb") as file:
        found = gather_in_halves(file.fileno(), EVERYTHING, threading.Event().is_set, 60.0)

    assert found is None
    assert len(helpers) == 1


def test_what_was_read_in_time_is_told_as_cut_short(large: Path, helpers: list[Any]) -> None:
    found = in_halves(large, seconds=0.0)

    assert len(helpers) == 1
    assert found is not None
    assert found.is_cut_short
    assert found.flows_read < alone(large.read_bytes(), EVERYTHING).flows_read


def test_a_file_of_garbage_is_refused_as_by_one_process(large: Path, helpers: list[Any]) -> None:
    large.write_bytes(b"no flow\n" * 200_000)

    with pytest.raises(UnreadableFlows, match="line 1 is not a hubble flow"):
        in_halves(large)


def test_garbage_in_the_second_half_only_is_counted(large: Path, helpers: list[Any]) -> None:
    data = large.read_bytes() + b"no flow\n" * 400_000
    large.write_bytes(data)

    assert in_halves(large) is None  # the helper understands nothing, and one process counts


def test_the_helper_ends_with_the_process_that_started_it(large: Path) -> None:
    code = (
        "import os; from sensors.hubble import halves; from sensors.hubble.half import *\n"
        "popen = halves.subprocess.Popen\n"
        "halves.subprocess.Popen = lambda *words, **more: popen(*words, **{**more, 'stderr': 1})\n"
        f"file = open({str(large)!r}, 'rb')\n"
        "task = HalfTask(file.fileno(), 0, 10**6, FlowQuestion(last=0), 60.0)\n"
        "helper = halves._helper(task); helper.__enter__(); os.kill(os.getpid(), 9)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)

    parent.communicate(timeout=60)  # ends when nobody holds the other end of its output, the helper's errors included

    assert parent.returncode == -9


def test_the_helper_imports_little() -> None:
    program = halves.PROGRAM.replace("main()", "print(*sys.modules)")
    command = [sys.executable, "-I", "-S", "-c", program, *(each for each in sys.path if each)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    imported = ended.stdout.split()
    heavy = {"asyncio", "grpc", "google", "yaml", "kubernetes", "subprocess", "pydantic", "tempfile", "bot", "flows"}
    assert not {each.partition(".")[0] for each in imported} & heavy
    ours = {each.removeprefix("sensors.hubble.") for each in imported if each.startswith("sensors.hubble.")}
    assert ours == set(READER.split())
