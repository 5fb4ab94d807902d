"""The network delivers, and the application answers with an error.

Proof: connections to the peer open, none is dropped, and the caller's own log (or a proxy) tells of an answer that
refuses: HTTP 5xx or 4xx, a TLS handshake that fails, a connection reset after data. Not to be mistaken for an L7
policy, which answers 403 in the application's name: then a proxy denied the request and the policy's rule speaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flows.belief import AMBIGUOUS, PROBABLE, SHOWN
from flows.model import Case, Finding, Rule
from flows.symptoms.peers import Peer, suspects
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts
from sensors.kit.app_log import LogError, LogTrouble
from sensors.net_connect import Connects

PROXY_SAID = 403
TROUBLE_CLAUSES = {
    LogTrouble.HTTP: "answers with HTTP {code}",
    LogTrouble.TLS: "fails the TLS handshake",
    LogTrouble.RESET: "resets connections after they opened",
}


def judge(case: Case) -> Iterator[Finding]:
    last = _newest(case[PodFacts])
    for peer, weight in suspects(case):
        line = _answer(peer, last)
        if line and _delivers(peer):
            yield _finding(case, peer, line, weight * (AMBIGUOUS if _may_be_a_proxy_s(case, line) else 1))


def _newest(pod: PodFacts) -> datetime | None:
    return max((each.time for each in pod.log_errors if each.time), default=None)


def _answer(peer: Peer, newest: datetime | None) -> LogError | None:
    """The newest complaint, if it is of the application's making: an older one may be over."""
    known = [each for each in peer.logged if each.trouble in TROUBLE_CLAUSES]
    latest = max(known, key=lambda each: (each.time is not None, each.time, each.count), default=None)
    return latest if latest and (latest.time is None or latest.time == newest) else None


def _delivers(peer: Peer) -> bool:
    clean = not any(each.packets_dropped or each.denied for each in peer.connections)
    return clean and (any(each.opened for each in peer.connections) or any(attempt.is_open for attempt in peer.doors))


def _may_be_a_proxy_s(case: Case, line: LogError) -> bool:
    """A 403 that an L7 policy can have said, too: a proxy did refuse requests of this pod, or nobody could look."""
    if line.code != PROXY_SAID:
        return False
    flows = case.get(HubbleFlows)
    return flows is None or any(each.denied for each in flows.connections)


def _finding(case: Case, peer: Peer, line: LogError, weight: float) -> Finding:
    said = TROUBLE_CLAUSES[line.trouble].format(code=line.code or "errors")
    return Finding(
        cause_class="app.error",
        cause=f"the network is fine: {peer} is reached and {said} ({line.count} times in the caller's log)",
        component=peer.component,
        belief=(SHOWN if line.trouble is not LogTrouble.HTTP or (line.code or 0) >= 500 else PROBABLE) * weight,
        because=f'connections open and nothing is dropped; the caller logs: "{line.text}"',
        shown_by=(PodFacts, Connects, HubbleFlows),
        recommendation=f"Look into the log of {peer.component}: the fault is in the application, not in the network.",
    )


RULE = Rule(id="app-error", judge=judge, causes=("app.error",), needs=(PodFacts,))
