"""Workloads that should have pods and have none: scaled to nothing, or refused by whoever admits pods.

Pure. Source of the words: the ReplicaSet and StatefulSet controllers' event `FailedCreate`, and the Deployment's
condition `ReplicaFailure`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sensors.kit.cluster import Object
from sensors.kit.events import EventFact
from sensors.kit.kinds import DAEMON_SET, DEPLOYMENT, REPLICA_SET, STATEFUL_SET
from sensors.kit.objects import (
    Ref,
    condition_of,
    controller_of,
    labels_of,
    mapping,
    name_of,
    namespace_of,
    number,
    one_line,
    selects,
)
from sensors.kit.reading import Kinds

WORKLOAD_KINDS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET)


@dataclass(frozen=True, slots=True)
class IdleWorkload:
    """A workload whose pods a selector would pick, and that has none.

    `wanted` replicas (None for a DaemonSet); `refusal` is the controller's own complaint, empty where it has none.
    """

    workload: Ref
    wanted: int | None
    refusal: str = ""

    def __str__(self) -> str:
        if self.refusal:
            return f"{self.workload} cannot make its pods ({self.refusal})"
        return f"{self.workload} has 0 replicas" if self.wanted == 0 else f"{self.workload} has no pod yet"


def idle_workloads(
    selector: Mapping[str, str], namespace: str, kinds: Kinds, events: Mapping[Ref, tuple[EventFact, ...]]
) -> tuple[IdleWorkload, ...]:
    """The workloads of a namespace whose template a selector picks; asked where it picks no pod that is there."""
    found = {}
    for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET):
        for each in kinds.of(kind):
            template = labels_of(mapping(each, "spec", "template"))
            owned = kind is REPLICA_SET and controller_of(each) is not None
            if namespace_of(each) == namespace and selector and selects(selector, template) and not owned:
                ref = Ref(kind.name, namespace, name_of(each))
                wanted = None if kind is DAEMON_SET else _replicas(each)
                found[ref] = IdleWorkload(ref, wanted, _refusal(each, ref, kinds.of(REPLICA_SET), events))
    return tuple(found.values())


def _replicas(workload: Object) -> int:
    said = number(workload, "spec", "replicas")
    return 1 if said is None else said


def _refusal(workload: Object, ref: Ref, sets: Iterable[Object], events: Mapping[Ref, tuple[EventFact, ...]]) -> str:
    """Reason for refused pods: condition of the Deployment, else the newest FailedCreate of it or its ReplicaSets."""
    failure = condition_of(workload, "ReplicaFailure")
    if failure is not None and failure.status == "True":
        return one_line(failure.message or failure.reason)
    makers = [ref, *(Ref("ReplicaSet", ref.namespace, name_of(each)) for each in sets if controller_of(each) == ref)]
    said = (each for maker in makers for each in events.get(maker, ()) if each.reason == "FailedCreate")
    return next((each.message for each in said), "")
