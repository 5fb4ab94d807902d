"""What a change opens is exact: the same as comparing every pair of pods by brute force."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

import pytest

from flows.policy import (
    CALICO_IPTABLES,
    CILIUM,
    Diff,
    Opening,
    PolicyParty,
    PolicyWorld,
    Profile,
    diff_in_words,
    difference,
    difference_of,
)
from flows.policy.portset import NO_PORTS, PortSet
from lab.oracle import End, OracleNetwork
from tests.flows.fixes import random_cases
from tests.flows.policy.builders import Json, cnp, named, netpol, pod, space
from tests.flows.policy.clusters import Chance, a_policy, mixed_cluster

PROFILES = [
    CILIUM.with_options(cluster_network_policy=True),
    CALICO_IPTABLES.with_options(cluster_network_policy=True),
    CILIUM.with_options(cidr_matches_pods=None),
]
Pair = tuple[PolicyParty, PolicyParty]
Ports = dict[Pair, PortSet]


def brute_force(before: PolicyWorld, after: PolicyWorld) -> tuple[Ports, Ports, Ports]:
    """Opened, closed and undecidable, pod by pod."""
    opened: Ports = {}
    closed: Ports = {}
    unclear: Ports = {}
    for a, b in [(a, b) for a in after.inventory.pods for b in after.inventory.pods if a != b]:
        old = before.reach(before.inventory.pods[a], before.inventory.pods[b])
        new = after.reach(after.inventory.pods[a], after.inventory.pods[b])
        pair = party(after, a), party(after, b)
        gained = new.allowed & old.denied
        doubtful = (
            (new.may_allow - old.allowed) - gained - (old.may_allow & old.may_deny & new.may_allow & new.may_deny)
        )
        for ports, found in ((gained, opened), (new.denied & old.allowed, closed), (doubtful, unclear)):
            if ports:
                found[pair] = ports
    return opened, closed, unclear


def party(world: PolicyWorld, key: tuple[str, str]) -> PolicyParty:
    return PolicyParty("workload", key[0], world.inventory.pods[key].workload)


def between_pods(openings: tuple[Opening, ...]) -> Ports:
    found: Ports = {}
    for o in openings:
        if {o.source.kind, o.destination.kind} == {"workload"}:
            pair = (o.source, o.destination)
            found[pair] = found.get(pair, NO_PORTS) | PortSet({o.protocol: o.ports})
    return found


@pytest.mark.parametrize("profile", PROFILES, ids=["cilium", "calico", "cilium-unsure"])
def test_changed_policies_open_exactly_what_brute_force_finds(profile: Profile) -> None:
    changes = 0
    for seed in range(40):
        before = PolicyWorld.of(mixed_cluster(seed), profile)
        after = before.with_objects([a_policy(number, Chance(1000 + seed + number)) for number in range(2)])

        diff = difference_of(before, after)

        found = tuple(map(between_pods, (diff.opened, diff.closed, diff.undecidable)))
        assert found == brute_force(before, after), seed
        changes += len(diff.opened) + len(diff.closed)
    assert changes > 100


def test_changed_labels_open_exactly_what_brute_force_finds() -> None:
    changes = 0
    for seed in range(30):
        objects = mixed_cluster(seed)
        before = PolicyWorld.of(objects, PROFILES[0])
        moved = {**objects[3], "metadata": {**objects[3]["metadata"], "labels": {"app": "c", "tier": "a"}}}
        after = before.with_objects([space("y", env="b"), moved])

        diff = difference_of(before, after)

        found = tuple(map(between_pods, (diff.opened, diff.closed, diff.undecidable)))
        assert found == brute_force(before, after), seed
        changes += len(diff.opened) + len(diff.closed)
    assert changes > 20


def test_changed_labels_of_a_namespace_and_a_changed_policy_at_once_are_exact_too() -> None:
    changes = 0
    for seed in range(30):
        before = PolicyWorld.of(mixed_cluster(seed), PROFILES[seed % 2])
        after = before.with_objects([space("x", env="c"), a_policy(1, Chance(seed + 500))])

        diff = difference_of(before, after)

        found = tuple(map(between_pods, (diff.opened, diff.closed, diff.undecidable)))
        assert found == brute_force(before, after), seed
        changes += len(diff.opened) + len(diff.closed)
    assert changes > 20


def test_labels_of_one_namespace_are_compared_with_those_they_concern_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: 40 namespaces whose pods admit each other by a namespace label; one of them gets another."""
    spaces = [space(f"n{n}", team=f"t{n % 8}") for n in range(40)]
    pods = [pod(f"n{n}/p{i}", app=f"a{i}") for n in range(40) for i in range(4)]
    rule = {
        "from": [{"namespaceSelector": {"matchLabels": {"team": "t1"}}, "podSelector": {"matchLabels": {"app": "a1"}}}]
    }
    policies = [netpol(f"n{n}/in", {"app": "a0"}, ["Ingress"], ingress=[rule]) for n in range(40)]
    before = PolicyWorld.of([*spaces, *pods, *policies], CILIUM)
    worked_out: list[int] = []
    right = difference.side
    monkeypatch.setattr(difference, "side", lambda *asked: worked_out.append(1) or right(*asked))

    diff = difference_of(before, before.with_objects([space("n2", team="t1")]))

    assert {str(each.source) for each in diff.opened} == {"n2/Pod p1"}
    assert len({each.destination for each in diff.opened}) == 40
    assert len(worked_out) < 400  # of 160 x 160 pairs


PODS = [
    space("shop"),
    space("pay"),
    pod("shop/web", "10.0.0.1", app="web"),
    pod("shop/job", "10.0.0.2", app="job"),
    pod("pay/api", "10.0.1.1", app="api"),
    pod("pay/db", "10.0.1.2", app="db"),
]
ISOLATED = netpol("shop/out", {"app": "web"}, ["Egress"])


def opening(policy: Json, profile: Profile = CILIUM) -> Diff:
    before = PolicyWorld.of([*PODS, ISOLATED], profile)
    return difference_of(before, before.with_objects([policy]))


def test_a_narrow_rule_opens_one_destination_and_one_port() -> None:
    peer = {"namespaceSelector": named("pay"), "podSelector": {"matchLabels": {"app": "api"}}}

    diff = opening(netpol("shop/more", {"app": "web"}, ["Egress"], egress=[{"to": [peer], "ports": [{"port": 8080}]}]))

    web, api = PolicyParty("workload", "shop", "Pod web"), PolicyParty("workload", "pay", "Pod api")
    assert diff == Diff(opened=(Opening(web, api, "TCP", ((8080, 8080),)),))
    assert diff_in_words(diff).splitlines()[0] == "newly allowed: 1 source, 1 destination, 1 port"


def test_a_rule_without_peers_opens_the_world_every_namespace_and_every_port() -> None:
    diff = opening(netpol("shop/more", {"app": "web"}, ["Egress"], egress=[{}]))

    assert (diff.opens_world, diff.opens_all_namespaces, diff.opens_all_ports) == (True, True, True)


def test_every_namespace_is_noticed_even_when_only_one_pod_matches_today() -> None:
    peer = {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "api"}}}

    diff = opening(netpol("shop/more", {"app": "web"}, ["Egress"], egress=[{"to": [peer], "ports": [{"port": 80}]}]))

    assert (diff.opens_world, diff.opens_all_namespaces, diff.opens_all_ports) == (False, True, False)
    assert diff.destinations == 1


@pytest.mark.parametrize(
    ("cidr", "world"), [("203.0.113.10/32", False), ("0.0.0.0/0", True), ("128.0.0.0/1", True), ("192.0.0.0/10", False)]
)
def test_a_block_opens_the_world_when_it_is_wide(cidr: str, world: bool) -> None:
    rule = {"to": [{"ipBlock": {"cidr": cidr}}], "ports": [{"port": 443}]}

    diff = opening(netpol("shop/more", {"app": "web"}, ["Egress"], egress=[rule]))

    assert diff.opens_world is world
    assert diff.opened


def test_a_service_cidr_opens_no_pod_under_cilium() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}

    diff = opening(netpol("shop/more", {"app": "web"}, ["Egress"], egress=[rule]))

    assert {o.destination.kind for o in diff.opened} == {"cidr"}


def test_removing_the_only_policy_opens_everything_it_held_back() -> None:
    before = PolicyWorld.of([*PODS, ISOLATED], CILIUM)

    diff = difference_of(before, before.with_objects([], removed=[ISOLATED]))

    targets = {str(o.destination) for o in diff.opened if o.destination.kind == "workload"}
    assert targets == {"pay/Pod api", "pay/Pod db", "shop/Pod job"}
    assert diff.opens_world


def test_a_policy_that_is_not_understood_makes_the_difference_undecidable() -> None:
    diff = opening(cnp("shop/more", {"app": "web"}, egress=[{"toGroups": [{}]}]))

    assert diff.opened == ()
    assert {str(o.destination) for o in diff.undecidable} >= {"world-ipv4"}


def test_no_change_is_no_difference() -> None:
    world = PolicyWorld.of([*PODS, ISOLATED], CILIUM)

    assert difference_of(world, world.with_objects([ISOLATED])) == Diff()
    assert diff_in_words(difference_of(world, world.with_objects([dict(ISOLATED)]))) == "nothing changes"


def test_addresses_outside_are_cut_so_that_every_one_is_answered_right() -> None:
    blocks = ["203.0.113.0/24", "203.0.113.64/26", "198.51.100.0/24", "0.0.0.0/1", "10.0.0.0/8"]
    for seed in range(40):
        chance = Chance(seed)
        before = PolicyWorld.of([*PODS, outgoing("a", chance, blocks), outgoing("b", chance, blocks)], CILIUM)
        after = before.with_objects([outgoing("b", chance, blocks)])
        web = after.inventory.pods[("shop", "web")]

        opened = {o.destination.name: PortSet({o.protocol: o.ports}) for o in difference_of(before, after).opened}

        for ip in ("203.0.113.1", "203.0.113.70", "198.51.100.9", "9.9.9.9", "10.77.0.1", "192.0.2.1"):
            there = after.endpoint_at(ip)
            gained = after.reach(web, there).allowed & before.reach(web, there).denied
            assert opened.get(piece(ip, blocks_of(before, after)), NO_PORTS) == gained, (seed, ip)


def outgoing(name: str, chance: Chance, blocks: list[str]) -> Json:
    cidr, hole = chance.choice(blocks), chance.choice(blocks)
    rule = {"to": [{"ipBlock": {"cidr": cidr, "except": [hole]}}], "ports": [{"port": chance.choice([80, 443])}]}
    return netpol(f"shop/{name}", {"app": "web"}, ["Egress"], egress=[rule])


def blocks_of(*worlds: PolicyWorld) -> list[str]:
    """Every block named by a policy of either world, exceptions too."""
    refs = [world.policy_object(policy.ref) for world in worlds for policy in world.policies]
    rules = [rule["to"][0] for item in refs if item for rule in item["spec"].get("egress", ())]
    return [b for rule in rules for b in (rule["ipBlock"]["cidr"], *rule["ipBlock"]["except"])]


def piece(ip: str, blocks: Iterable[str]) -> str:
    """The piece an address lies in: that of the smallest block around it."""
    around = [block for block in blocks if ip_address(ip) in ip_network(block)]
    return max(around, key=lambda block: ip_network(block).prefixlen, default="world-ipv4")


RESERVED = ("host", "remote-node", "kube-apiserver", "health", "init", "unmanaged", "ingress")


@pytest.mark.parametrize("word", ["health", "init", "unmanaged", "ingress"])
def test_what_opens_for_those_who_are_no_pod_and_no_node_is_told(word: str) -> None:
    """`unmanaged` are real pods: started before Cilium, or by another plug-in."""
    before = PolicyWorld.of([*PODS, cnp("shop/p", {"app": "web"}, ingress=[{}])], CILIUM)

    diff = difference_of(
        before, before.with_objects([cnp("shop/p", {"app": "web"}, ingress=[{}, {"fromEntities": [word]}])])
    )

    assert {str(each.source) for each in diff.opened} == {word}
    assert diff.undecidable == ()


def api_server_at(*addresses: str) -> Json:
    labels = {"kubernetes.io/service-name": "kubernetes"}
    meta = {"name": "kubernetes", "namespace": "default", "labels": labels}
    ends = [{"addresses": [each]} for each in addresses]
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "endpoints": ends}


def a_node(name: str, ip: str) -> Json:
    status = {"addresses": [{"type": "InternalIP", "address": ip}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


def test_an_api_server_outside_is_a_party_where_a_block_holds_it() -> None:
    objects = [*PODS, ISOLATED, api_server_at("34.1.2.3"), a_node("n1", "192.168.5.1")]
    rule = {"to": [{"ipBlock": {"cidr": "34.1.2.0/24"}}], "ports": [{"port": 443}]}
    before = PolicyWorld.of(objects, CILIUM)

    diff = difference_of(before, before.with_objects([netpol("shop/more", {"app": "web"}, ["Egress"], egress=[rule])]))

    assert {str(each.destination) for each in diff.opened} == {"34.1.2.0/24", "kube-apiserver"}


def test_an_api_server_on_a_node_is_none_outside() -> None:
    objects = [*PODS, ISOLATED, api_server_at("192.168.5.1"), a_node("n1", "192.168.5.1")]
    rule = {"to": [{"ipBlock": {"cidr": "192.168.5.0/24"}}], "ports": [{"port": 443}]}
    before = PolicyWorld.of(objects, CILIUM)

    diff = difference_of(before, before.with_objects([netpol("shop/more", {"app": "web"}, ["Egress"], egress=[rule])]))

    assert {str(each.destination) for each in diff.opened} == {"192.168.5.0/24"}


def test_node_addresses_are_parties_where_the_datapath_compares_them_with_blocks() -> None:
    """policy-cidr-match-mode=nodes. Two nodes, one of them inside the block."""
    profile = CILIUM.with_options(cidr_matches_nodes=True)
    nodes = [a_node("n1", "192.168.5.1"), a_node("n2", "172.20.0.1"), api_server_at("172.20.0.1")]
    objects = [*PODS, ISOLATED, *nodes]
    rule = {"to": [{"ipBlock": {"cidr": "192.168.5.0/24"}}], "ports": [{"port": 443}]}
    before = PolicyWorld.of(objects, profile)

    diff = difference_of(before, before.with_objects([netpol("shop/more", {"app": "web"}, ["Egress"], egress=[rule])]))

    assert {str(each.destination) for each in diff.opened} == {"192.168.5.0/24", "host", "remote-node"}
    assert diff.undecidable == ()


def test_whoever_is_no_pod_gains_exactly_what_a_second_opinion_finds() -> None:
    """`lab.oracle` shares nothing with the simulator."""
    gained = 0
    for seed in range(60):
        chance = Chance(seed)
        objects = random_cases.cluster(random_cases.Chance(seed), mixed=True)
        names = [item["metadata"]["name"] for item in objects if item["kind"].endswith("Policy")]
        other = random_cases.a_cilium_policy(99, ["shop", "data", "pay"], random_cases.Chance(1000 + seed))
        other["metadata"]["name"] = chance.choice([*names, "another"])
        before = PolicyWorld.of(objects, CILIUM)
        after = before.with_objects([other])

        told = told_reserved(difference_of(before, after))

        later = [item for item in objects if key_of(item) != key_of(other)] + [other]
        assert told == found_by_the_second_opinion(objects, later), seed
        gained += len(told)
    assert gained > 30


def key_of(item: Json) -> tuple[str, str, str]:
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


Ways = set[tuple[str, str, int]]


def told_reserved(diff: Diff) -> Ways:
    ways = ((str(each.source), str(each.destination), each) for each in diff.opened if each.protocol == "TCP")
    return {
        (source, there, port)
        for source, there, each in ways
        for port in (80, 9090)
        if {source, there} & set(RESERVED) and PortSet({"TCP": each.ports}).holds("TCP", port)
    }


def found_by_the_second_opinion(objects: list[Json], later: list[Json]) -> Ways:
    before, after = OracleNetwork(objects), OracleNetwork(later)
    pods = {f"{pod.namespace}/{pod.workload}": pod for pod in before.pods.values()}
    others = {word: End(words=frozenset({word} | _as_node(word)), names=()) for word in RESERVED}
    pairs = [(a, b) for a in pods for b in RESERVED] + [(b, a) for a in pods for b in RESERVED]
    ends = {**pods, **others}
    return {
        (a, b, port)
        for a, b in pairs
        for port in (80, 9090)
        if after.allows(ends[a], ends[b], "TCP", port) and not before.allows(ends[a], ends[b], "TCP", port)
    }


def _as_node(word: str) -> set[str]:
    return {"remote-node"} if word == "kube-apiserver" else set()
