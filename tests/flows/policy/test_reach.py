"""One evaluator, two questions: a port judged alone and all ports at once must agree, whatever the policies."""

from __future__ import annotations

import pytest

from flows.policy import (
    CALICO_IPTABLES,
    CILIUM,
    UNKNOWN_PROFILE,
    Direction,
    Endpoint,
    PolicyWorld,
    Profile,
    Traffic,
    judgement_in_words,
)
from flows.policy.portset import ALL
from tests.flows.policy.builders import cnp, netpol, pod
from tests.flows.policy.clusters import mixed_cluster

ADMIN = {"cluster_network_policy": True, "admin_network_policy": True}
PROFILES = [CILIUM.with_options(**ADMIN), CALICO_IPTABLES.with_options(**ADMIN, cilium_policies=True), UNKNOWN_PROFILE]
OUTSIDE = [
    Endpoint(ip="203.0.113.70", entities=frozenset({"world"}), fqdns=("www.example.com",)),
    Endpoint(ip="198.51.100.1", entities=frozenset({"world"})),
    Endpoint(ip="172.16.0.1", entities=frozenset({"remote-node", "kube-apiserver"}), host_network=True),
]
ASKED = [("TCP", 80), ("TCP", 443), ("TCP", 444), ("TCP", 8080), ("UDP", 80), ("UDP", 53), ("SCTP", 9000), ("ICMP", 8)]


def connections(world: PolicyWorld) -> list[tuple[Endpoint, Endpoint]]:
    ends = [*world.inventory.pods.values(), *OUTSIDE]
    return [(a, b) for a in ends for b in ends if a is not b and (a.is_pod or b.is_pod)]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.datapath.value)
def test_a_single_port_and_all_ports_agree(profile: Profile) -> None:
    for seed in range(12):
        world = PolicyWorld.of(mixed_cluster(seed), profile)
        for source, destination in connections(world)[::3]:
            every = world.reach(source, destination)
            for protocol, number in ASKED:
                icmp = protocol == "ICMP"
                traffic = Traffic(source, destination, protocol, None if icmp else number, icmp_type=number)
                allowed = every.allowed.holds(protocol, number), every.denied.holds(protocol, number)

                expected = {(True, False): True, (False, True): False, (False, False): None}[allowed]
                assert world.judge(traffic).allowed is expected, (seed, judgement_in_words(world.judge(traffic)))


def test_every_port_is_allowed_denied_or_undecidable() -> None:
    for seed in range(20):
        world = PolicyWorld.of(mixed_cluster(seed), PROFILES[0])
        for source, destination in connections(world)[::4]:
            found = world.reach(source, destination)

            assert (found.may_allow | found.may_deny) - ALL == (ALL - ALL)
            assert not ALL - (found.may_allow | found.may_deny)


def test_the_walk_never_contradicts_the_verdict() -> None:
    for seed in range(40):
        world = PolicyWorld.of(mixed_cluster(seed), CILIUM)
        for source, destination in connections(world)[::5]:
            judgement = world.judge(Traffic(source, destination, "TCP", 80))
            for verdict in (judgement.egress, judgement.ingress):
                if verdict.allowed is False:
                    assert verdict.denied_by or verdict.isolated_by
                if verdict.allowed and verdict.isolated_by:
                    assert verdict.admitted_by
                if verdict.allowed is None:
                    assert verdict.undecidable_because


def test_a_pod_reaches_itself_and_its_node_reaches_it() -> None:
    world = PolicyWorld.of([pod("x/a", "10.0.0.1"), netpol("x/n", types=["Ingress", "Egress"])], CILIUM)
    a = world.endpoint_of_pod("x", "a")
    assert a is not None

    itself = world.judge(Traffic(a, a, "TCP", 80))
    hairpin = world.judge(Traffic(a, a, "TCP", 80, service=("x", "s")))
    kubelet = world.judge(Traffic(Endpoint(entities=frozenset({"host"}), host_network=True), a, "TCP", 80))

    assert (itself.allowed, hairpin.allowed, kubelet.allowed) == (True, True, True)


def test_a_hairpin_is_undecidable_where_the_datapath_is_not_known() -> None:
    world = PolicyWorld.of([pod("x/a", "10.0.0.1"), netpol("x/n", types=["Ingress"])], UNKNOWN_PROFILE)
    a = world.endpoint_of_pod("x", "a")
    assert a is not None

    verdict = world.judge(Traffic(a, a, "TCP", 80, service=("x", "s"))).ingress

    assert verdict.allowed is None
    assert "itself through its Service" in verdict.why


def test_a_deny_policy_silences_what_is_undecidable() -> None:
    odd = cnp("x/odd", ingress=[{"fromGroups": [{}]}])
    deny = cnp("x/deny", ingressDeny=[{"fromEntities": ["all"]}])
    world = PolicyWorld.of([pod("x/a", "10.0.0.1"), pod("y/b", "10.0.0.2"), odd, deny], CILIUM)
    b, a = world.endpoint_of_pod("y", "b"), world.endpoint_of_pod("x", "a")
    assert a is not None
    assert b is not None

    verdict = world.judge(Traffic(b, a, "TCP", 80)).ingress

    assert (verdict.allowed, verdict.direction) == (False, Direction.INGRESS)
    assert [ref.name for ref in verdict.denied_by] == ["deny"]
