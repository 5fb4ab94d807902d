"""Real network namespaces for the probe's tests: a pod, a node and whatever stands between the pod and its peer."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

AGENT = Path(__file__).parents[2] / "sensors/access/probe/agent.py"
UID = "0d1f6c5e-7a83-4d9b-9a55-3c2b1e0f4a77"
POD, PEER = "10.9.0.1", "10.9.0.2"
TOOLS = ("ip", "nft", "conntrack", "setpriv")
T = TypeVar("T")


def missing_tools() -> str | None:
    """Why real namespaces cannot be made here, in words that tell what to do; None where they can."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not installed: run .ci/programs"
    if os.geteuid() != 0:
        return "these tests make network namespaces: run them as root"
    return None


def run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout


def until(what: Callable[[], T], seconds: float = 60.0) -> T:
    """Polls until `what` gives something true, and gives it back."""
    give_up = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.005)
    return found


def inside(netns: str, work: Callable[[], T]) -> T:
    """Does `work` in a namespace, in a thread made for it: a socket stays in the namespace it was made in."""
    results: list[T] = []

    def enter() -> None:
        with open(f"/run/netns/{netns}") as place:
            assert ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0x40000000) == 0
        results.append(work())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return results[0]


def listener(netns: str, address: str, port: int) -> socket.socket:
    return inside(netns, lambda: socket.create_server((address, port)))


def datagrams(netns: str, address: str, port: int) -> socket.socket:
    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, port))
        return made

    return inside(netns, make)


@dataclass
class Netns:
    """One namespace with a process that only sleeps in it."""

    name: str
    sleeper: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        run("ip", "netns", "add", self.name)
        self.exec("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
        self.ip("link", "set", "lo", "up")
        self.sleeper = subprocess.Popen(["ip", "netns", "exec", self.name, "sleep", "300"])
        inode = os.stat(f"/run/netns/{self.name}").st_ino
        until(lambda: os.stat(f"/proc/{self.sleeper.pid}/ns/net").st_ino == inode)

    def ip(self, *words: str) -> str:
        return run("ip", "-n", self.name, *words)

    def exec(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.name, *command)

    def nft(self, rules: str) -> None:
        run("ip", "netns", "exec", self.name, "nft", "-f", "-", text=rules)

    def end(self) -> None:
        self.sleeper.kill()
        self.sleeper.wait()
        run("ip", "netns", "del", self.name)


def join(left: Netns, left_address: str, right: Netns, right_address: str, *, mtu: int = 1500, index: int = 0) -> None:
    """A veth pair between two namespaces; addresses with their prefix length."""
    here, there = f"a{index}", f"b{index}"
    run("ip", "link", "add", here, "netns", left.name, "type", "veth", "peer", "name", there, "netns", right.name)
    for side, link, address in ((left, here, left_address), (right, there, right_address)):
        side.ip("addr", "add", address, "dev", link)
        side.ip("link", "set", link, "mtu", str(mtu), "up")


class World:
    """A pod and its peer on one wire (10.9.0.1 and 10.9.0.2), the node's own namespace, and a /proc that shows them."""

    def __init__(self, folder: Path) -> None:
        self.tag = f"kai{os.getpid()}"
        self.proc = folder / "proc"
        self.spaces: dict[str, Netns] = {}
        self.pod, self.peer, self.node = self.space("pod"), self.space("peer"), self.space("node")
        join(self.pod, f"{POD}/24", self.peer, f"{PEER}/24")
        self._proc_entry("1", self.node, "0::/init.scope", "systemd")
        (self.proc / "sys").symlink_to("/proc/sys")
        self.process(4711, "app")
        self.resolv_conf(f"nameserver {PEER}\n")

    def space(self, name: str) -> Netns:
        self.spaces[name] = Netns(f"{self.tag}{name}")
        return self.spaces[name]

    def process(self, pid: int, name: str, *, uid: str = UID, netns: Netns | None = None) -> Path:
        cgroup = f"0::/kubepods/burstable/pod{uid}/7f3c\n"
        return self._proc_entry(str(pid), netns or self.pod, cgroup, name)

    def _proc_entry(self, pid: str, netns: Netns, cgroup: str, name: str) -> Path:
        entry = self.proc / pid
        (entry / "ns").mkdir(parents=True)
        (entry / "root/etc").mkdir(parents=True)
        (entry / "ns/net").symlink_to(f"/proc/{netns.sleeper.pid}/ns/net")
        (entry / "net").symlink_to(f"/proc/{netns.sleeper.pid}/net")
        (entry / "cgroup").write_text(cgroup)
        (entry / "comm").write_text(f"{name}\n")
        return entry

    def resolv_conf(self, text: str, pid: int = 4711) -> None:
        (self.proc / str(pid) / "root/etc/resolv.conf").write_text(text)

    def command(self, **wishes: Any) -> list[str]:
        request = {"version": 2, "pod_uid": UID, "allow": {"addresses": ["10.0.0.0/8"]}} | wishes
        return [sys.executable, "-I", str(AGENT), "--proc", str(self.proc), json.dumps(request)]

    def probe(self, *, under: Sequence[str] = (), **wishes: Any) -> dict[str, Any]:
        """Runs the probe as it runs on a node, and gives its answer; `under` is a command that runs it."""
        done = subprocess.run(
            [*under, *self.command(**wishes)], capture_output=True, text=True, timeout=40, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def end(self) -> None:
        for each in self.spaces.values():
            each.end()


def worlds(folder: Path) -> Iterator[World]:
    world = World(folder)
    try:
        yield world
    finally:
        world.end()
