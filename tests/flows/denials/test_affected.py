"""Who else a policy cuts off, from the drops of other pods that Hubble showed in the same look."""

from __future__ import annotations

from dataclasses import replace

from flows.denials.affected import also_affected
from flows.model import AlsoAffected, Case, Component
from sensors.hubble.outcomes import Connection, Party
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from tests.kit.cases import case_of, with_facts, without


def _case(*others: Connection) -> Case:
    case = case_of("orders-to-ledger")
    return with_facts(case, replace(case[HubbleFlows], others=others))


def _of(pod: str, workload: str, **changed: object) -> Connection:
    """The recorded denied connection, from another pod."""
    dropped = case_of("orders-to-ledger")[HubbleFlows].dropped[0]
    source = replace(dropped.source, ip="10.244.9.9", namespace="shop", pod=pod, workload=f"Deployment/{workload}")
    return replace(dropped, source=source, **changed)  # type: ignore[arg-type]


def _policy() -> Component:
    return next(
        each
        for each in (
            Component(ref.kind, ref.namespace, ref.name) for ref in case_of("orders-to-ledger")[Policies].policies
        )
        if each.name == "baseline"
    )


def test_pods_and_workloads_that_the_same_policy_drops_are_counted() -> None:
    case = _case(_of("cart-1", "cart"), _of("cart-2", "cart"), _of("web-1", "web"))
    each = case[HubbleFlows].dropped[0].packets_dropped

    found = also_affected(case, _policy())

    assert found == AlsoAffected(("shop/cart-1", "shop/cart-2", "shop/web-1"), ("shop/cart", "shop/web"), 3 * each)
    assert str(found) == f"3 pods of 2 workloads by the same policy ({3 * each:,} packets dropped)"


def test_drops_of_another_policy_are_somebody_else_s() -> None:
    assert also_affected(_case(_of("cart-1", "cart")), replace(_policy(), name="another")) == AlsoAffected()


def test_what_passes_again_is_not_affected() -> None:
    assert also_affected(_case(_of("cart-1", "cart", opened=1, passes_again=True)), _policy()) == AlsoAffected()


def test_what_only_kai_s_own_probe_tried_is_not_affected() -> None:
    tried = _of("cart-1", "cart")

    assert also_affected(_case(replace(tried, probed=tried.attempts)), _policy()) == AlsoAffected()


def test_a_sender_outside_the_cluster_is_no_pod() -> None:
    outside = replace(_of("cart-1", "cart"), source=Party("203.0.113.9", entities=("world",)))

    assert also_affected(_case(outside), _policy()) == AlsoAffected()


def test_nobody_says_none_where_it_was_not_measured() -> None:
    case = _case()

    assert also_affected(case, _policy()) == AlsoAffected()
    assert also_affected(without(case, HubbleFlows), _policy()) is None
    assert also_affected(without(case, Policies), _policy()) is None
    assert also_affected(with_facts(case, replace(case[HubbleFlows], others=None)), _policy()) is None
    assert also_affected(case, None) is None
