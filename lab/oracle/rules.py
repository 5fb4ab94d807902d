"""One rule of any dialect, as three questions about a packet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.oracle.ends import End

ProtocolPort = tuple[str, int | None]
"""Protocol, and port (ICMP: type)."""


@dataclass(frozen=True)
class PolicyRule:
    """Rule of a policy: its pods (`applies`), direction, isolation, and the peers and ports it admits or denies."""

    policy: str
    egress: bool
    applies: Callable[[End], bool]
    isolates: bool
    denies: bool
    peer: Callable[[End, End], bool]  # (the other side, the pod whose rule this is)
    port: Callable[[ProtocolPort, End], bool]  # the packet, and who receives it
    shows_names: bool = False  # DNS answers pass the datapath, so that it knows which name an address has


def nobody(_other: End, _me: End) -> bool:
    return False


def every_port(_packet: ProtocolPort, _there: End) -> bool:
    return True
