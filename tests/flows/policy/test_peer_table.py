"""A rule's peers fit exactly the rows of a table whom they fit when each is asked alone."""

from __future__ import annotations

import pytest

from flows.policy import CALICO_IPTABLES, CILIUM, Direction, Endpoint, PolicyWorld
from flows.policy.difference import node_addresses
from flows.policy.direction import DirectionContext
from flows.policy.endpoint_groups import outsiders, vocabulary
from flows.policy.peer_table import PeerTable, is_ordinary, numbers_of
from flows.policy.ports import all_on
from flows.policy.profile import UNKNOWN_PROFILE, Profile, cilium
from flows.policy.rules import Clause
from tests.flows.policy.builders import cnp, netpol, pod, space
from tests.flows.policy.clusters import mixed_cluster
from tests.flows.policy.fuzz_nca import Chance

PROFILES = {
    "cilium": CILIUM.with_options(cluster_network_policy=True),
    "any version of cilium": cilium(""),
    "cilium that compares nodes": CILIUM.with_options(cidr_matches_nodes=True),
    "calico": CALICO_IPTABLES.with_options(cluster_network_policy=True),
    "unsure of addresses": CILIUM.with_options(cidr_matches_pods=None),
    "unknown": UNKNOWN_PROFILE.with_options(cilium_policies=True),
}


def rows_of(world: PolicyWorld) -> list[Endpoint]:
    others = outsiders(vocabulary(world.policies), world.profile, node_addresses(world))
    return [each for each in world.inventory.pods.values() if is_ordinary(each)] + [each.after for each in others]


def clauses_of(world: PolicyWorld) -> list[Clause]:
    return [clause for policy in world.policies for side in policy.sides.values() for clause in side.clauses]


def assert_as_asked_alone(world: PolicyWorld) -> int:
    rows = rows_of(world)
    table = PeerTable(rows, world.profile)
    answers = 0
    for clause in clauses_of(world):
        for shown in (True, False, None):
            sure, unclear = table.fits(clause, shown)
            for number, row in enumerate(rows):
                scene = DirectionContext(Direction.EGRESS, Endpoint(), row, world.profile, shown)
                told = True if sure >> number & 1 else None if unclear >> number & 1 else False
                assert told is clause.peer_fits(scene), (str(row), clause.in_words())
                answers += told is not False
    return answers


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_rows_fit_as_each_of_them_fits_alone(profile: Profile) -> None:
    answers = 0
    for seed in range(20):
        objects, chance = mixed_cluster(seed), Chance(seed)
        for item in (each for each in objects if each["kind"] == "Pod"):
            item["status"] = {} if chance.often(0.2) else item["status"]
            item["spec"] |= {"serviceAccountName": "a"} if chance.often(0.3) else {}
        answers += assert_as_asked_alone(PolicyWorld.of(objects, profile))
    assert answers > 1000


def test_reserved_labels_service_accounts_exceptions_and_services_fit_as_each_row_alone() -> None:
    pods = [pod("x/a", "10.0.0.1", app="a"), pod("x/b", "10.0.0.9", app="b"), pod("y/c", "", app="a")]
    pods[0]["spec"]["serviceAccountName"] = "sa"
    pods[2]["status"] = {}
    ends = [
        {"matchLabels": {"reserved:host": ""}},
        {"matchExpressions": [{"key": "reserved:world", "operator": "DoesNotExist"}]},
        {"matchLabels": {"io.cilium.k8s.policy.serviceaccount": "sa"}},
        {"matchExpressions": [{"key": "io.cilium.k8s.policy.serviceaccount", "operator": "NotIn", "values": ["sa"]}]},
        {"matchLabels": {"io.cilium.k8s.namespace.labels.env": "b"}},
        {"matchExpressions": [{"key": "k8s:io.kubernetes.pod.namespace", "operator": "NotIn", "values": ["x"]}]},
    ]
    services = [{"k8sService": {"serviceName": "s", "namespace": "x"}}]
    service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s", "namespace": "x"}}
    rules = [{"toEndpoints": [each]} for each in ends] + [{"toServices": services}]
    rules += [{"toCIDRSet": [{"cidr": "10.0.0.0/28", "except": ["10.0.0.8/29"]}]}]
    objects = [space("x"), space("y", env="b"), *pods, {**service, "spec": {"selector": {"app": "a"}}}]

    for profile in PROFILES.values():
        for rule in rules:
            assert_as_asked_alone(PolicyWorld.of([*objects, cnp("x/p", egress=[rule])], profile))


def test_port_names_mean_each_row_its_own_number() -> None:
    rules = [{"ports": [{"port": "http"}, {"port": 53}]}]
    objects = [item for seed in range(5) for item in mixed_cluster(seed) if item["kind"] == "Pod"]
    world = PolicyWorld.of([*objects, netpol("x/n", types=["Egress"], egress=rules)], CILIUM)
    rows, (clause,) = rows_of(world), clauses_of(world)

    parts = list(PeerTable(rows, world.profile).ports(clause.ports))

    told = {number: ports for ports, some in parts for number in numbers_of(some)}
    assert told == {number: all_on(clause.ports, row) for number, row in enumerate(rows)}
    assert len(parts) == 3  # without the name, 80 and 8080
