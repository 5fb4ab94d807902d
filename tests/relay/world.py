"""A relay in a box and certificates for it, for tests over real sockets."""

from __future__ import annotations

import copy
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.observer import Node, Ring, ServerTls, nodes_of
from sensors.access.relay import Relay, RelayConfig, RelayLimits
from sensors.hubble.lines import FlowQuestion, FlowReading, HubbleFlow, HubbleMessage, NodeStatus

ROOT = Path(__file__).resolve().parents[2]
CASE = ROOT / "lab" / "cases" / "checkout-to-bank"
POD = FlowQuestion("checkout", "checkout-5df9dc997b-qb72b")
QUICK = RelayLimits(follow=0.1, within=3.0, settling=1.0)


def recorded() -> list[Node]:
    """The two nodes of a recorded incident, `lab1` and `lab2`, freshly made."""
    return nodes_of(CASE)


def repeated(count: int, *, node: str = "lab1") -> Node:
    """A node whose ring holds `count` flows of the asked pod, the same few again and again, told apart by uuid."""
    about = [each for each in recorded()[0].ring.messages if POD.pod in (each.flow.source.pod_name,)]
    return Node(Ring(node, [renumbered(about[number % len(about)], number) for number in range(count)]))


def renumbered(message: Any, number: int) -> Any:
    other = copy.copy(message)
    other.flow.uuid = f"{number:08x}-0000-4000-8000-000000000000"
    return other


async def all_of(relay: Relay, question: FlowQuestion = POD) -> list[HubbleMessage]:
    return [message async for batch in relay.hubble_flows(question) for message in batch]


def flows_in(messages: list[HubbleMessage]) -> list[HubbleFlow]:
    return [each for each in messages if isinstance(each, HubbleFlow)]


def states_in(messages: list[HubbleMessage]) -> list[tuple[str, tuple[str, ...], str]]:
    return [(each.state, each.nodes, each.message) for each in messages if isinstance(each, NodeStatus)]


def reading_of(messages: list[HubbleMessage]) -> FlowReading:
    last = messages[-1]
    assert isinstance(last, FlowReading)
    return last


def relay_at(address: str, pace: RelayLimits = QUICK, **settings: Any) -> Relay:
    return Relay(RelayConfig(address, **settings), pace)


@dataclass(frozen=True)
class Certificates:
    """Files made with openssl: an authority, the relay's certificate as Cilium's charts make it, a client's."""

    folder: Path

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def server(self, *, asks_clients: bool = False, name: str = "relay") -> ServerTls:
        read = {each: (self.folder / each).read_bytes() for each in ("ca.crt", f"{name}.crt", f"{name}.key")}
        return ServerTls(read[f"{name}.crt"], read[f"{name}.key"], read["ca.crt"] if asks_clients else None)

    @property
    def client(self) -> dict[str, str]:
        return {"cert_file": self.file("client.crt"), "key_file": self.file("client.key")}


def make_certificates(folder: Path) -> Certificates:
    for name in ("ca", "stranger"):
        subject = ["-subj", f"/CN={name}"]
        _openssl(folder, "req", "-x509", *KEY, *subject, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "30")
    _issue(folder, "relay", "ca", "DNS:*.hubble-relay.cilium.io")
    _issue(folder, "expired", "ca", "DNS:*.hubble-relay.cilium.io", "-1")
    _issue(folder, "client", "ca", "DNS:kai")
    _issue(folder, "unknown", "stranger", "DNS:kai")
    return Certificates(folder)


KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _issue(folder: Path, name: str, authority: str, san: str, days: str = "30") -> None:
    (folder / f"{name}.ext").write_text(f"subjectAltName={san}\n")
    _openssl(folder, "req", "-new", *KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    signed = ("-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial", "-extfile", f"{name}.ext")
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-days", days, "-out", f"{name}.crt")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
