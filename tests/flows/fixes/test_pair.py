"""Two faults on one way: the rule is for the port where somebody listens, and the Service is mended with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flows.denials.judged import judged_connections
from flows.denials.policy_world import world_of
from flows.fixes.build import build
from flows.fixes.change import applied, undone
from flows.fixes.proof import denied_ones
from flows.model import AdmitTraffic, Case, Component, Finding, Fix, SetTargetPort
from flows.rules import policy_egress_denied, policy_ingress_denied, service_wrong_target_port
from flows.symptoms.peers import asked_peer
from flows.symptoms.target_port import wrong_port_of
from lab.oracle import OracleNetwork
from sensors.hubble.outcomes import Connection
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_services import BackendPod, EndpointFacts, Services
from sensors.kit.sockets import PodSockets
from sensors.net_tcp_stats import TcpStats
from sensors.topology.peer import AskedKind, ResolvedPeer
from tests.flows.policy.builders import netpol
from tests.flows.rules.edits import with_service
from tests.flows.rules.facts import only
from tests.flows.rules.policies import with_objects
from tests.kit.cases import case_of, with_facts, without

LEDGER = Component("Service", "finance", "ledger")


def misled(case: Case, port: int = 9000) -> Case:
    """The asked Service leads to another port than the one its pods listen on (8080), in facts and in raw objects."""
    service = case[Services].asked_service
    assert service is not None

    def towards(each: EndpointFacts) -> EndpointFacts:
        return replace(each, ports=tuple((name, port, protocol) for name, _, protocol in each.ports))

    def targeted(each: BackendPod) -> BackendPod:
        return replace(each, targets=tuple((name, port) for name, _ in each.targets))

    def written(thing: dict[str, Any]) -> None:
        meta = thing["metadata"]
        if thing["kind"] == "Service" and (meta["namespace"], meta["name"]) == (service.namespace, service.name):
            thing["spec"]["ports"][0]["targetPort"] = port
        if (
            thing["kind"] == "EndpointSlice"
            and meta.get("labels", {}).get("kubernetes.io/service-name") == service.name
        ):
            thing["ports"][0]["port"] = port

    changed = with_service(
        case,
        ports=(replace(service.ports[0], target_port=port),),
        endpoints=tuple(map(towards, service.endpoints or ())),
        matching_pods=tuple(map(targeted, service.matching_pods or ())),
    )
    return with_objects(_with_port(changed, port), written)


def _with_port(case: Case, port: int) -> Case:
    peer, flows = asked_peer(case), case[HubbleFlows]
    ips = {end.ip for end in (peer.service.endpoints if peer and peer.service else None) or ()}

    def moved(each: Connection) -> Connection:
        return replace(each, port=port) if each.destination.ip in ips else each

    return with_facts(case, replace(flows, connections=tuple(map(moved, flows.connections))))


def denied_and_misled() -> Case:
    return misled(case_of("orders-to-ledger"))


def fixes_of(case: Case) -> tuple[Fix, ...]:
    return build(only(policy_ingress_denied.RULE, case), case)


def passes(case: Case, objects: Any, port: int) -> bool:
    """By the second opinion, from the client to ledger."""
    network = OracleNetwork(objects)
    (ledger,) = (pod for pod in network.pods.values() if pod.workload == "Deployment ledger")
    client = network.pods[case.target.namespace, case.target.pod]
    return network.allows(client, ledger, "TCP", port)


def test_the_rule_is_for_the_port_on_which_the_pods_listen() -> None:
    case = denied_and_misled()

    first, *_ = fixes_of(case)
    after = applied(case[Policies].objects, first)

    assert first.automatic
    assert not passes(case, case[Policies].objects, 8080)
    assert passes(case, after, 8080)
    assert not passes(case, after, 9000)
    assert first.newly_allowed == ("orders/Deployment orders-api -> finance/Deployment ledger TCP 8080",)


def test_the_service_is_part_of_the_fix_and_the_order_is_said() -> None:
    case = denied_and_misled()

    first, *_ = fixes_of(case)

    (service,) = (each for each in first.also if each.target == LEDGER)
    assert service.patch[-1] == {"op": "replace", "path": "/spec/ports/0/targetPort", "value": 8080}
    assert first.notes[0] == (
        "both parts are needed: first the rule, then Service finance/ledger, which leads to a port without a listener"
    )
    assert first.title.endswith("Point Service finance/ledger at port 8080 of its pods")
    assert undone(applied(case[Policies].objects, first), first) == case[Policies].objects


def test_what_was_dropped_is_replayed_on_the_right_port() -> None:
    case = denied_and_misled()

    first, *_ = fixes_of(case)

    assert first.proof is not None
    assert first.proof.holds
    assert first.proof.replayed == sum(each.packets for each in denied_ones(case)) > 1


def test_where_the_policies_admit_the_right_port_only_the_service_is_mended() -> None:
    def admits(thing: dict[str, Any]) -> None:
        if thing["kind"] == "NetworkPolicy" and thing["metadata"]["namespace"] == "finance":
            thing["spec"]["ingress"] = [{"ports": [{"port": 8080, "protocol": "TCP"}]}]

    case = with_objects(denied_and_misled(), admits)

    fixes = build(only(policy_ingress_denied.RULE, case), case)

    assert [each.target for each in fixes] == [LEDGER]


def test_without_socket_tables_nobody_knows_that_the_port_is_wrong() -> None:
    case = without(denied_and_misled(), TcpStats)

    first, *_ = fixes_of(case)

    assert all(each.target != LEDGER for each in (first, *first.also))


def test_where_no_right_port_is_known_no_rule_is_offered() -> None:
    """A rule for a port where nobody listens is no fix."""
    case = denied_and_misled()
    stats = case[TcpStats]

    def two(each: PodSockets) -> PodSockets:
        (listener, *_) = [one for one in each.listeners if one.port == 8080]
        return replace(each, listeners=(replace(listener, port=7001), replace(listener, port=7002)))

    unclear = with_facts(case, replace(stats, peers=tuple(map(two, stats.peers))))

    finding = only(policy_ingress_denied.RULE, unclear)

    assert build(finding, unclear) == ()
    assert finding.recommendation == (
        "Find out which port of its pods is meant (7001 or 7002): no process listens on 9000, to which Service "
        "finance/ledger leads. Then admit that port and no other."
    )


def test_the_recommendation_says_the_same_as_the_fix() -> None:
    assert only(policy_ingress_denied.RULE, denied_and_misled()).recommendation == (
        "Admit port 8080, then point Service finance/ledger at it: no process listens on 9000, to which Service "
        "finance/ledger leads."
    )


def test_a_right_service_is_left_alone() -> None:
    case = case_of("orders-to-ledger")
    finding = only(policy_ingress_denied.RULE, case)

    assert all(wrong_port_of(case, each.traffic) is None for each in finding.remedy.denied)
    assert all(each.target != LEDGER for fix in build(finding, case) for each in (fix, *fix.also))


def gateway_denied() -> Case:
    """mobile reaches a Service with a wrong target port; a policy in front of its pods admits nobody."""
    case = case_of("mobile-to-gateway")
    namespace = case[Services].asked_service.namespace  # type: ignore[union-attr]
    return with_objects(case, lambda _: None, netpol(f"{namespace}/closed", {"app": "gateway"}, ["Ingress"]))


def test_a_mended_service_comes_with_the_rule_that_its_right_port_needs() -> None:
    case = gateway_denied()
    finding = only(service_wrong_target_port.RULE, case)
    assert isinstance(finding.remedy, SetTargetPort)

    first, *_ = build(finding, case)

    kinds = [each.target.kind for each in (first, *first.also) if each.target]
    assert sorted(kinds) == ["NetworkPolicy", "Service"]
    assert first.proof is not None
    assert first.proof.holds
    assert "TCP 8080" in first.newly_allowed[0]


def test_a_mended_service_comes_alone_where_no_policy_is_in_the_way() -> None:
    case = case_of("mobile-to-gateway")

    (fix,) = build(only(service_wrong_target_port.RULE, case), case)

    assert (fix.automatic, fix.also, fix.notes) == (True, (), ())


def towards_a_node(port: int) -> tuple[Case, Finding]:
    """A policy finding about a connection to a node's own address, as the question names it; no flow shows it."""
    node_port = {"name": "web", "port": 80, "targetPort": 8080, "nodePort": 30080, "protocol": "TCP"}
    meta = {"name": "shown-outside", "namespace": "finance"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [node_port]}}
    case = with_objects(case_of("api-server-cannot-watch"), lambda _: None, service)
    there = next(each for each in case.once(world_of).inventory.by_ip.values() if each.node and not each.is_pod)
    asked = ResolvedPeer(AskedKind.NODE, there.ip, port, node=there.node)
    case = with_facts(case, replace(case[Services], asked=asked))
    case = replace(case, target=replace(case.target, to_host=there.ip, to_port=port), derived={})
    asked = (each for each in case.once(judged_connections) if each.asked)
    (judged,) = (each.judgement for each in asked if each.traffic.destination.ip == there.ip)
    assert judged.egress.allowed is False
    guilty = judged.egress.isolated_by
    return case, replace(only_one(case), remedy=AdmitTraffic((judged,), guilty))


def only_one(case: Case) -> Finding:
    return next(each for each in policy_egress_denied.RULE.of(case))


def test_a_node_port_that_no_policy_sees_gets_no_rule() -> None:
    case, finding = towards_a_node(30080)

    assert build(finding, case) == ()


def test_another_port_of_a_node_gets_its_rule() -> None:
    case, finding = towards_a_node(10250)

    assert build(finding, case) != ()
