"""The probe's server as a process of its own, with a small /proc to look at and certificates for everybody."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sensors.access.probe.channel import ProbeChannel, probe_channel
from sensors.access.probe.client import ProbeAnswer, ProbeRequest, parse_answer
from tests.cluster.processes import free_port, running
from tests.probe.certificates import authority, signed
from tests.probe.namespaces import AGENT

QUESTION = ProbeRequest(node_files=("nf_conntrack_max", "nf_conntrack_count"), budget_ms=4000)
HERE = "127.0.0.1"


@dataclass(frozen=True)
class Server:
    port: int
    pid: int
    folder: Path

    def channel(self, name: str = "kai") -> ProbeChannel:
        return probe_channel(self.folder / name, self.port)

    async def ask(self, name: str = "kai", request: ProbeRequest = QUESTION, within: float = 20.0) -> ProbeAnswer:
        return parse_answer(await self.channel(name).ask(HERE, request, within))

    def raw(self, name: str = "kai") -> ssl.SSLSocket:
        plain = socket.create_connection((HERE, self.port), 10)
        return self.channel(name).context.wrap_socket(plain, server_hostname="kai-probe")


def proc_of(folder: Path) -> Path:
    """A node's /proc with one table of connections."""
    (folder / "sys/net/netfilter").mkdir(parents=True)
    (folder / "1/ns").mkdir(parents=True)
    (folder / "1/ns/net").symlink_to(f"/proc/{os.getpid()}/ns/net")
    (folder / "sys/net/netfilter/nf_conntrack_max").write_text("262144\n")
    (folder / "sys/net/netfilter/nf_conntrack_count").write_text("17\n")
    return folder


@contextmanager
def serving(folder: Path, proc: Path | None = None) -> Iterator[Server]:
    """A server that runs, and folders with certificates: `kai` may ask, `mallory` may not; others deceive."""
    ca, other = authority(folder / "ca"), authority(folder / "other")
    tls = signed(ca, "kai-probe", folder="server")
    for name in ("kai", "mallory"):
        signed(ca, name, folder=name)
    signed(other, "kai", folder="stranger")
    (folder / "stranger/ca.crt").write_bytes((ca / "ca.crt").read_bytes())
    signed(other, "kai", folder="deceived")
    proc, port = proc or proc_of(folder / "proc"), free_port()
    command = [sys.executable, "-I", str(AGENT), "serve", "--listen", f"{HERE}:{port}", "--tls", str(tls)]
    command += ["--local", f"kai-probe-test-{port}"]
    pids = folder / "pid"
    with running([*_noting(pids), *command, "--proc", str(proc)], folder / "log", lambda: listens(port)):
        yield Server(port, int(pids.read_text()), folder)


def _noting(pids: Path) -> list[str]:
    return ["sh", "-c", f'echo $$ > {pids}; exec "$@"', "sh"]


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HERE, port), 1):
        return True
    return False
