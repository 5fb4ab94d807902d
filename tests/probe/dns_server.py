"""A small DNS server for tests, on real sockets: it answers from a table, and remembers every question and its time."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.probe.namespaces import datagrams, listener

RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}
TYPES = {1: "A", 28: "AAAA"}


@dataclass
class DnsServer:
    """`table` gives for a full name a list of addresses, a code (`SERVFAIL`), or `silent`, `cut`, `garbled`,
    `other-first`. An unknown name is NXDOMAIN; one in the table without addresses of the type an empty NOERROR."""

    netns: str
    address: str
    table: Mapping[str, object]
    speaks_tcp: bool = True
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __enter__(self) -> DnsServer:
        self.udp = datagrams(self.netns, self.address, 53)
        self.tcp = listener(self.netns, self.address, 53) if self.speaks_tcp else None
        threading.Thread(target=self._serve_udp, daemon=True).start()
        if self.tcp is not None:
            threading.Thread(target=self._serve_tcp, args=(self.tcp,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self.udp, self.tcp):
            if each is not None:
                each.close()

    @property
    def names(self) -> list[str]:
        return [name for _, name, _ in self.asked]

    def _serve_udp(self) -> None:
        while True:
            try:
                question, sender = self.udp.recvfrom(4096)
            except OSError:
                return
            for answer in self._answers("udp", question):
                self.udp.sendto(answer, sender)

    def _serve_tcp(self, server: socket.socket) -> None:
        while True:
            try:
                caller, _ = server.accept()
            except OSError:
                return
            with caller:
                length = caller.recv(2)
                for answer in self._answers("tcp", caller.recv(4096)) if len(length) == 2 else ():
                    caller.sendall(struct.pack("!H", len(answer)) + answer)

    def _answers(self, over: str, question: bytes) -> list[bytes]:
        name, end = _name(question)
        qtype = struct.unpack_from("!H", question, end)[0]
        self.asked.append((over, name, TYPES[qtype]))
        self.times.append(time.monotonic())
        says = self.table.get(name, "NXDOMAIN")
        if says == "silent":
            return []
        if says == "garbled":
            return [_reply(question, end, 0, [])[:6] + b"\0\1" + bytes(4) + question[12 : end + 4] + b"\5x"]
        if says == "cut" and over == "udp":
            return [_reply(question, end, 0x0200, [])]
        if says == "other-first":
            return [b"\0\0" + _reply(question, end, 0, ["192.0.2.66"])[2:], _reply(question, end, 0, ["192.0.2.1"])]
        if isinstance(says, str) and says in RCODES:
            return [_reply(question, end, RCODES[says], [])]
        addresses = ["192.0.2.9"] if says == "cut" else says
        assert isinstance(addresses, list)
        fitting = [each for each in addresses if (":" in each) == (qtype == 28)]
        return [_reply(question, end, 0, fitting)]


def _name(message: bytes) -> tuple[str, int]:
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode())
        at += message[at] + 1
    return ".".join(labels), at + 1


def _reply(question: bytes, end: int, flags: int, addresses: list[str]) -> bytes:
    packed = [ipaddress.ip_address(each).packed for each in addresses]
    records = b"".join(
        b"\xc0\x0c" + question[end : end + 4] + struct.pack("!IH", 30, len(each)) + each for each in packed
    )
    head = question[:2] + struct.pack("!HHHHH", 0x8180 | flags, 1, len(packed), 0, 0)
    return head + question[12 : end + 4] + records
