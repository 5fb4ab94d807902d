"""The ends of a hubble flow: a pod that is gone is known by what its identity said."""

from __future__ import annotations

import pytest

from flows.denials.endpoints import endpoint_of
from flows.denials.findings import who
from flows.policy import CILIUM, PolicyWorld
from sensors.hubble.outcomes import Party


@pytest.mark.parametrize(
    ("told", "workload"),
    [
        ("Deployment/coredns", "Deployment coredns"),
        ("DaemonSet/agent", "DaemonSet agent"),
        ("coredns", "Deployment coredns"),
    ],
)
def test_a_pod_that_is_gone_keeps_the_workload_that_hubble_named(told: str, workload: str) -> None:
    end = endpoint_of(Party("10.0.0.9", "kube-system", "gone-1", told), PolicyWorld.of([], CILIUM))

    assert end.workload == workload
    assert who(end) == f"kube-system/{workload.partition(' ')[2]}"


def test_without_a_workload_it_is_the_pod_itself() -> None:
    assert (
        who(endpoint_of(Party("10.0.0.9", "kube-system", "gone-1"), PolicyWorld.of([], CILIUM))) == "kube-system/gone-1"
    )
