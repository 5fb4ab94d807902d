"""Finds pods that wait for their network: on a node, without an address, and nothing else is what they wait for.

Pure. Messages of FailedCreatePodSandBox are the network plug-in's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sensors.kit.cluster import Object
from sensors.kit.events import EventFact
from sensors.kit.objects import Ref, condition_of, flag, items, text
from sensors.topology.peer import pod_addresses, ref_of_pod

EXHAUSTED = re.compile(
    r"range is full|no more ips available|no ip addresses available|no available ip|failed to assign an ip"
    r"|no more free affine blocks|insufficient ?free ?(?:ip|addresses)|out of ip addresses|ip pool exhausted"
    r"|all ips? .* in use|no available addresses|noavailableaddress|no ips available|could not allocate ip in range"
    r"|no more ip|failed to allocate (?:an )?(?:ip )?address|address space exhausted",
    re.IGNORECASE,
)
"""How Cilium, host-local, Calico, AWS, Azure, Kube-OVN, whereabouts and Antrea say that addresses are used up."""

SANDBOX_REASONS = ("FailedCreatePodSandBox", "NetworkNotReady", "FailedSync")
OTHER_REASONS = ("FailedMount", "FailedAttachVolume", "Failed", "BackOff", "ErrImagePull")


@dataclass(frozen=True, slots=True)
class StuckPod:
    """A pod that waits for its network: scheduled, no address, nothing started. `message` from its newest event."""

    pod: Ref
    node: str
    waiting_s: float | None
    reason: str
    message: str


def stuck_pods(pods: Iterable[Object], events: Iterable[EventFact], now: datetime) -> tuple[StuckPod, ...]:
    """The pods that wait for their network at `now`; `events` folded, warnings first."""
    pending = [each for each in pods if text(each, "status", "phase") == "Pending"]
    told = {ref_of_pod(each): _complaint(each, events) for each in pending}
    return tuple(
        _stuck(each, told[ref_of_pod(each)], now)
        for each in pending
        if _waits_for_network(each, told[ref_of_pod(each)])
    )


def says_exhausted(message: str) -> bool:
    """Checks whether a message says that there is no address left."""
    return EXHAUSTED.search(message) is not None


def _waits_for_network(pod: Object, told: EventFact | None) -> bool:
    """Scheduled, without address and sandbox, and nothing else (an image, a volume) is what it waits for."""
    if not text(pod, "spec", "nodeName") or pod_addresses(pod):
        return False
    sandbox = condition_of(pod, "PodReadyToStartContainers")
    refused = told is not None and told.reason in SANDBOX_REASONS
    no_sandbox = refused or sandbox is None or sandbox.status != "True"
    return (
        no_sandbox
        and flag(pod, "spec", "hostNetwork") is not True
        and (told is None or told.reason not in OTHER_REASONS)
    )


def _complaint(pod: Object, events: Iterable[EventFact]) -> EventFact | None:
    """The newest warning about a pod, those about its sandbox first."""
    ref = ref_of_pod(pod)
    warnings = [each for each in events if each.about == ref and each.type == "Warning"]
    return min(warnings, key=lambda each: each.reason not in SANDBOX_REASONS, default=None)


def _stuck(pod: Object, told: EventFact | None, now: datetime) -> StuckPod:
    scheduled = condition_of(pod, "PodScheduled")
    statuses = (*items(pod, "status", "initContainerStatuses"), *items(pod, "status", "containerStatuses"))
    waiting = next(filter(None, (text(each, "state", "waiting", "reason") for each in statuses)), "")
    since = scheduled.since if scheduled else None
    return StuckPod(
        pod=ref_of_pod(pod),
        node=text(pod, "spec", "nodeName"),
        waiting_s=(now - since).total_seconds() if since else None,
        reason=told.reason if told else waiting,
        message=told.message if told else "",
    )
