"""Owner of the target, for a change of it: its workload, or the pod itself where it has none.

No rule of its own: what the rules about callers have in common.
"""

from __future__ import annotations

from flows.model import Case, Component
from sensors.k8s_pod import PodFacts


def owner(case: Case) -> Component:
    """The Deployment, StatefulSet, Job, … that a person would edit; the pod where nothing owns it or nobody knows."""
    pod = case.get(PodFacts)
    if pod is None or pod.workload is None:
        return Component("Pod", case.target.namespace, case.target.pod)
    return Component(pod.workload.kind, pod.workload.namespace, pod.workload.name)
