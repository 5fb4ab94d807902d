from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from lab.cluster.streams import not_acceptable
from sensors.access.kube import ExecResult
from sensors.access.kube.streams import V4, V5, Frames, exit_code_of
from sensors.kit.model import Absent, Blind
from tests.cluster.standin import Reply, kube_at, says, stand_in, status

EXEC = "/api/v1/namespaces/kai/pods/probe-x/exec"
SUCCESS = json.dumps({"metadata": {}, "status": "Success"}).encode()
EXIT_7 = json.dumps(
    {
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": "command terminated with non-zero exit code: exit status 7",
        "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
    }
).encode()
NOT_FOUND = json.dumps(
    {"status": "Failure", "reason": "InternalError", "message": 'exec: "kai-probe": executable file not found in $PATH'}
).encode()


def plays(*frames: bytes, speaks: str = V5, heard: list[Any] | None = None) -> Reply:
    """A websocket that sends these frames; with `heard`, after the client has closed its input."""

    async def reply(request: web.Request) -> web.StreamResponse:
        if refusal := not_acceptable(request):
            return refusal
        socket = web.WebSocketResponse(protocols=(speaks,))
        await socket.prepare(request)
        if heard is not None:
            heard.append(request.query.getall("command"))
            heard.append(await _input(socket))
        for each in frames:
            await socket.send_bytes(each)
        await socket.close()
        return socket

    return reply


async def _input(socket: web.WebSocketResponse) -> bytes:
    """What the client feeds the program, up to v5's close of channel 0."""
    fed = b""
    async for message in socket:
        if message.type is not WSMsgType.BINARY or message.data == b"\xff\x00":
            break
        assert message.data[0] == 0
        fed += message.data[1:]
    return fed


async def ran(folder: Path, reply: Reply, argv: tuple[str, ...] = ("kai-probe",), **settings: Any) -> ExecResult:
    async with stand_in({EXEC: [reply]}) as server, kube_at(server, folder) as kube:
        return await kube.exec("kai", "probe-x", "probe", argv, **settings)


async def blindness(folder: Path, reply: Reply, **settings: Any) -> str:
    with pytest.raises(Blind) as caught:
        await ran(folder, reply, **settings)
    return str(caught.value)


@pytest.mark.parametrize("speaks", [V4, V5])
async def test_output_errors_and_the_exit_code_come_over_their_own_channels(speaks: str, tmp_path: Path) -> None:
    frames = (b"\x01", b"\x02", b"\x01he", b"\x02oh\n", b"\x01llo\n", b"\x03" + EXIT_7)

    assert await ran(tmp_path, plays(*frames, speaks=speaks)) == ExecResult(b"hello\n", b"oh\n", 7)


async def test_a_kubelet_that_refuses_a_wish_for_json_alone_is_not_asked_for_json(tmp_path: Path) -> None:
    """Its router answers 406 to any request that does not take anything, for none of its routes says what it gives."""
    accepted: list[str] = []

    async def run(request: web.Request) -> web.StreamResponse:
        accepted.append(request.headers["Accept"])
        return await plays(b"\x03" + SUCCESS)(request)

    async def log(request: web.Request) -> web.StreamResponse:
        accepted.append(request.headers["Accept"])
        return not_acceptable(request) or web.Response(text="line\n")

    async with (
        stand_in({EXEC: [run], EXEC.replace("exec", "log"): [log]}) as server,
        kube_at(server, tmp_path) as kube,
    ):
        ended = await kube.exec("kai", "probe-x", "probe", ["true"])
        text = await kube.log("kai", "probe-x", "probe")

    assert (ended.exit_code, text, accepted) == (0, "line", ["*/*", "*/*"])


async def test_a_refusal_of_the_kubelet_is_told_with_its_number(tmp_path: Path) -> None:
    async def json_only(request: web.Request) -> web.StreamResponse:
        refusal = not_acceptable(request.clone(headers={"Accept": "application/json"}))
        assert refusal is not None
        return refusal

    said = await blindness(tmp_path, json_only)

    assert said == "no program can be run in kai/probe-x (probe): the API server answered 406"


async def test_a_program_that_ends_well_has_exit_code_nought(tmp_path: Path) -> None:
    assert await ran(tmp_path, plays(b"\x03" + SUCCESS)) == ExecResult(b"", b"", 0)


async def test_arguments_arrive_as_they_are_and_no_shell_sees_them(tmp_path: Path) -> None:
    argv = ("kai-probe", '{"a": "b&c=d"}', "x y;$(reboot)", "a+b%41/ü", "", "--")
    heard: list[Any] = []

    await ran(tmp_path, plays(b"\x03" + SUCCESS, heard=heard), argv, stdin=b"")

    assert heard[0] == list(argv)


async def test_input_arrives_whole_and_ends(tmp_path: Path) -> None:
    given, heard = bytes(range(256)) * 1000, []

    await ran(tmp_path, plays(b"\x03" + SUCCESS, heard=heard), stdin=given)

    assert heard[1] == given


async def test_input_is_not_sent_to_a_server_that_cannot_end_it(tmp_path: Path) -> None:
    said = await blindness(tmp_path, plays(b"\x03" + SUCCESS, speaks=V4), stdin=b"x")

    assert said == "the API server cannot close a program's input (it speaks no channels)"


async def test_an_end_without_an_exit_code_is_no_result(tmp_path: Path) -> None:
    said = await blindness(tmp_path, plays(b"\x01half an ans"))

    assert said == "the connection ended before the program did: there is no exit code"


async def test_a_program_that_is_not_in_the_image_is_told_in_the_servers_words(tmp_path: Path) -> None:
    said = await blindness(tmp_path, plays(b"\x03" + NOT_FOUND))

    assert said == 'the program could not be run: exec: "kai-probe": executable file not found in $PATH'


async def test_more_output_than_wanted_is_refused_and_not_cut(tmp_path: Path) -> None:
    flood = plays(*[b"\x01" + b"x" * 1000] * 20, b"\x03" + SUCCESS)

    assert await blindness(tmp_path, flood, limit=10_000) == "the program wrote more than 10000 bytes"


async def test_a_program_that_does_not_end_costs_its_time_and_no_more(tmp_path: Path) -> None:
    said = await blindness(tmp_path, plays(b"\x03" + SUCCESS, heard=[]), within=0.2)

    assert said == "kai-probe in kai/probe-x (probe) did not end within 0.2 s"


async def test_a_server_that_does_not_even_say_good_bye_costs_no_more(tmp_path: Path) -> None:
    async def deaf(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=(V5,))
        await socket.prepare(request)
        await socket.send_bytes(b"\x01too much")
        await asyncio.Event().wait()
        return socket

    async with asyncio.timeout(5):
        assert await blindness(tmp_path, deaf, limit=3) == "the program wrote more than 3 bytes"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (401, "the API server does not accept the credentials of context test (401): expired or wrong; log in again"),
        (
            403,
            "no right to run a program in kai/probe-x (probe): needed are the verbs get and create on pods/exec "
            "in namespace kai",
        ),
        (500, "no program can be run in kai/probe-x (probe): the API server answered 500"),
    ],
)
async def test_a_refused_exec_says_which_server_refused(code: int, said: str, tmp_path: Path) -> None:
    assert await blindness(tmp_path, status(code)) == said


async def test_a_program_is_not_run_elsewhere_because_a_server_says_so(tmp_path: Path) -> None:
    async with stand_in({}) as elsewhere:
        said = await blindness(tmp_path, says("", 302, Location=f"{elsewhere.url}/exec"))

    assert f"sends us on to {elsewhere.url}/exec, which is not followed" in said
    assert (elsewhere.asked, elsewhere.tokens) == ([], set())


async def test_a_pod_that_is_not_there_is_absent(tmp_path: Path) -> None:
    with pytest.raises(Absent, match=r"^there is no pod kai/probe-x$"):
        await ran(tmp_path, status(404))


@pytest.mark.parametrize(
    "outcome", [b"", b"{}", b"[]", b"nonsense", b'{"details": {"causes": [{"reason": "ExitCode"}]}}']
)
def test_an_outcome_that_is_none_is_never_a_success(outcome: bytes) -> None:
    with pytest.raises(Blind, match=r"^the program could not be run"):
        exit_code_of(outcome)


def test_frames_of_unknown_channels_are_passed_over() -> None:
    frames = Frames()

    for each in (b"", b"\x04resize", b"\x2ahm", b"\xff\x01", b"\x01a", b"\x03" + SUCCESS):
        frames.take(each)

    assert frames.result() == ExecResult(b"a", b"", 0)
