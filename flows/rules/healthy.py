"""Everything that was measured passes: the symptom is not visible now.

Said only where the pod was really seen talking (or its asked peer opening), names resolve, nothing of its traffic was
dropped, refused or left unanswered, and its log's last word is no error. Never said out of blindness: without flows,
doors or look-ups this rule cannot tell. Where nobody read the pod's log, what it complains of is not known: then that
an asked peer opens is all that can be said, and is said so.
"""

from __future__ import annotations

from flows.belief import EVIDENT, PARTIAL
from flows.model import Case, Finding, Rule
from flows.symptoms.dns import asks_elsewhere, wants_cluster_name
from flows.symptoms.peers import asked_peer, peers
from sensors.dns_coredns_health import CoreDns
from sensors.dns_lookup import Lookups
from sensors.dns_lookup import Outcome as Resolved
from sensors.hubble.connections import Outcome
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_nodes import Nodes
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from sensors.kit.app_log import read_line
from sensors.net_connect import Connects

ENOUGH_SHARE = 0.5
"""Of the flows that could have been seen: with fewer, silence says nothing."""


def judge(case: Case) -> Finding | None:
    pod, flows, lookups, connects = case[PodFacts], case[HubbleFlows], case[Lookups], case[Connects]
    troubles = [*_pod(pod), *_dns(case, lookups), *_traffic(case, flows), *_doors(case, connects), *_nodes(case)]
    peer = asked_peer(case)
    if troubles or not _talks(case) or (pod.log_unread and peer is None):
        return None
    what = f"{pod.namespace}/{pod.pod} reaches {peer}" if peer else f"{pod.namespace}/{pod.pod} reaches its peers"
    heard = "its log ends without error" if not pod.log_unread else "its log was not read"
    return Finding(
        cause_class="none.healthy",
        cause=f"nothing is wrong now: {what}, and all that was measured passes",
        component=None,
        belief=PARTIAL if pod.log_unread else EVIDENT,
        because=f"connections open, none of the pod's traffic was dropped, names resolve, {heard}",
        shown_by=(HubbleFlows, Connects, Lookups, Services, Policies, PodFacts),
        recommendation=LISTEN if pod.log_unread else CALM,
    )


CALM = "Nothing to change. If the fault comes and goes, run again while it is visible."
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


def _traffic(case: Case, flows: HubbleFlows) -> list[str]:
    """Drops before the newest opening are over: a new pod's first packets often die before its identity is known."""
    if flows.coverage < ENOUGH_SHARE:
        return ["too few hubble flows to go by"]
    return [f"{each} fails" for each in case.once(peers) if each.fails]


def _doors(case: Case, connects: Connects) -> list[str]:
    return [f"{each.where} does not open" for each in connects.asked if not each.is_open]


def _nodes(case: Case) -> list[str]:
    nodes = case.get(Nodes)
    mine = {nodes.target_node, *nodes.peer_nodes} if nodes else set()
    return [f"{each.name} is not ready" for each in (nodes.not_ready if nodes else ()) if each.name in mine]


def _talks(case: Case) -> bool:
    peer = asked_peer(case)
    if peer is not None:
        return peer.fails is False
    return any(each.fails is False for each in case.once(peers)) or _answers(case)


def _answers(case: Case) -> bool:
    """A server that nobody asked about: clients reach it, and not one of them fails to."""
    target, flows = (case.target.namespace, case.target.pod), case[HubbleFlows]
    served = [each for each in flows.connections if (each.destination.namespace, each.destination.pod) == target]
    failing = (Outcome.DROPPED, Outcome.DENIED, Outcome.REFUSED, Outcome.UNANSWERED, Outcome.MIXED)
    return any(each.outcome is Outcome.OPENED for each in served) and not any(
        each.outcome in failing for each in served
    )


RULE = Rule(
    id="healthy",
    judge=judge,
    causes=("none.healthy",),
    needs=(PodFacts, HubbleFlows, Lookups, Connects, Services, Policies),
)
