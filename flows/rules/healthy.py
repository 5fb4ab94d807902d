"""Everything that was measured passes: the symptom is not visible now.

Said only where the pod was really seen talking (or its asked peer opening), names resolve, nothing of its traffic was
dropped, refused or left unanswered, and its log's last word is no error. Never said out of blindness: without attempts
or look-ups, or without flows where the network has any, this rule cannot tell. Never said against the policies as read,
unless the peer opens now and on the wire. Where nobody read the pod's log, or it is empty, what it complains of is not
known: then that an asked peer opens is all that can be said, and is said so. Faults towards another peer than the asked
one are told beside it.
"""

from __future__ import annotations

from dataclasses import replace

from flows.belief import EVIDENT, PARTIAL
from flows.denials.judged import past_drops
from flows.denials.policy_world import enforces, only_audits, world_of
from flows.denials.requested import asked_peers
from flows.model import Case, Finding, Rule
from flows.symptoms.dns import asks_elsewhere, wants_cluster_name
from flows.symptoms.network import can_exist
from flows.symptoms.peers import Peer, asked_peer, peers
from flows.symptoms.slowness import is_late
from sensors.dns_coredns_health import CoreDns
from sensors.dns_lookup import LookupOutcome as Resolved
from sensors.dns_lookup import Lookups
from sensors.hubble.outcomes import ConnectionOutcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_nodes import Nodes
from sensors.k8s_pod import PodFacts
from sensors.k8s_recent_changes import RecentChanges
from sensors.k8s_services import Services
from sensors.kit.app_log import CALM_LEVEL as CALM_LINE
from sensors.kit.app_log import TIME, read_line
from sensors.net_connect import Connects

ENOUGH_SHARE = 0.5
"""Of the flows that could have been seen: with fewer, silence says nothing."""


def judge(case: Case) -> Finding | None:
    pod, lookups, connects = case[PodFacts], case[Lookups], case[Connects]
    flows = case.get(HubbleFlows)
    troubles = [
        *_pod(pod),
        *_dns(case, lookups),
        *_traffic(case, flows),
        *_open_attempts(case, connects),
        *_nodes(case),
    ]
    peer, heard = asked_peer(case), _heard(pod)
    heard = CLEAN if peer is None and pod.log_last and _answers(case) else heard  # its clients tell how it goes
    if troubles or not _talks(case) or (heard != CLEAN and peer is None) or _is_denied(case, peer, connects):
        return None
    what = f"{pod.namespace}/{pod.pod} reaches {peer}" if peer else f"{pod.namespace}/{pod.pod} reaches its peers"
    sure = heard == CLEAN and (peer is None or _is_fresh(case, peer, connects))
    other = next(
        (each for each in case.once(peers) if peer is not None and not each.asked and _fails(case, each)), None
    )
    all_ = f"; another fault of this pod: {other} fails" if other else ", and all that was measured passes"
    clean = "" if other or flows is None else _dropped(case)
    return Finding(
        cause_class="none.healthy",
        cause=f"nothing is wrong now: {what}{all_}",
        component=None,
        belief=EVIDENT if sure else PARTIAL,
        because=f"connections open, {clean}names resolve, {heard}",
        shown_by=(HubbleFlows, Connects, Lookups, Services, Policies, PodFacts),
        recommendation=_advice(other, sure),
    )


def _flows_where_they_exist(case: Case) -> tuple[type, ...]:
    return (HubbleFlows,) if can_exist(case, "hubble.capture_flows") else ()


def _fails(case: Case, peer: Peer) -> bool | None:
    """Checks whether it fails now: drops that are over are no word on today."""
    over = case.once(past_drops)
    return replace(peer, connections=tuple(each for each in peer.connections if each not in over)).fails


def _dropped(case: Case) -> str:
    last = max((each.last_drop for each in case.once(past_drops) if each.last_drop), default=None)
    ended = f"the last drop was at {last:%H:%M:%S} UTC and the same connection opens now, " if last else ""
    return ended or "none of the pod's traffic was dropped, "


def _advice(other: Peer | None, sure: bool) -> str:
    if other is not None:
        return f"Ask about the other peer: --to {other.host}:{other.port}."
    return NO_CHANGE_ADVICE if sure else LISTEN


CLEAN = "its log ends without error"


def _heard(pod: PodFacts) -> str:
    """Clause about the log: nothing at all is no clean log."""
    if pod.log_unread:
        return "its log was not read"
    if not pod.log_last:
        return "its log is empty"
    tells = any(TIME.search(line) or CALM_LINE.search(line) for _, line in pod.log_last)
    return CLEAN if tells else "its log ends with nothing that tells how it went"


def _is_fresh(case: Case, peer: Peer, connects: Connects) -> bool:
    """Shown to open now, or on the wire after the newest change of any policy."""
    if any(each.is_open for each in connects.asked):
        return True
    changes = case.get(RecentChanges)
    opened = max((each.last_opened for each in peer.connections if each.last_opened), default=None)
    changed = [each.at for each in (changes.changes if changes else ()) if "Policy" in each.about.kind]
    return changes is not None and opened is not None and all(opened > each for each in changed)


def _is_denied(case: Case, peer: Peer | None, connects: Connects) -> bool:
    """The policies as read deny the asked peer, and it was not both tried now and seen to open on the wire."""
    if peer is None or not enforces(case) or only_audits(case):
        return False
    world = case.once(world_of)
    denied = any(world.judge(each).allowed is False for each in case.once(asked_peers).values())
    measured = bool(connects.asked) and all(each.is_open for each in connects.asked) and _is_fresh(case, peer, connects)
    return denied and not (measured and any(each.outcome is ConnectionOutcome.OPENED for each in peer.connections))


NO_CHANGE_ADVICE = "Nothing to change. If the fault comes and goes, run again while it is visible."
LISTEN = "Read the pod's own log before you rest: a peer that is reached and answers with errors shows nowhere else."


def _pod(pod: PodFacts) -> list[str]:
    last = [text for container, text in pod.log_last if read_line(container, text)]
    return [*last, *([] if pod.ready else ["the pod is not ready"])]


def _dns(case: Case, lookups: Lookups) -> list[str]:
    """A name of the cluster that only KAI asked for, of a server that knows none, is no trouble of this pod's."""
    dns = case.get(CoreDns)
    own_way = dns is not None and asks_elsewhere(case, dns) and not wants_cluster_name(case)
    fine = (own_way or lookups.cluster_dns_works is not False) and lookups.asked_outcome in (None, Resolved.ANSWERED)
    return [] if fine else ["a name does not resolve"]


def _traffic(case: Case, flows: HubbleFlows | None) -> list[str]:
    """Drops before the newest opening are over: a new pod's first packets often die before its identity is known.

    Where no flows can exist, only a named peer that was tried from inside the pod tells.
    """
    if flows is None and not case[Connects].asked:
        return ["nothing shows the pod talking"]
    if flows is not None and flows.coverage < ENOUGH_SHARE:
        return ["too few hubble flows to go by"]
    asked = asked_peer(case)
    return [f"{each} fails" for each in case.once(peers) if _fails(case, each) and (asked is None or each.asked)]


def _open_attempts(case: Case, connects: Connects) -> list[str]:
    """A peer that opens to a repeated SYN only is no peer that is well."""
    shut = [f"{each.where} does not open" for each in connects.asked if not each.is_open]
    return shut + [f"{each.where} opens late" for each in connects.asked if each.is_open and is_late(each)]


def _nodes(case: Case) -> list[str]:
    nodes = case.get(Nodes)
    mine = {nodes.target_node, *nodes.peer_nodes} if nodes else set()
    return [f"{each.name} is not ready" for each in (nodes.not_ready if nodes else ()) if each.name in mine]


def _talks(case: Case) -> bool:
    peer = asked_peer(case)
    if peer is not None:
        return _fails(case, peer) is False
    return any(_fails(case, each) is False for each in case.once(peers)) or _answers(case)


def _answers(case: Case) -> bool:
    """A server that nobody asked about: clients reach it, and not one of them fails to."""
    target, flows = (case.target.namespace, case.target.pod), case.get(HubbleFlows)
    connections = flows.connections if flows else ()
    served = [each for each in connections if (each.destination.namespace, each.destination.pod) == target]
    failing = (
        ConnectionOutcome.DROPPED,
        ConnectionOutcome.DENIED,
        ConnectionOutcome.REFUSED,
        ConnectionOutcome.UNANSWERED,
        ConnectionOutcome.MIXED,
    )
    return any(each.outcome is ConnectionOutcome.OPENED for each in served) and not any(
        each.outcome in failing for each in served
    )


RULE = Rule(
    id="healthy",
    judge=judge,
    causes=("none.healthy",),
    needs=(PodFacts, Lookups, Connects, Services, Policies),
    also_needs=_flows_where_they_exist,
)
