"""By which words a policy should name a pod: labels that stay the same when the pod is replaced.

Hashes, ordinals and versions name one replica or one release; a rule with them works until the next rollout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from flows.policy import Endpoint, PolicyWorld

PASSING = frozenset(
    {
        "pod-template-hash",
        "pod-template-generation",
        "controller-revision-hash",
        "controller-uid",
        "job-name",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-name",
        "batch.kubernetes.io/job-completion-index",
        "helm.sh/chart",
        "heritage",
        "chart",
        "version",
        "app.kubernetes.io/version",
        "app.kubernetes.io/managed-by",
    }
)
"""Labels that controllers, charts and releases write and change."""

NAMING = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app",
    "k8s-app",
    "name",
)
"""Labels that say what a pod is, as people and charts use them."""

_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def stable_labels(endpoint: Endpoint, world: PolicyWorld) -> dict[str, str]:
    """The labels that last, without any that are not labels at all (text from a cluster is not trusted)."""
    return {
        key: value
        for key, value in sorted(endpoint.labels.items())
        if key not in PASSING and not world.profile.hides(key) and _KEY.fullmatch(key) and _VALUE.fullmatch(value)
    }


def selector_of(endpoint: Endpoint, world: PolicyWorld, preferred: Iterable[Mapping[str, str]] = ()) -> dict[str, str]:
    """The smallest lasting selector that takes this workload and no other of its namespace. Empty = there is none.

    Tried in order: the `preferred` ones (of a Service, of the policy in the way), the labels that name a pod, all
    lasting labels.
    """
    lasting = stable_labels(endpoint, world)
    services = (each.selector or {} for each in world.catalog.services.values() if each.namespace == endpoint.namespace)
    naming = {key: lasting[key] for key in NAMING if key in lasting}
    for each in (*preferred, *services, naming, lasting):
        if each and each.items() <= lasting.items() and is_alone(each, endpoint, world):
            return dict(each)
    return lasting


def is_alone(selector: Mapping[str, str], endpoint: Endpoint, world: PolicyWorld) -> bool:
    """Checks whether a selector takes no other workload of the namespace."""
    pods = (each for each in world.inventory.pods.values() if each.namespace == endpoint.namespace)
    taken = {each.workload for each in pods if selector.items() <= each.labels.items()}
    return taken <= {endpoint.workload}
