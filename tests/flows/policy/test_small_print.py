"""Where one small change of the simulator would go unnoticed by everything else: one promise each.

Found by changing the simulator line by line. Three such changes are equal, and have no test: in ``policy_index`` a
subject in doubt may be filed under a label too, since its selector is then EVERYTHING and demands none; in ``rules``
the order of the two questions of ``Subject.selects`` does not matter; in ``difference`` what is opened may be cut from
what was denied or from what was not allowed, since both worlds' undecidable ports are taken out of it afterwards.
"""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from flows.policy import (
    CALICO_IPTABLES,
    CILIUM,
    UNKNOWN_PROFILE,
    Decision,
    Direction,
    Endpoint,
    Mistake,
    PolicyWorld,
    RuleWalk,
    Traffic,
    difference_of,
    mistake_of_rule,
)
from flows.policy.addresses import comparable, inside
from flows.policy.catalog import ServiceCatalog
from flows.policy.cilium_peers import Entity, FqdnPeer
from flows.policy.direction import DirectionContext
from flows.policy.kubernetes import parse_network_policy
from flows.policy.parse import parse_policy
from flows.policy.ports import Named
from flows.policy.profile import Profile, cilium
from flows.policy.rules import Effect, Policy
from tests.flows.policy.builders import Json, admin, allowed, ask, cnp, netpol, pod, space

ANP = CALICO_IPTABLES.with_options(cluster_network_policy=True, admin_network_policy=True)
PODS = [space("x"), pod("x/a", "10.0.0.1", {"http": 80}, app="a"), pod("x/b", "10.0.0.2", app="b")]
EVERYBODY: Json = {"namespaces": {}}


def parsed(policy: Json, profile: Profile = ANP) -> Policy:
    (found,) = parse_policy(policy, profile, ServiceCatalog())
    return found


# -- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ip", "block"), [("10.0.0.1", "::/0"), ("2001:db8::1", "0.0.0.0/0")])
def test_an_address_is_in_no_block_of_the_other_family(ip: str, block: str) -> None:
    assert inside(ip, ip_network(block)) is False


@pytest.mark.parametrize("word", ["unmanaged", "init", "health", "ingress"])
def test_cilium_compares_no_block_with_what_has_an_identity_of_its_own(word: str) -> None:
    peer = Endpoint(ip="10.0.0.9", entities=frozenset({word}))

    assert comparable(peer, CILIUM) is False
    assert comparable(peer, CALICO_IPTABLES) is True


def test_cilium_compares_no_block_with_a_host_network_pod() -> None:
    agent = Endpoint("x", "agent", ip="172.16.0.1", host_network=True)

    assert comparable(agent, CILIUM) is False
    assert comparable(agent, UNKNOWN_PROFILE) is None
    assert comparable(agent, CILIUM.with_options(cidr_matches_nodes=True)) is True


# -- the admin tiers -------------------------------------------------------------------------------------------------

ACCEPT: Json = {"action": "Accept", "from": [EVERYBODY]}
DENY: Json = {"action": "Deny", "from": [EVERYBODY]}


def test_the_walk_through_an_admin_policy_ends_at_the_rule_that_decides() -> None:
    world = PolicyWorld.of([*PODS, admin("one", "Admin", 1, EVERYBODY, ingress=[ACCEPT, DENY])], ANP)

    (walk,) = world.judge(ask(world, "x/b", "x/a", "TCP 80")).ingress.walk

    assert [rule.decision for rule in walk.rules] == [Decision.ADMITS]


def test_one_admin_policy_decides_the_earliest_and_all_namespaced_ones_that_admit() -> None:
    late, early = (admin(name, "Admin", n, EVERYBODY, ingress=[ACCEPT]) for name, n in (("late", 20), ("early", 5)))
    many = [netpol(f"x/{name}", types=["Ingress"], ingress=[{}]) for name in ("one", "two")]
    by_admin, by_many = PolicyWorld.of([*PODS, late, early], ANP), PolicyWorld.of([*PODS, *many], ANP)

    decided = [world.judge(ask(world, "x/b", "x/a", "TCP 80")).ingress.admitted_by for world in (by_admin, by_many)]

    assert [[ref.name for ref in refs] for refs in decided] == [["early"], ["one", "two"]]


def test_an_admin_policy_that_hands_on_leaves_later_ones_no_say() -> None:
    passing = admin("pass", "Admin", 1, EVERYBODY, ingress=[{**ACCEPT, "action": "Pass"}])
    objects = [*PODS, admin("accept", "Admin", 5, EVERYBODY, ingress=[ACCEPT]), passing]
    world = PolicyWorld.of([*objects, netpol("x/own", types=["Ingress"], ingress=[{}])], ANP)

    verdict = world.judge(ask(world, "x/b", "x/a", "TCP 80")).ingress

    assert [ref.name for ref in verdict.admitted_by] == ["own"]


def test_a_rule_that_is_not_understood_may_be_a_deny() -> None:
    policy = parsed(admin("odd", "Admin", 1, EVERYBODY, ingress=[{"action": "Allow-ish", "from": [EVERYBODY]}]))

    (clause,) = policy.side(Direction.INGRESS).clauses

    assert clause.fault
    assert clause.effect is Effect.DENY


def test_a_named_port_of_an_admin_policy_is_of_any_protocol() -> None:
    rule = {**ACCEPT, "protocols": [{"destinationNamedPort": "http"}]}

    (clause,) = parsed(admin("p", "Admin", 1, EVERYBODY, ingress=[rule])).side(Direction.INGRESS).clauses

    assert {port.protocol for port in clause.ports or () if isinstance(port, Named)} == {"TCP", "UDP", "SCTP"}


def test_an_admin_policy_that_may_select_a_pod_does_not_take_the_decision_from_others() -> None:
    """A host-network pod under a datapath that is not known: both policies may select it, or neither."""
    profile = UNKNOWN_PROFILE.with_options(cluster_network_policy=True)
    objects = [*PODS, pod("x/agent", "172.16.0.1", host=True), netpol("x/n", types=["Ingress"])]

    accept = admin("p", "Admin", 1, EVERYBODY, ingress=[ACCEPT])

    assert allowed([*objects, accept], profile, "x/b", "x/agent", "TCP 80") is None


# -- Cilium's words --------------------------------------------------------------------------------------------------


def test_a_selector_of_reserved_labels_means_nodes() -> None:
    rule = {"toEndpoints": [{"matchLabels": {"reserved:remote-node": ""}}]}
    objects = [*PODS, cnp("x/n", {"app": "a"}, egress=[rule])]

    assert allowed(objects, CILIUM, "x/a", "entity:remote-node", "TCP 80") is True
    assert allowed(objects, CILIUM, "x/a", "x/b", "TCP 80") is False


def test_a_selector_for_services_looks_into_its_namespace() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "x"}}
    service |= {"spec": {"selector": {"app": "b"}, "ports": []}}
    for where, reached in (("x", True), ("y", False)):
        rule = {"toServices": [{"k8sServiceSelector": {"selector": {}, "namespace": where}}]}
        objects = [*PODS, service, cnp("x/n", {"app": "a"}, egress=[rule])]
        assert allowed(objects, cilium("1.20.2"), "x/a", "x/b", "TCP 80") is reached


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "SCTP"])
def test_any_protocol_is_each_of_the_three(protocol: str) -> None:
    rule = {"toEntities": ["all"], "toPorts": [{"ports": [{"port": "80", "protocol": "ANY"}]}]}

    assert allowed([*PODS, cnp("x/n", {"app": "a"}, egress=[rule])], CILIUM, "x/a", "x/b", f"{protocol} 80") is True


def test_whether_a_node_is_the_pods_own_is_not_guessed() -> None:
    nowhere, pod_ = Endpoint(ip="172.16.0.1", host_network=True), Endpoint("x", "a", node="node1")
    scene = DirectionContext(Direction.EGRESS, pod_, nowhere, CILIUM)

    assert [Entity(name).fits(scene) for name in ("host", "remote-node")] == [None, None]
    assert [Entity(name).fits(scene) for name in ("cluster", "world")] == [True, False]


@pytest.mark.parametrize(
    "peer",
    [
        Endpoint("x", "b", entities=frozenset({"world"}), fqdns=("a.b",), names_known=True),
        Endpoint(host_network=True, entities=frozenset({"world"}), fqdns=("a.b",), names_known=True),
        Endpoint(entities=frozenset({"remote-node"}), fqdns=("a.b",), names_known=True),
    ],
)
def test_names_mean_neither_pods_nor_nodes(peer: Endpoint) -> None:
    assert (
        FqdnPeer("a.b", True).fits(DirectionContext(Direction.EGRESS, Endpoint("x", "a"), peer, CILIUM, True)) is False
    )


# -- rules -----------------------------------------------------------------------------------------------------------


def test_a_rule_without_a_miss_is_no_wrong_port() -> None:
    walk = RuleWalk(0, Decision.DOES_NOT_ADMIT, "", peer_fits=True, port_fits=None)

    assert mistake_of_rule(walk) is Mistake.NO_RULE


def test_a_selector_that_is_null_may_stand_beside_an_ip_block() -> None:
    rule = {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": None}]}

    policy = parse_network_policy(netpol("x/n", types=["Ingress"], ingress=[rule]), CILIUM)

    assert policy.side(Direction.INGRESS).clauses[0].fault == ""


def test_a_named_port_is_looked_up_with_its_protocol() -> None:
    there = Endpoint("x", "b", named_ports={("dns", "TCP"): 5353, ("dns", "UDP"): 53})
    udp = Traffic(Endpoint("x", "a"), there, "UDP", 54)

    (miss,) = Named("dns", "UDP").misses(udp)

    assert "'dns' (53 on x/b)" in miss.why


def test_a_service_port_leads_to_the_number_of_its_protocol() -> None:
    both = [{"name": "dns", "containerPort": 5353, "protocol": "TCP"}]
    both += [{"name": "dns", "containerPort": 53, "protocol": "UDP"}]
    server = pod("x/dns", "10.0.0.3", app="dns")
    server["spec"]["containers"] = [{"ports": both}]
    ports = [{"port": 53, "targetPort": "dns", "protocol": protocol} for protocol in ("TCP", "UDP")]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "dns", "namespace": "x"}}
    world = PolicyWorld.of([*PODS, server, {**service, "spec": {"selector": {"app": "dns"}, "ports": ports}}], CILIUM)
    found = world.service("x", "dns")
    assert found is not None

    numbers = [[number for _, number in world.backends(found, 53, protocol)] for protocol in ("TCP", "UDP")]

    assert numbers == [[5353], [53]]


# -- differences -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("replicas", "opens"), [(1, set()), (2, {"x/Pod same -> x/Pod same"})])
def test_a_workload_reaches_itself_only_where_it_has_two_pods(replicas: int, opens: set[str]) -> None:
    owner = [{"kind": "Pod", "name": "same", "controller": True}]
    pods = [pod(f"x/p{n}", f"10.0.0.{n + 1}", app="a") for n in range(replicas)]
    for each in pods:
        each["metadata"]["ownerReferences"] = owner
    before = PolicyWorld.of([space("x"), *pods, netpol("x/n", types=["Ingress"])], CALICO_IPTABLES)
    inside_x = {"from": [{"podSelector": {}}], "ports": [{"port": 80}]}

    diff = difference_of(before, before.with_objects([netpol("x/n", types=["Ingress"], ingress=[inside_x])]))

    assert {f"{each.source} -> {each.destination}" for each in diff.opened} == opens


@pytest.mark.parametrize(
    ("blocks", "world"),
    [
        (["11.0.0.0/8"], True),
        (["11.0.0.0/9"], False),
        (["11.0.0.0/9", "12.0.0.0/9"], True),
        (["2001::/16"], True),
        (["2001::/17"], False),
    ],
)
def test_blocks_that_add_up_to_a_slash_8_are_the_world(blocks: list[str], world: bool) -> None:
    before = PolicyWorld.of([*PODS, netpol("x/n", {"app": "a"}, ["Egress"])], CALICO_IPTABLES)
    rule = {"to": [{"ipBlock": {"cidr": each}} for each in blocks], "ports": [{"port": 443}]}

    diff = difference_of(before, before.with_objects([netpol("x/n", {"app": "a"}, ["Egress"], egress=[rule])]))

    assert diff.opened
    assert diff.opens_world is world
