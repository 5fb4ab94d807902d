"""Memory of a process that serves: one heap, no rubbish that stays, and what is free goes back."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
from collections.abc import Iterator
from textwrap import dedent
from weakref import ReferenceType, ref

import pytest

from bot.interpreter import give_back_memory, serve_quickly


class Circle:
    """It refers to itself: only Python's search for garbage frees it."""

    def __init__(self) -> None:
        self.me = self


def lost_circle() -> ReferenceType[Circle]:
    return ref(Circle())


@pytest.fixture
def as_before() -> Iterator[None]:
    """What is set for the whole process is set back."""
    interval = sys.getswitchinterval()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("act", [give_back_memory, serve_quickly])
def test_garbage_neither_stays_for_ever_nor_waits_for_its_turn(as_before: None, act) -> None:
    lost = lost_circle()
    assert lost() is not None

    act()

    assert lost() is None


THREADS = """
    import ctypes, sys, threading
    from bot.interpreter import use_one_heap

    if "one" in sys.argv:
        use_one_heap()
    ready, kept = threading.Barrier(5), []

    def keep():
        kept.append(bytes(10_000))
        ready.wait()

    for each in range(4):
        threading.Thread(target=keep, daemon=True).start()
    ready.wait()
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    out = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
    libc.malloc_info(0, out)
    libc.fflush(out)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
@pytest.mark.parametrize(("words", "heaps"), [(["one"], {1}), ([], {2, 3, 4, 5})])
def test_threads_share_one_heap_where_each_would_have_its_own(words: list[str], heaps: set[int]) -> None:
    said = subprocess.run(
        [sys.executable, "-c", dedent(THREADS), *words], capture_output=True, text=True, check=True
    ).stdout

    assert said.count("<heap nr=") in heaps
