"""More memory for what was killed for lack of it: enough, never less, and with a way back."""

from __future__ import annotations

import pytest

from flows.fixes.jsonpatch import apply
from flows.fixes.memory import raise_memory
from flows.model import Component, RaiseMemory
from flows.symptoms.memory import sensible_limit
from sensors.kit.quantities import bytes_of

COREDNS = Component("Deployment", "kube-system", "coredns")


def deployment(limit: str, request: str) -> dict[str, object]:
    resources = {"limits": {"memory": limit}, "requests": {"cpu": "100m", "memory": request}}
    return {"spec": {"template": {"spec": {"containers": [{"name": "coredns", "resources": resources}]}}}}


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        ("20Mi", "170Mi"),
        ("85Mi", "170Mi"),
        ("170Mi", "340Mi"),
        ("600Mi", "1Gi"),
        ("1000Mi", "1Gi"),
        ("1Gi", None),
        ("8Gi", None),
        (None, "170Mi"),
        ("rubbish", "170Mi"),
    ],
)
def test_the_limit_is_what_coredns_ships_with_or_twice_what_was_not_enough_up_to_what_is_no_cure(
    current: str | None, wanted: str | None
) -> None:
    assert sensible_limit(current) == wanted


@pytest.mark.parametrize(
    ("written", "size"),
    [("128Mi", 128 * 2**20), ("1.5Gi", 1610612736), ("1000", 1000), ("5M", 5_000_000), ("", None), ("-1Mi", None)],
)
def test_quantities_are_read_as_kubernetes_writes_them(written: str, size: int | None) -> None:
    assert bytes_of(written) == size


@pytest.mark.parametrize(("request_", "after"), [("20Mi", "170Mi"), ("10Mi", "10Mi")])
def test_a_request_that_equals_the_limit_rises_with_it(request_: str, after: str) -> None:
    (fix,) = raise_memory(RaiseMemory(COREDNS, "coredns", 0, "20Mi", request_, "64Mi"))
    before = deployment("20Mi", request_)

    changed = apply(before, fix.patch)

    assert changed == deployment("170Mi", after)
    assert apply(changed, fix.inverse) == before
    assert fix.disruptive
    what = "limit and request" if after == "170Mi" else "limit"
    assert fix.title == f"Raise the memory {what} of coredns from 20Mi to 170Mi"


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("RollingUpdate", "the pods are replaced one after the other"),
        ("Recreate", "all pods are stopped before new ones start: none of them answers meanwhile"),
        ("OnDelete", "the pods keep the old limit until someone deletes them, one after the other"),
        ("", "the pods are replaced; in which order was not read"),
    ],
)
def test_how_the_pods_are_replaced_is_what_the_workload_says(strategy: str, said: str) -> None:
    (fix,) = raise_memory(RaiseMemory(COREDNS, "coredns", 0, "20Mi", None, "64Mi", strategy))

    assert fix.notes == (said,)


def test_the_wanted_limit_counts_when_it_is_more() -> None:
    (fix,) = raise_memory(RaiseMemory(COREDNS, "coredns", 0, "20Mi", None, "256Mi"))

    assert fix.patch[-1] == {
        "op": "replace",
        "path": "/spec/template/spec/containers/0/resources/limits/memory",
        "value": "256Mi",
    }


def test_without_a_limit_there_is_nothing_to_raise() -> None:
    assert raise_memory(RaiseMemory(COREDNS, "coredns", 0, None, None, "170Mi")) == ()


def test_no_limit_rises_above_what_any_cluster_needs() -> None:
    (fix,) = raise_memory(RaiseMemory(COREDNS, "coredns", 0, "900Mi", None, "16Gi"))

    assert fix.patch[-1]["value"] == "1Gi"
    assert raise_memory(RaiseMemory(COREDNS, "coredns", 0, "1Gi", None, "2Gi")) == ()
