"""The connection opens at once, and the answer takes longer than the caller waits.

Proof: connections open, nothing is dropped or repeated, the path carries full-size packets, and the caller's log
tells of time-outs after the connection was made. Not to be mistaken for large packets that vanish (the path's rule)
or for loss.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import PROBABLE
from flows.model import Case, Finding, Missing, Rule
from flows.symptoms.peers import Peer, suspects
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts
from sensors.kit.app_log import LogError, LogTrouble
from sensors.kit.sockets import PodSockets
from sensors.net_mtu import Mtu
from sensors.net_tcp_stats import TcpStats

REPEATED_SHARE = 0.01
FEW_REPEATS = 10
AFTER_CONNECTING = ("bytes received", "read timed out", "awaiting headers", "response timeout", "deadline exceeded")


def judge(case: Case) -> Iterator[Finding]:
    pod, mtu, stats = case[PodFacts], case[Mtu], case[TcpStats]
    if stats.target.blind:
        raise Missing(TcpStats, stats.target.blind)
    if mtu.short or mtu.stalls or any(each.stalled or _repeats(each) for each in (stats.target, *stats.peers)):
        return
    latest = max((each.time for each in pod.log_errors if each.time), default=None)
    for peer, weight in suspects(case):
        line = next((each for each in peer.logged if _waited(each) and each.time == latest), None)
        if line and any(each.opened for each in peer.connections) and not _dropped(peer):
            yield _finding(peer, line, weight)


def _repeats(pod: PodSockets) -> bool:
    """Segments are repeated as no healthy path has it: they are lost, whatever the caller waits for."""
    again, share = pod.counters.retransmitted or 0, pod.counters.retransmit_share
    return again >= FEW_REPEATS and (share is None or share > REPEATED_SHARE)


def _waited(line: LogError) -> bool:
    return line.trouble is LogTrouble.TIMEOUT and any(words in line.text.lower() for words in AFTER_CONNECTING)


def _dropped(peer: Peer) -> bool:
    return any(each.packets_dropped or each.unanswered for each in peer.connections)


def _finding(peer: Peer, line: LogError, weight: float) -> Finding:
    return Finding(
        cause_class="app.slow",
        cause=f"{peer} accepts connections at once and answers too late for the caller ({line.count} time-outs)",
        component=peer.component,
        belief=PROBABLE * weight,
        because=f'connections open, no packet is dropped or repeated; the caller logs: "{line.text}"',
        shown_by=(PodFacts, HubbleFlows, TcpStats, Mtu),
        recommendation=f"Look at what {peer.component} does while it is asked: load, locks, its own callees.",
    )


RULE = Rule(id="app-slow", judge=judge, causes=("app.slow",), needs=(PodFacts, Mtu, TcpStats))
