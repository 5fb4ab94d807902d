"""Connections through a Service are reset in the middle, for the node takes some of their segments for invalid.

Proof: the kernel log of a node on the way names segments between the caller and a backend as invalid (written only with
nf_conntrack_log_invalid), and the caller's own log tells of resets after the connection opened. The tracker leaves such
a segment untranslated; the pod sees an address that it never talked to and answers with a reset. The counter `invalid`
by itself is a count since boot, and no proof. Not to be mistaken for an application that resets by itself, for a
datapath that does not use the kernel's tracker, nor for the same words about other connections.
"""

from __future__ import annotations

from collections.abc import Iterator

from flows.belief import ASIDE, EVIDENT, PROBABLE
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.dns import is_recent
from flows.symptoms.peers import Peer, suspects
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from sensors.kit.app_log import LogTrouble
from sensors.kit.kernel_log import InvalidSegments
from sensors.net_conntrack_usage import Conntrack, NodeTables

TRACKED = ("netfilter", "unknown")
"""The datapaths in which the kernel's tracker translates Service addresses."""


def judge(case: Case) -> Iterator[Finding]:
    tables, pod = case[Conntrack], case[PodFacts]
    if tables.datapath_table not in TRACKED and case.environment.kube_proxy_replacement is not False:
        return
    for peer, weight in suspects(case):
        resets = sum(each.count for each in peer.logged if each.trouble is LogTrouble.RESET)
        for table in tables.nodes if peer.service and resets else ():
            found = [each for each in table.invalid if _is_between(each, pod, peer)]
            if found:
                yield _finding(case, peer, table, found, resets, weight)


def _is_between(each: InvalidSegments, pod: PodFacts, peer: Peer) -> bool:
    ends = peer.service.endpoints or () if peer.service else ()
    own = peer.service.cluster_ips if peer.service else ()
    theirs = {*(end.ip for end in ends), *own, *(one.destination.ip for one in peer.connections)}
    pair = {each.source, each.destination}
    return bool(pair & set(pod.ips)) and bool(pair & theirs)


def _finding(
    case: Case, peer: Peer, table: NodeTables, found: list[InvalidSegments], resets: int, weight: float
) -> Finding:
    worst, count = found[0], sum(each.lines for each in found)
    times = "once" if resets == 1 else f"{resets} times"
    return Finding(
        cause_class="nat.invalid_dropped",
        cause=(
            f"node {table.node} takes segments between {case.target} and {peer} for invalid and does not translate "
            "them: the connection is reset"
        ),
        component=Component("Node", "", table.node),
        belief=_belief(case, found) * weight,
        because=(
            f"the kernel log of {table.node} names {count} of them ({worst.source} to {worst.destination}: "
            f'"{worst.why}"); the caller\'s log tells of resets {times}'
        ),
        shown_by=(Conntrack, PodFacts, Services),
        recommendation=(
            f"Set net.netfilter.nf_conntrack_tcp_be_liberal=1 on {table.node} (kube-proxy: "
            "conntrack.tcpBeLiberal), or find what sends packets out of order. KAI changes no node."
        ),
    )


def _belief(case: Case, found: list[InvalidSegments]) -> float:
    times = [each.newest for each in found if each.newest]
    if not times:
        return PROBABLE
    return EVIDENT if is_recent(case, max(times)) else ASIDE


RULE = Rule(
    id="nat-invalid-dropped", judge=judge, causes=("nat.invalid_dropped",), needs=(Conntrack, PodFacts, Services)
)
