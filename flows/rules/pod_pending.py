"""The pod has not started: no node fits it, or its image, a volume or a setting is missing. No network fault.

Proof: the scheduler's own words for a pod without a node, or the kubelet's reason for a container that waits. Not to be
mistaken for a pod that waits for its network (ContainerCreating with nothing else to wait for), or one that crashes.
"""

from __future__ import annotations

from flows.belief import EVIDENT, PROVED
from flows.model import Case, Finding, Rule
from flows.symptoms.owner import owner
from sensors.k8s_pod import ContainerFacts, PodFacts

IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError"})
VOLUME = frozenset({"FailedMount", "FailedAttachVolume"})


def judge(case: Case) -> Finding | None:
    """Speaks when the pod cannot talk because it does not run, for a reason that is not its network."""
    pod = case[PodFacts]
    if pod.phase != "Pending":
        return None
    if not pod.node:
        said = pod.scheduling or "no node was chosen yet"
        return _finding(case, f"no node takes it ({said})", _room(case), PROVED if pod.scheduling else EVIDENT)
    return _waits(case, pod)


def _room(case: Case) -> str:
    return f"Make room for it, or correct the node selector, tolerations, affinity or requests of {owner(case)}."


def _waits(case: Case, pod: PodFacts) -> Finding | None:
    waiting = next((each for each in pod.containers if each.waiting_reason in IMAGE | CONFIG), None)
    if waiting is not None:
        image = waiting.waiting_reason in IMAGE
        what = f"the image {waiting.image} cannot be had" if image else "a setting is missing"
        mend = f"Correct the image of container {waiting.name}" if image else f"Correct container {waiting.name}"
        return _finding(case, f"{what} ({_told(waiting)})", f"{mend} in {owner(case)}.", PROVED)
    volume = next((each for each in pod.events if each.reason in VOLUME), None)
    if volume is None or pod.ips:
        return None
    return _finding(
        case, f"a volume is missing ({volume})", f"Mend the volume, or take it out of {owner(case)}.", PROVED
    )


def _told(container: ContainerFacts) -> str:
    message = f": {container.waiting_message}" if container.waiting_message else ""
    return f"{container.name} {container.waiting_reason}{message}"


def _finding(case: Case, why: str, advice: str, belief: float) -> Finding:
    return Finding(
        cause_class="app.pending",
        cause=f"{case.target} has not started, so it cannot talk: {why}",
        component=owner(case),
        belief=belief,
        because=f"the pod is Pending: {why}",
        shown_by=(PodFacts,),
        recommendation=advice,
    )


RULE = Rule(id="pod-pending", judge=judge, causes=("app.pending",), needs=(PodFacts,))
