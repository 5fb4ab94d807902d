"""`kai demo` as people call it: on a terminal it goes on with the page, anywhere else it prints and ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import termios
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lab.demo.serving import has_screen

ROOT = Path(__file__).parents[2]
KAI = (sys.executable, "-m", "bot")
PAGE = re.compile(r"http://127\.0\.0\.1:\d+/archives/\S+")
END = "Ctrl-C ends it and removes everything."


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Surroundings without CI, without a screen, with a temporary folder of their own."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "xterm", "TMPDIR": str(folder)}


@contextmanager
def on_a_terminal(surroundings: dict[str, str], *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`kai` with a pseudo-terminal for all three; the terminal's other end to read from."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (50, 300))
    with subprocess.Popen([*KAI, *words], cwd=ROOT, env=surroundings, stdin=theirs, stdout=theirs, stderr=theirs) as it:
        os.close(theirs)
        try:
            yield it, ours
        finally:
            it.kill()
            os.close(ours)


def read_until(terminal: int, word: str) -> str:
    """All that is shown up to that word, or up to the end."""
    seen = b""
    with suppress(OSError):  # Linux says EIO when the other side has closed
        while word.encode() not in seen and (more := os.read(terminal, 65536)):
            seen += more
    return seen.decode()


def test_on_a_terminal_the_diagnosis_comes_first_and_the_page_follows_until_ctrl_c(bare: dict[str, str]) -> None:
    with on_a_terminal(bare, "demo") as (running, terminal):
        seen = read_until(terminal, END)
        page = PAGE.search(seen)
        assert page is not None
        with urllib.request.urlopen(page[0]) as answer:
            assert answer.status == 200

        running.send_signal(signal.SIGINT)
        rest = read_until(terminal, "nothing more comes")

        assert running.wait(60) == 0
    assert seen.index("Root Cause") < seen.index(page[0])
    assert "Type there:  /kai netdebug api-server-79fd8d4cc-jzc5m production --to 10.96.0.1:443" in seen
    assert rest.strip() == "The demo stops."
    assert os.listdir(bare["TMPDIR"]) == []


@pytest.mark.parametrize(
    ("words", "more"), [(["demo", "--once"], {}), (["demo"], {"CI": "true"}), (["demo", "-o", "json"], {})]
)
def test_the_page_does_not_follow_where_nobody_wants_it(
    words: list[str], more: dict[str, str], bare: dict[str, str]
) -> None:
    with on_a_terminal({**bare, **more}, *words) as (running, terminal):
        seen = read_until(terminal, END)

        assert running.wait(60) == 0
    assert PAGE.search(seen) is None


def test_without_a_terminal_it_ends_after_the_diagnosis(bare: dict[str, str]) -> None:
    said = subprocess.run(
        [*KAI, "demo"], cwd=ROOT, env=bare, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )

    assert (said.returncode, PAGE.search(said.stdout + said.stderr)) == (0, None)


def test_the_page_can_be_asked_for_without_a_terminal(bare: dict[str, str]) -> None:
    words = [*KAI, "demo", "web-to-catalog", "--page", "--no-browser"]
    with subprocess.Popen(
        words, cwd=ROOT, env=bare, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        told = []
        while END not in "".join(told) and (line := running.stderr.readline()):
            told.append(line)
        running.terminate()

        assert running.wait(60) == 0
    assert PAGE.search("".join(told)) is not None
    assert "Type there:  /kai netdebug web-747d774df4-bk458 store --to catalog:80\n" in told
    assert os.listdir(bare["TMPDIR"]) == []


def test_a_taken_port_is_one_line_that_says_what_to_do(bare: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = [*KAI, "demo", "--page", "--port", port]
        said = subprocess.run(words, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=60)

    assert said.returncode == 2
    assert said.stderr.splitlines()[1:] == [
        f"kai: the page cannot listen on port {port}: address already in use; try --port 0"
    ]


@pytest.mark.parametrize(
    ("platform", "environ", "opens"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {"DISPLAY": ":10", "SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}, False),
        ("darwin", {}, True),
    ],
)
def test_a_browser_opens_only_in_front_of_somebody(platform: str, environ: dict[str, str], opens: bool) -> None:
    assert has_screen(environ, platform) is opens
