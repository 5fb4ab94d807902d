"""The probe's server answers its one client, a few questions at a time, in a fixed memory, and nobody else at all."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensors.access.probe import agent
from sensors.access.probe.client import ProbeRequest, parse_answer
from sensors.kit.cluster import Dial
from sensors.kit.model import Blind
from tests.cluster.processes import free_port
from tests.probe.namespaces import AGENT, PEER, UID, World
from tests.probe.serving import HERE, QUESTION, Server, listens, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


# -- the one client ----------------------------------------------------------------------------------------------------


async def test_the_client_of_the_chart_is_answered_as_the_program_would_answer(server: Server) -> None:
    answer = await server.ask()

    assert answer.node_file("nf_conntrack_max") == "262144\n"
    assert answer.node_file("nf_conntrack_count") == "17\n"


async def test_a_question_that_it_does_not_understand_is_refused_with_the_reason(server: Server) -> None:
    with pytest.raises(Blind, match=r"^the probe refused the request: node_files: '\.\./shadow' is none of "):
        await server.ask(request=ProbeRequest(node_files=("../shadow",)))


async def test_another_client_of_the_same_authority_may_not_ask(server: Server) -> None:
    """The server's own certificate is one of these: a node that is lost must not open the others."""
    with pytest.raises(Blind, match=r"^the probe refused the request: 'mallory' may not ask$"):
        await server.ask("mallory")


@pytest.mark.parametrize("name", ["stranger", "deceived"])
async def test_neither_side_believes_a_certificate_of_another_authority(name: str, server: Server) -> None:
    words = {"stranger": "does it take our certificate", "deceived": "a certificate that is not of our authority"}

    with pytest.raises(Blind, match=words[name]):
        await server.ask(name)


def test_without_a_certificate_nothing_is_answered(server: Server) -> None:
    context = ssl.create_default_context(cafile=server.folder / "ca/ca.crt")

    assert _said_to(server, context) in (b"", b"refused")


def test_plain_http_is_not_spoken(server: Server) -> None:
    assert _said_to(server, None) in (b"", b"refused")


def _said_to(server: Server, context: ssl.SSLContext | None) -> bytes:
    """What the server says to somebody who asks properly but for who they are."""
    plain = socket.create_connection((HERE, server.port), 10)
    try:
        with context.wrap_socket(plain, server_hostname="kai-probe") if context else plain as channel:
            channel.sendall(b"POST /v1/look HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            return channel.recv(100)
    except (ssl.SSLError, ConnectionError):
        return b"refused"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"GET /v1/look HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 404),
        (b"POST /v1/look/../../etc HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 404),
        (b"POST /v1/look HTTP/1.1\r\n\r\n", 411),
        (b"POST /v1/look HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST /v1/look HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 411),
        (b"POST /v1/look HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 411),
        (b"POST /v1/look HTTP/1.1\r\nContent-Length: 99999\r\n\r\n", 400),
        (b"POST /v1/look HTTP/1.1\r\nContent-Length: 2\r\n\r\n\xff\xfe", 400),
        (b"POST /v1/look HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", 400),
        (b"\r\n\r\n", 404),
        (b"x" * 80_000, 400),
    ],
)
def test_whatever_is_no_question_is_refused_by_its_status_and_kept_out(
    asked: bytes, status: int, server: Server
) -> None:
    with server.raw() as channel:
        channel.sendall(asked)
        answer = http.client.HTTPResponse(channel, method="POST")
        answer.begin()
        said = json.loads(answer.read())

    assert (answer.status, set(said)) == (status, {"version", "error"})


def test_a_question_that_breaks_off_ends_without_a_trace(server: Server) -> None:
    with server.raw() as channel:
        channel.sendall(b"POST /v1/look HTTP/1.1\r\nContent-Le")
    assert asyncio.run(server.ask()).node_file("nf_conntrack_count") == "17\n"


# -- many at once ------------------------------------------------------------------------------------------------------


async def test_clients_that_say_nothing_keep_nobody_out(server: Server) -> None:
    silent = [socket.create_connection((HERE, server.port), 10) for _ in range(agent.SEATS)]
    try:
        answer = await server.ask(within=agent.HANDSHAKE + 15)
    finally:
        for each in silent:
            each.close()

    assert answer.node_file("nf_conntrack_count") == "17\n"


async def test_any_number_of_questions_at_once_are_all_answered_in_a_fixed_memory(server: Server) -> None:
    peaks = {}
    for many in (1, 6, 20):
        asking = asyncio.gather(*(server.ask(within=60) for _ in range(many)))
        peaks[many], counts = await _peak(server.pid, asking)
        answers = await asking
        assert [each.node_file("nf_conntrack_count") for each in answers] == ["17\n"] * many
        assert max(counts) <= 1 + 2 * agent.SEATS

    print({many: f"{peak / 1024:.1f} MiB" for many, peak in peaks.items()})
    assert max(peaks.values()) < 100 * 1024, peaks


def test_programs_run_beside_it_let_it_look_and_fit_into_the_memory_too(server: Server) -> None:
    """A person at a terminal runs kai-probe in the probe's pod; six of them at once took all of its memory."""
    command = [sys.executable, "-I", str(AGENT), "--proc", "/nowhere", QUESTION.to_json()]
    environ = {**os.environ, agent.BESIDE: f"kai-probe-test-{server.port}"}
    runs = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) for _ in range(6)]
    answers = [(run.communicate(timeout=60)[0], run.returncode) for run in runs]

    assert [code for _, code in answers] == [0] * 6
    assert {parse_answer(raw).node_file("nf_conntrack_count") for raw, _ in answers} == {"17\n"}


def test_a_program_without_a_server_beside_it_looks_itself_and_one_whose_server_is_silent_says_so(
    server: Server,
) -> None:
    assert agent.handed_over(QUESTION.to_json(), "") is None
    assert agent.handed_over(QUESTION.to_json(), f"nobody-{server.port}") is None
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"\0silent-{server.port}")
        silent.listen()
        threading.Thread(target=lambda: silent.accept()[0].close()).start()
        said = agent.handed_over(QUESTION.to_json(), f"silent-{server.port}")

    assert said is not None
    assert str(said["error"]).startswith("the probe's server gave no answer (")


async def test_whole_looks_into_a_pod_stay_within_the_chart_s_memory(world: World, tmp_path: Path) -> None:
    """Files, names that nobody answers, connections and a path, as six and as twenty people ask at once."""
    whole = ProbeRequest(
        pod_uid=UID,
        files=agent.POD_FILES,
        node_files=agent.NODE_FILES,
        lookups=(("db.shop", "A"), ("db.shop", "AAAA")),
        connects=(Dial(PEER, 80), Dial(PEER, 81)),
        path_mtu=(PEER,),
        allow=("10.0.0.0/8",),
        budget_ms=3000,
    )
    peaks = {}
    with serving(tmp_path / "tls", world.proc) as server:
        for many in (1, 6, 20):
            asking = asyncio.gather(*(server.ask(request=whole, within=120) for _ in range(many)))
            peaks[many], _ = await _peak(server.pid, asking)
            assert {each.connects for each in await asking} != {()}

    print({many: f"{peak / 1024:.1f} MiB" for many, peak in peaks.items()})
    assert max(peaks.values()) < 110 * 1024, peaks


async def _peak(pid: int, work: asyncio.Future[Any]) -> tuple[int, list[int]]:
    """KiB that the server and its children take together (shared pages counted once), and how many they are."""
    peak, counts = 0, [1]
    while not work.done():
        sizes = await asyncio.to_thread(lambda: [_pss(each) for each in family(pid)])
        peak, counts = max(peak, sum(sizes)), [*counts, len(sizes)]
        await asyncio.sleep(0.005)
    return peak, counts


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            found += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return found


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return 0


def test_the_server_ends_on_a_signal_and_leaves_no_process_behind(server: Server, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-I", str(AGENT), "serve", "--listen", f"{HERE}:{port}"]
    process = subprocess.Popen([*command, "--tls", str(server.folder / "server")])
    give_up = time.monotonic() + 60
    while not listens(port):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    with Server(port, process.pid, server.folder).raw():
        process.terminate()
        assert process.wait(60) == 0
    assert not listens(port)


@pytest.mark.parametrize("options", [["--listen", "x"], ["--port", "1"], ["--tls"], ["--listen", "1.2.3.4:99999"]])
def test_options_that_make_no_sense_are_one_line_and_no_server(options: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(AGENT), "serve", *options], capture_output=True, text=True, timeout=20, check=False
    )

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("kai-probe: ")
