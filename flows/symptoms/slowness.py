"""Checks whether a peer is reached only late: TCP repeats a lost first packet after 1, 3 and 7 seconds.

No rule of its own. Source: the kernel's initial retransmission timeout of 1 s, doubled each time (RFC 6298).
"""

from __future__ import annotations

from flows.symptoms.peers import Peer
from sensors.kit.addresses import as_ip
from sensors.kit.app_log import LogTrouble
from sensors.net_connect import ConnectionAttempt

REPEATED_AFTER_MS = 950.0
"""A connection that opens later than this opened to a repeated SYN: no healthy network takes a second to answer one."""


def is_late(attempt: ConnectionAttempt) -> bool:
    """It took longer than any first SYN takes."""
    return (attempt.ms or 0.0) >= REPEATED_AFTER_MS


def opened_late(peer: Peer) -> tuple[ConnectionAttempt, ...]:
    """The connections that opened only after a repeat; where a name was resolved first, that may have taken long."""
    return tuple(each for each in peer.doors if each.is_open and is_late(each) and as_ip(each.host))


def is_slow(peer: Peer) -> bool:
    """Opens only after repeats, or the pod's log tells of timeouts towards it."""
    return bool(opened_late(peer)) or any(each.trouble is LogTrouble.TIMEOUT for each in peer.logged)
