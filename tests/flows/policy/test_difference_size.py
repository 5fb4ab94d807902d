"""What a difference takes in a cluster of 200 policies and 1,000 pods, counted and not timed."""

from __future__ import annotations

from collections import Counter

import pytest

from bench import policy as size
from flows.policy import CALICO_IPTABLES, CILIUM, Diff, PolicyWorld, difference, difference_of
from flows.policy import inventory as pods
from flows.policy.peer_table import PeerTable
from tests.flows.policy.builders import cnp, pod, space

KINDS = {  # of each kind of change: the most outcomes worked out, rulebooks opened, rules asked
    "one app": (20, 40, 250),
    "whole namespace": (40, 600, 1_600),
    "clusterwide, all open": (60, 1_000, 1_600),
    "clusterwide, one workload": (40, 1_000, 1_600),
    "clusterwide, one address denied": (40, 1_000, 1_600),
    "clusterwide, all isolated": (40, 2_000, 3_000),
    "clusterwide, nothing new": (40, 1_000, 1_600),
    "a namespace's labels": (40, 800, 5_000),
}


def test_every_kind_of_change_that_is_measured_is_counted_too() -> None:
    assert size.changes().keys() == KINDS.keys()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> PolicyWorld:
    monkeypatch.setattr(size, "NAMESPACES", 10)
    monkeypatch.setattr(size, "POLICIES", 200)
    return PolicyWorld.of(size.cluster(), CILIUM)


def count(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counted: Counter[str] = Counter()

    def counting(owner: object, name: str, what: str) -> None:
        right = getattr(owner, name)

        def called(*args: object, **named: object) -> object:
            counted[what] += 1
            return right(*args, **named)

        monkeypatch.setattr(owner, name, called)

    counting(difference, "side", "outcomes")
    counting(PolicyWorld, "selecting", "rulebooks")
    counting(PeerTable, "fits", "rules")
    return counted


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_takes_few_looks(kind: str, world: PolicyWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    after = world.with_objects([size.changes()[kind]])
    counted = count(monkeypatch)

    difference_of(world, after)

    most = dict(zip(("outcomes", "rulebooks", "rules"), KINDS[kind], strict=True))
    assert counted["outcomes"] > 0
    assert {what: times for what, times in counted.items() if times > most[what]} == {}


def test_the_labels_of_a_namespace_read_its_own_pods_again_and_no_others(
    world: PolicyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.inventory  # noqa: B018
    after, fresh = world.with_objects([size.namespace(3, team=5)]), size.cluster()
    read: list[str] = []
    right = pods.endpoint_of_pod
    monkeypatch.setattr(pods, "endpoint_of_pod", lambda item, labels: read.append(item) or right(item, labels))

    found = after.inventory

    assert {each["metadata"]["namespace"] for each in read} == {"ns3"}
    assert len(read) == 100
    fresh[3] = size.namespace(3, team=5)
    assert found == PolicyWorld.of(fresh, CILIUM).inventory


def test_pods_are_read_again_where_their_nodes_have_another_address() -> None:
    """A pod of the host network has the tunnel address of its node."""
    one = pod("x/a", "192.168.0.1", host=True)
    before = PolicyWorld.of([space("x"), one, node("10.0.0.0/24")], CALICO_IPTABLES)
    assert before.inventory.pods["x", "a"].tunnel_ip == "10.0.0.0"

    after = before.with_objects([node("10.0.7.0/24")])

    assert after.inventory.pods["x", "a"].tunnel_ip == "10.0.7.0"
    assert after.inventory == PolicyWorld.of([space("x"), one, node("10.0.7.0/24")], CALICO_IPTABLES).inventory


def node(pod_cidr: str) -> dict[str, object]:
    notes = {"flannel.alpha.coreos.com/backend-type": "vxlan"}
    status = {"addresses": [{"type": "InternalIP", "address": "192.168.0.1"}]}
    meta = {"name": "node1", "annotations": notes}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {"podCIDR": pod_cidr}, "status": status}


def everything_opens() -> Diff:
    """Three workloads of one look, and none of them isolated after."""
    objects = [space("x"), *(pod(f"x/p{n}", f"10.0.0.{n}", app="a") for n in range(1, 4)), cnp("x/c", {}, ingress=[])]
    before = PolicyWorld.of([*objects, cnp("x/d", {}, ingress=[{"fromEntities": ["none"]}])], CILIUM)
    return difference_of(before, before.with_objects([cnp("x/d", {}, ingress=[{"fromEntities": ["cluster"]}])]))


def test_a_change_within_the_limits_is_told_whole() -> None:
    diff = everything_opens()

    assert diff.complete
    assert len({(each.source, each.destination) for each in diff.opened}) > 6


@pytest.mark.parametrize("limit", ["MAX_GROUP_PAIRS", "MAX_LOOKS", "MAX_PARTY_PAIRS"])
def test_a_change_beyond_a_limit_is_told_in_part_and_said_to_be(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = everything_opens()
    monkeypatch.setattr(difference, limit, 2)

    diff = everything_opens()

    assert not diff.complete
    assert set(diff.opened) < set(whole.opened)
