"""What the pod tries to reach, and which of it is the question."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.belief import CONFIGURED
from flows.causes import Layer
from flows.model import Case, Component, LayerState
from flows.symptoms.peers import Peer, asked_peer, peers, suspects
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from sensors.kit.objects import Ref
from sensors.kit.proc_net import TcpSocket as Socket
from sensors.net_connect import About, ConnectionAttempt, Connects, Role
from sensors.net_tcp_stats import TcpStats
from sensors.topology.peer import AskedKind, ResolvedPeer
from sensors.topology.talks import Known, Talk
from tests.flows.variants.running import diagnose
from tests.kit.cases import case_of, expected, names, with_facts, without


def unasked(seen: Case) -> Case:
    return replace(seen, target=replace(seen.target, to_host=None, to_port=None), derived={})


def test_the_asked_peer_comes_first_with_its_service_its_flows_and_its_doors():
    peer = asked_peer(case_of("mobile-to-gateway"))

    assert peer is not None
    assert str(peer) == "Service mobile/gateway (gateway:80)"
    assert peer.fails is True
    assert {each.port for each in peer.connections} == {8081}
    assert {door.result for door in peer.doors} >= {"refused"}
    assert peer.component == Component("Deployment", "mobile", "gateway")


@pytest.mark.parametrize(
    ("made_by", "acted_on"),
    [(Ref("Deployment", "shop", "api"), "Deployment shop/api"), (None, "Pod shop/api-79d8-x2")],
)
def test_a_pod_asked_by_its_address_is_acted_on_through_what_made_it(made_by: Ref | None, acted_on: str):
    pod = Ref("Pod", "shop", "api-79d8-x2")
    resolved = ResolvedPeer(AskedKind.POD, "10.0.0.7", 80, pod=pod, workload=made_by)

    assert str(Peer("10.0.0.7", 80, True, resolved, None, None).component) == acted_on


def test_a_peer_is_not_called_failing_because_a_probe_of_something_else_failed():
    """The pod's policy refuses the probe of the API server, which the pod never needed."""
    healthy = case_of("search-to-index")

    assert [(str(peer), weight) for peer, weight in suspects(healthy)] == [
        ("Service search/index (index:80)", 1.0),
    ]


def test_without_a_question_the_pod_s_own_failing_traffic_is_the_complaint():
    (peer, weight), *rest = suspects(unasked(case_of("fx-to-rates")))

    assert (peer.host, peer.port, weight, rest) == ("172.30.0.77", 443, 0.95, [])


def test_a_service_that_only_the_log_names_is_a_complaint_too():
    """A refused connect() leaves no hubble flow: the log is all there is."""
    ((peer, weight),) = suspects(unasked(case_of("web-to-catalog")))

    assert (str(peer), peer.connections, weight) == ("Service store/catalog (catalog:80)", (), 0.95)


def idle(seen: Case) -> Case:
    """The same pod, asked about without a peer, that begins no connection and complains of nothing."""
    seen = unasked(seen)
    flows, pod = seen[HubbleFlows], seen[PodFacts]
    own = (seen.target.namespace, seen.target.pod)
    others = tuple(each for each in flows.connections if (each.source.namespace, each.source.pod) != own)
    return with_facts(seen, replace(flows, connections=others), replace(pod, log_errors=()))


@pytest.mark.parametrize("name", ["web-to-catalog", "portal-to-profile", "mobile-to-gateway"])
def test_an_idle_pod_is_never_blamed_on_a_service_beside_it_that_it_does_not_call(name: str) -> None:
    """The probe tries the Services beside the pod; what it finds shut there is no trouble of a pod that never asks."""
    case = idle(case_of(name))
    said = diagnose(case)

    assert case[Services].services
    assert suspects(case) == ()
    assert [each.cause_class for each, _ in said.findings if each.cause_class.startswith("service.")] == []
    (row,) = [each for each in said.layers if each.layer is Layer.SERVICE]
    assert (row.state, row.why) == (LayerState.INCONCLUSIVE, "the pod was not seen to call any Service")


@pytest.mark.parametrize("name", ["web-to-catalog", "portal-to-profile", "mobile-to-gateway"])
def test_a_service_that_the_pod_does_call_is_blamed_without_a_question(name: str) -> None:
    assert diagnose(unasked(case_of(name))).cause_class == expected(name)["cause_class"]


SHUT = ConnectionAttempt(
    "catalog", 80, "tcp", "refused", "ECONNREFUSED", "10.96.12.139", 1.0, About.CONTEXT, Role.OTHER
)
SAID = Talk("catalog", 80, Known.SPEC, "TCP", "CATALOG_URL in container app")


def with_spec(seen: Case, *talks: Talk, doors: tuple[ConnectionAttempt, ...] = ()) -> Case:
    pod, connects = seen[PodFacts], seen[Connects]
    return with_facts(seen, replace(pod, spec_peers=talks), replace(connects, doors=doors))


def test_a_peer_that_only_the_spec_names_counts_less_and_only_where_a_probe_of_it_failed():
    seen = idle(case_of("web-to-catalog"))

    ((peer, weight),) = suspects(with_spec(seen, SAID, doors=(replace(SHUT, host="10.96.12.139"),)))

    assert (str(peer), peer.fails, weight) == ("Service store/catalog (catalog:80)", True, CONFIGURED)
    assert suspects(with_spec(seen, SAID)) == ()  # nobody tried it: nothing is known against it
    assert suspects(with_spec(seen, doors=(SHUT,))) == ()  # the same shut door, and the pod does not name it


def test_a_silent_datagram_makes_no_peer_fail():
    seen = with_spec(idle(case_of("web-to-catalog")), SAID)
    sent = replace(SHUT, host="10.96.12.139", protocol="udp", result="sent", errno=None)
    connects = seen[Connects]

    assert suspects(with_facts(seen, replace(connects, sent=(sent,)))) == ()
    assert suspects(with_facts(seen, replace(connects, doors=(replace(sent, result="refused"),)))) == ()  # TCP is meant


def with_socket(seen: Case, state: str, retransmits: int) -> Case:
    stats = seen[TcpStats]
    held = Socket(state, "10.244.0.5", 40001, "10.96.12.139", 80, retransmits, 0, 0, orphaned=False, v6=False)
    return with_facts(seen, replace(stats, target=replace(stats.target, connections=(held,), host_network=False)))


def test_a_connection_that_waits_for_its_answer_is_the_pod_s_own_complaint():
    seen = with_spec(idle(case_of("web-to-catalog")))

    ((peer, weight),) = suspects(with_socket(seen, "SYN_SENT", 2))

    assert (str(peer.service and peer.service.ref), peer.fails, weight) == ("Service store/catalog", True, 0.95)
    assert suspects(with_socket(seen, "SYN_SENT", 0)) == ()  # the answer may be on its way
    assert suspects(with_socket(seen, "ESTABLISHED", 0)) == ()


def test_flows_come_before_sockets_and_sockets_before_the_spec():
    seen = with_spec(with_socket(unasked(case_of("fx-to-rates")), "SYN_SENT", 2), replace(SAID, host="db.example.com"))
    found = peers(seen)

    assert found[0].connections
    assert [(each.host, bool(each.sockets), bool(each.said)) for each in found][-2:] == [
        ("10.96.12.139", True, False),
        ("db.example.com", False, True),
    ]


def test_beside_a_question_every_other_trouble_is_context():
    seen = case_of("fx-to-rates")
    elsewhere = replace(seen, target=replace(seen.target, to_host="198.51.100.1", to_port=80), derived={})

    assert {weight for peer, weight in suspects(elsewhere) if not peer.asked} <= {0.45}


@pytest.mark.parametrize("name", names())
def test_look_ups_are_no_peers(name):
    assert all(each.port != 53 for each in peers(case_of(name)) if not each.asked)


def test_a_peer_is_known_by_name_even_when_nothing_was_seen():
    peer = asked_peer(without(case_of("fx-to-rates"), HubbleFlows, PodFacts))

    assert peer is not None
    assert (peer.host, peer.connections) == ("172.30.0.77", ())
