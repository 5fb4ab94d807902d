"""Whose an address can be: a pod's alone, or also a server's in a pool that is wider than the cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.model import Case
from flows.symptoms.ranges import is_pods_alone, may_be_a_pods, node_of_range
from sensors.k8s_nodes import Nodes
from tests.kit.cases import case_of, with_facts, without

NODES = ("10.244.0.9", "10.244.1.9")


def described(*cidrs: str, nodes: bool = True) -> Case:
    """The recorded cluster (10.244.0.0/24 and 10.244.1.0/24 on its nodes) with other ranges in its description."""
    case = case_of("fx-to-rates")
    case = case if nodes else without(case, Nodes)
    return replace(case, environment=replace(case.environment, pod_cidrs=cidrs), derived={})


@pytest.mark.parametrize("ip", NODES)
def test_a_nodes_own_range_belongs_to_pods_alone(ip: str) -> None:
    assert node_of_range(described(), ip) is not None
    assert is_pods_alone(described("10.244.0.0/16"), ip)


def test_a_host_inside_a_wide_pool_may_be_a_server() -> None:
    wide = described("10.244.0.0/16")

    assert (is_pods_alone(wide, "10.244.77.9"), may_be_a_pods(wide, "10.244.77.9")) == (False, True)


def test_without_nodes_a_described_range_of_a_nodes_size_counts_and_a_wide_pool_does_not() -> None:
    assert is_pods_alone(described("10.244.5.0/24", nodes=False), "10.244.5.9")
    assert not is_pods_alone(described("10.244.0.0/16", nodes=False), "10.244.5.9")


@pytest.mark.parametrize("ip", ["203.0.113.10", "fd00::1", "no address"])
def test_what_lies_in_no_range_is_no_pods(ip: str) -> None:
    assert not may_be_a_pods(described("10.244.0.0/16", "nonsense"), ip)


def test_nodes_without_ranges_leave_it_to_the_description() -> None:
    case = described("10.244.5.0/24")
    nodes = tuple(replace(each, pod_cidrs=()) for each in case[Nodes].nodes)

    assert is_pods_alone(with_facts(case, replace(case[Nodes], nodes=nodes)), "10.244.5.9")


def test_a_pool_that_the_cluster_itself_names_counts_like_a_described_one() -> None:
    case = described(nodes=True)
    pooled = with_facts(case, replace(case[Nodes], pools=("192.168.0.0/16",)))

    assert not may_be_a_pods(case, "192.168.7.9")
    assert (is_pods_alone(pooled, "192.168.7.9"), may_be_a_pods(pooled, "192.168.7.9")) == (False, True)
