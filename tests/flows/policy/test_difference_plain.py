"""The difference of two worlds beside the plain way: every endpoint with every other, asked in both worlds."""

from __future__ import annotations

from itertools import product

import pytest

from flows.policy import CALICO_IPTABLES, CILIUM, Diff, Endpoint, Opening, PolicyParty, PolicyWorld, difference_of
from flows.policy.difference import node_addresses
from flows.policy.direction import is_workload
from flows.policy.endpoint_groups import outsiders, vocabulary
from flows.policy.portset import NO_PORTS, PortSet
from flows.policy.profile import UNKNOWN_PROFILE, Enforcement, Profile, cilium
from tests.flows.policy.builders import Json, cnp, pod, space
from tests.flows.policy.clusters import a_policy, cilium_policy, mixed_cluster
from tests.flows.policy.fuzz_nca import KEYS, SPACES, VALUES, Chance

PROFILES = {
    "cilium": CILIUM.with_options(cluster_network_policy=True),
    "cilium 1.15": cilium("1.15.4"),
    "cilium that compares nodes": CILIUM.with_options(cidr_matches_nodes=True),
    "cilium that always isolates": CILIUM.with_options(enforcement=Enforcement.ALWAYS),
    "calico": CALICO_IPTABLES.with_options(cluster_network_policy=True),
    "unsure of addresses": CILIUM.with_options(cidr_matches_pods=None),
    "unknown": UNKNOWN_PROFILE.with_options(cilium_policies=True),
}
End = tuple[PolicyParty, Endpoint, Endpoint]
Ports = dict[tuple[PolicyParty, PolicyParty], PortSet]


def ends(before: PolicyWorld, after: PolicyWorld) -> list[End]:
    """Every pod that is in both worlds, and everyone who is no pod."""
    pods = [(before.inventory.pods.get(key), new) for key, new in after.inventory.pods.items()]
    found = [
        (PolicyParty("workload", new.namespace, new.workload), old, new)
        for old, new in pods
        if old is not None and is_workload(new, after.profile) is not False
    ]
    words = vocabulary([*before.policies, *after.policies])
    others = outsiders(words, after.profile, node_addresses(after))
    return found + [(party, group.before, group.after) for group in others for party in group.parties]


def plain(before: PolicyWorld, after: PolicyWorld) -> tuple[Ports, Ports, Ports]:
    """Opened, closed and undecidable, without a thought of what could be left out."""
    found: tuple[Ports, Ports, Ports] = ({}, {}, {})
    for (source, *froms), (destination, *tos) in product(ends(before, after), repeat=2):
        if froms[0] is tos[0] or not (froms[0].is_pod or tos[0].is_pod):
            continue
        old, new = before.reach(froms[0], tos[0]), after.reach(froms[1], tos[1])
        opened = new.allowed & old.denied
        as_before = old.may_allow & old.may_deny & new.may_allow & new.may_deny
        unclear = (new.may_allow - old.allowed) - opened - as_before
        for ports, into in zip((opened, new.denied & old.allowed, unclear), found, strict=True):
            if ports:
                into[source, destination] = into.get((source, destination), NO_PORTS) | ports
    return found


def told(diff: Diff) -> tuple[Ports, Ports, Ports]:
    assert diff.complete
    return by_pair(diff.opened), by_pair(diff.closed), by_pair(diff.undecidable)


def by_pair(openings: tuple[Opening, ...]) -> Ports:
    found: Ports = {}
    for o in openings:
        pair = o.source, o.destination
        found[pair] = found.get(pair, NO_PORTS) | PortSet({o.protocol: o.ports})
    return found


def a_cluster(seed: int, chance: Chance) -> list[Json]:
    """A mixed cluster in which some pods have no address, are on the host network, or share a workload."""
    objects = mixed_cluster(seed)
    owner = {"kind": "StatefulSet", "name": "set", "controller": True}
    for item in (each for each in objects if each["kind"] == "Pod"):
        item["spec"] |= {"hostNetwork": True} if chance.often(0.15) else {}
        item["spec"] |= {"serviceAccountName": "a"} if chance.often(0.3) else {}
        item["status"] = {} if chance.often(0.2) else item["status"]
        item["metadata"] |= {"ownerReferences": [owner]} if chance.often(0.4) else {}
    return objects


def a_change(objects: list[Json], seed: int, chance: Chance) -> tuple[list[Json], list[Json]]:
    """Policies added, replaced and removed; a namespace with other labels; a pod that is no longer what it was."""
    changed = [a_policy(chance.randint(0, 3), Chance(seed + 9_999))] if chance.often(0.6) else []
    changed += [cilium_policy(50, Chance(seed + 99_999))] if chance.often(0.3) else []
    changed += [space(chance.choice(SPACES), env=chance.choice(VALUES))] if chance.often(0.4) else []
    pod = chance.choice([each for each in objects if each["kind"] == "Pod"])
    if chance.often(0.3):
        changed.append({**pod, "metadata": {**pod["metadata"], "labels": {chance.choice(KEYS): chance.choice(VALUES)}}})
    elif chance.often(0.3):
        ports = [{"ports": [{"name": "http", "containerPort": 443}]}]
        changed.append({**pod, "spec": {"containers": ports, "hostNetwork": chance.often(0.3)}})
    return changed, [each for each in objects if each["kind"].endswith("Policy") and chance.often(0.15)]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_any_change_is_told_as_the_plain_way_finds_it(profile: Profile) -> None:
    ways = 0
    for seed in range(20):
        chance = Chance(seed * 7 + 1)
        objects = a_cluster(seed, chance)
        before = PolicyWorld.of(objects, profile)
        after = before.with_objects(*a_change(objects, seed, chance))

        found = told(difference_of(before, after))

        assert found == plain(before, after), seed
        ways += sum(map(len, found))
    assert ways > 50


def test_the_same_objects_under_another_datapath_are_told_as_the_plain_way_finds_it() -> None:
    ways, profiles = 0, list(PROFILES.values())
    for seed in range(21):
        objects = a_cluster(seed, Chance(seed))
        before = PolicyWorld.of(objects, profiles[seed % 7])
        after = PolicyWorld.of(objects, profiles[(seed + 1) % 7])

        found = told(difference_of(before, after))

        assert found == plain(before, after), seed
        ways += sum(map(len, found))
    assert ways > 50


def test_pods_that_only_a_service_of_a_rule_tells_apart_are_told_apart() -> None:
    """What such a rule reaches depends on the version of Cilium: undecidable for these pods, and for no others."""
    meta = {"name": "s", "namespace": "y"}
    spec = {"selector": {"app": "a"}, "ports": [{"port": 80, "targetPort": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
    rule = {"toServices": [{"k8sService": {"serviceName": "s", "namespace": "y"}}]}
    pods = [pod("x/client", "10.0.0.1"), pod("y/b", "10.0.1.1", app="b"), pod("y/a", "10.0.1.2", app="a")]
    before = PolicyWorld.of([space("x"), space("y"), *pods, service, cnp("x/p", egress=[{}])], cilium(""))
    after = before.with_objects([cnp("x/p", egress=[{}, rule])])

    found = told(difference_of(before, after))

    assert found == plain(before, after)
    assert {str(there) for _, there in found[2]} == {"y/Pod a"}
