"""From a case to the world of policies and the connections to judge: what counts, what is noise, who is meant."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest

from flows.denials.connection import standing_drop
from flows.denials.judged import judged_connections
from flows.denials.policy_world import enforces, profile_of, world_of
from flows.denials.probes import probe_says
from flows.denials.requested import asked_peers, resolvers_of
from flows.model import Case, Missing
from flows.policy import Datapath, Enforcement
from sensors.cni_health import CniHealth
from sensors.dns_lookup import Lookups
from sensors.hubble.outcomes import Party
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.net_connect import Connects
from tests.flows.rules.policies import passed_since, towards, with_traffic
from tests.kit.cases import case_of, names, with_facts, without

API = "api-server-cannot-watch"


def with_config(case: Case, **config: str) -> Case:
    health = case[CniHealth]
    settings = {key.replace("_", "-"): value for key, value in config.items()}
    return with_facts(case, replace(health, config={**health.config, **settings}))


def with_cni(case: Case, cni: str | None) -> Case:
    return replace(case, environment=replace(case.environment, cni=cni), derived={})


@pytest.mark.parametrize("name", names())
def test_the_simulator_agrees_with_every_connection_the_datapath_decided(name: str) -> None:
    """No recorded drop is one the policies would admit, and nothing that works now is one they would refuse."""
    found = case_of(name).once(judged_connections)

    assert [str(each.seen) for each in found if each.drop is not None and each.judgement.allowed is not False] == []
    assert [str(each.seen) for each in found if each.works and each.judgement.allowed is False] == []


def test_settings_of_the_datapath_decide_what_a_cidr_matches() -> None:
    plain = profile_of(case_of(API))
    nodes = profile_of(with_config(case_of(API), policy_cidr_match_mode="nodes"))
    both = profile_of(with_config(case_of(API), policy_cidr_match_mode="nodes,pods"))

    assert (plain.datapath, plain.cidr_matches_nodes, plain.cidr_matches_pods) == (Datapath.CILIUM, False, False)
    assert (nodes.cidr_matches_nodes, nodes.cidr_matches_pods) == (True, False)
    assert (both.cidr_matches_nodes, both.cidr_matches_pods) == (True, True)


@pytest.mark.parametrize("mode", ["default", "always", "never"])
def test_the_enforcement_mode_is_the_datapaths_own(mode: str) -> None:
    assert profile_of(with_config(case_of(API), enable_policy=mode)).enforcement == Enforcement(mode)


def test_an_unknown_mode_or_plug_in_is_not_guessed() -> None:
    unknown = with_config(with_cni(case_of(API), None), nothing="known")
    nameless = with_facts(unknown, replace(unknown[CniHealth], cni=""))

    assert profile_of(with_config(case_of(API), enable_policy="sometimes")).enforcement is Enforcement.DEFAULT
    assert profile_of(with_cni(case_of(API), "calico")).datapath is Datapath.CALICO_IPTABLES
    assert profile_of(without(nameless, HubbleFlows)).datapath is Datapath.UNKNOWN
    assert profile_of(nameless).datapath is Datapath.CILIUM  # nobody else sends hubble flows
    assert enforces(nameless)
    assert not enforces(with_cni(case_of(API), "flannel"))


def test_the_asked_service_is_its_backends_on_their_own_port() -> None:
    (door,) = case_of("basket-to-pricing").once(asked_peers).values()

    assert (door.destination.pod, door.port) == ("pricing-56958f8695-wnzn5", 8080)
    assert (door.service, door.service_port) == (("retail", "pricing"), 80)


def test_the_api_server_is_who_answers_behind_its_service() -> None:
    (door,) = case_of(API).once(asked_peers).values()

    assert (door.destination.ip, door.port, door.service_ip) == ("172.30.0.11", 6443, "10.96.0.1")
    assert "kube-apiserver" in door.destination.entities


def test_an_outside_name_is_the_addresses_it_resolves_to() -> None:
    (door,) = case_of("sync-to-partner").once(asked_peers).values()

    assert (door.destination.ip, door.destination.fqdns) == ("198.51.100.20", ("cdn.example.net",))


def test_the_resolver_is_its_pods_on_both_protocols() -> None:
    doors = case_of("worker-to-queue").once(resolvers_of)

    assert {(each.destination.namespace, protocol, port) for (_, port, protocol), each in doors.items()} == {
        ("kube-system", "UDP", 53),
        ("kube-system", "TCP", 53),
    }


def test_what_nobody_saw_is_computed_from_the_question() -> None:
    (computed, *_) = without(case_of(API), HubbleFlows).once(judged_connections)

    assert computed.seen is None
    assert computed.asked
    assert computed.judgement.allowed is False


def test_without_an_asked_peer_the_most_retried_drop_is_the_complaint() -> None:
    case = case_of(API)
    unasked = replace(case, target=replace(case.target, to_host=None, to_port=None), derived={})

    assert [each.traffic.port for each in unasked.once(judged_connections) if each.asked and not each.lookup] == [6443]


def test_a_drop_that_was_let_through_since_does_not_stand() -> None:
    flows = with_traffic(case_of("orders-to-ledger"), passed_since)[HubbleFlows]

    assert [standing_drop(each) for each in flows.connections if each.drops] == [None]


def test_a_dropped_answer_is_no_dropped_question() -> None:
    """Its direction is the wrong way round, and no policy was asked about the connection."""
    case = case_of("orders-to-ledger")
    dropped = next(each for each in case[HubbleFlows].connections if each.drops)
    reply = replace(dropped, drops=tuple(replace(each, of_reply=True) for each in dropped.drops))

    assert standing_drop(dropped) is not None
    assert standing_drop(reply) is None


def test_late_answers_are_nobodys_failure() -> None:
    """ICMP port-unreachable after a late DNS answer is dropped by the pod's own policy."""
    case = case_of("worker-to-queue")
    dropped = next(each for each in case[HubbleFlows].connections if each.drops)
    icmp = replace(dropped, protocol="ICMPv4", port=0, icmp=(3, 3))
    flows = replace(case[HubbleFlows], connections=(icmp,))

    assert [each for each in with_facts(case, flows).once(judged_connections) if each.seen is not None] == []


def test_a_probe_counts_for_the_door_it_was_for() -> None:
    case = case_of(API)
    asked = next(each for each in case.once(judged_connections) if each.asked)

    assert probe_says(case, asked) is False
    assert probe_says(without(case, Connects), asked) is None


def test_without_policies_there_is_no_world() -> None:
    with pytest.raises(Missing):
        without(case_of(API), Policies).once(world_of)


def test_cases_that_read_the_very_same_objects_share_one_policy_world() -> None:
    case = case_of(API)
    world = case.once(world_of)
    same = replace(case, derived={})
    copied = replace(case[Policies], objects=tuple(dict(each) for each in case[Policies].objects))

    assert same.once(world_of) is world
    assert with_facts(case, copied).once(world_of) is not world
    assert with_cni(case, "calico").once(world_of) is not world


def test_a_shared_policy_world_goes_with_the_last_case_that_asked_it() -> None:
    case = case_of(API)
    copied = replace(case[Policies], objects=tuple(dict(each) for each in case[Policies].objects))
    gone = weakref.ref(with_facts(case, copied).once(world_of))
    gc.collect()

    assert gone() is None


def test_a_link_local_resolver_is_on_the_pods_own_node() -> None:
    """NodeLocal DNSCache: to policies it is the host, not an address outside."""
    case = case_of("worker-to-queue")
    lookups = case[Lookups]
    assert lookups.resolver is not None
    nodelocal = replace(lookups, resolver=replace(lookups.resolver, nameservers=("169.254.20.10",)))

    doors = with_facts(case, nodelocal).once(resolvers_of)

    assert set(doors) == {("169.254.20.10", 53, "UDP"), ("169.254.20.10", 53, "TCP")}
    assert {each.destination.entities for each in doors.values()} == {frozenset({"host"})}


def test_the_datapaths_word_for_an_address_goes_before_ours() -> None:
    """It called the address a node; by its number alone we would have taken it for the world outside."""
    there = Party("198.18.0.9", entities=("remote-node",))

    found = with_traffic(case_of("orders-to-ledger"), towards(there)).once(judged_connections)

    (dropped,) = (each for each in found if each.drop is not None)
    assert dropped.traffic.destination.entities == {"remote-node"}
    assert dropped.traffic.destination.host_network


def test_without_an_asked_peer_a_drop_towards_a_pod_that_is_gone_is_no_complaint() -> None:
    """CoreDNS was rolled out, a client asks the old address: no policy need admit what is nobody's (synthetic)."""
    seen = case_of(API)
    seen = replace(seen, target=replace(seen.target, to_host=None, to_port=None), derived={})
    beside = next(each.ip for each in world_of(seen).inventory.pods.values() if not each.host_network)
    gone = with_traffic(seen, towards(Party(beside.rpartition(".")[0] + ".251", entities=("world",))))
    outside = with_traffic(seen, towards(Party("203.0.113.10", entities=("world",))))

    assert [each.asked for each in judged_connections(gone) if each.drop] == [False]
    assert [each.asked for each in judged_connections(outside) if each.drop] == [True]
