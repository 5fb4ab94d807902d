"""Hubble flows into connections: what is counted once, who began, and what became of it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import msgspec
import pytest

from sensors.hubble.connections import Connections
from sensors.hubble.lines import FlowEndpoint, Http, HubbleFlow
from sensors.hubble.noise import noise
from sensors.hubble.outcomes import Connection, ConnectionOutcome, DnsOutcome, Drop, HttpOutcome, PolicyUse
from tests.kit.hubble_captures import connections, gathered, hubble_flows

replace = msgspec.structs.replace


def only(found: tuple[Connection, ...], port: int) -> Connection:
    (one,) = (each for each in found if each.port == port)
    return one


def later(flow: HubbleFlow, seconds: float) -> HubbleFlow:
    """The same packet again some time after, under a new uuid."""
    assert flow.time is not None
    return replace(flow, time=flow.time + timedelta(seconds=seconds), uuid=f"{flow.uuid}+{seconds}")


def from_port(flow: HubbleFlow, port: int) -> HubbleFlow:
    """The same packet of another attempt: another client port, whichever way it goes."""
    if flow.is_reply or flow.destination_port > 32767:
        return replace(flow, destination_port=port, uuid=f"{flow.uuid}:{port}")
    return replace(flow, source_port=port, uuid=f"{flow.uuid}:{port}")


def attempt(name: str, port: int, source_port: int, after: float) -> list[HubbleFlow]:
    """All flows of a capture that touch a server port, as one attempt some seconds later."""
    whole = [each for each in hubble_flows(name) if port in (each.source_port, each.destination_port)]
    return [later(from_port(each, source_port), after) for each in whole]


# -- counting --------------------------------------------------------------------------------------------------------


def test_eight_flows_of_one_refused_connect_are_one_attempt_and_four_packets() -> None:
    (found,) = connections("03")

    assert str(found) == "shop/client-6fc9d7cff9-qflgv → world (203.0.113.10) TCP/443"
    assert (found.outcome, found.attempts, found.dropped, found.packets_dropped) == (ConnectionOutcome.DROPPED, 1, 1, 4)
    assert found.drops == (Drop(133, "POLICY_DENIED", "EGRESS", 4, 1, 5609, 2),)


def test_drops_without_their_verdicts_are_counted_the_same() -> None:
    flows = hubble_flows("03")

    drops = gathered([each for each in flows if each.event == 1]).all()
    verdicts = gathered([each for each in flows if each.event == 5]).all()

    assert drops[0].packets_dropped == verdicts[0].packets_dropped == 4


def test_a_flow_from_two_questions_counts_once() -> None:
    found = gathered([*hubble_flows("03"), *hubble_flows("03")])

    assert (found.flows, found.all()) == (8, connections("03"))


@pytest.mark.parametrize("name", ["01", "07", "08", "19", "20", "23", "26", "36"])
def test_order_does_not_matter(name: str) -> None:
    flows = hubble_flows(name)

    random.Random(7).shuffle(flows)

    assert gathered(flows).all() == connections(name)


def test_an_ingress_drop_on_another_node_belongs_to_the_attempt_that_left() -> None:
    found = only(connections("07"), 8080)

    assert (found.outcome, found.attempts, found.nodes, found.points) == (
        ConnectionOutcome.DROPPED,
        1,
        ("lab1", "lab2"),
        ("TO_OVERLAY",),
    )
    assert found.delivered is False
    assert [each.direction for each in found.drops] == ["INGRESS"]


# -- outcomes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "port", "outcome", "delivered"),
    [
        ("01", 8080, ConnectionOutcome.OPENED, True),
        ("02", 443, ConnectionOutcome.OPENED, False),
        ("10", 53, ConnectionOutcome.DROPPED, False),
        ("12", 9999, ConnectionOutcome.REFUSED, True),
        ("13", 9, ConnectionOutcome.REFUSED, False),
        ("14", 443, ConnectionOutcome.UNANSWERED, False),
        ("14", 81, ConnectionOutcome.REFUSED, False),
        ("16", 6443, ConnectionOutcome.DROPPED, False),
        ("17", 6443, ConnectionOutcome.OPENED, False),
        ("20", 53, ConnectionOutcome.MIXED, False),
        ("24", 443, ConnectionOutcome.OPENED, False),
        ("27", 80, ConnectionOutcome.DROPPED, False),
        ("36", 8080, ConnectionOutcome.DROPPED, False),
    ],
)
def test_outcomes_of_real_connections(name: str, port: int, outcome: ConnectionOutcome, delivered: bool) -> None:
    found = only(connections(name), port)

    assert (found.outcome, found.delivered) == (outcome, delivered)


def test_what_opened_once_and_is_dropped_now_is_dropped() -> None:
    opened, dropped = attempt("05", 443, 40001, 0), attempt("03", 443, 40002, 600)

    (found,) = gathered([*opened, *dropped]).all()

    assert (found.outcome, found.opened, found.dropped) == (ConnectionOutcome.DROPPED, 1, 1)


def test_what_was_dropped_once_and_opens_now_is_open() -> None:
    dropped, opened = attempt("03", 443, 40001, 0), attempt("05", 443, 40002, 600)

    (found,) = gathered([*dropped, *opened]).all()

    assert (found.outcome, found.opened, found.dropped, found.packets_dropped) == (ConnectionOutcome.OPENED, 1, 1, 4)


def test_what_goes_to_and_fro_is_mixed() -> None:
    before, between = attempt("05", 443, 40001, 0), attempt("03", 443, 40002, 600)
    after = attempt("05", 443, 40003, 1200)

    (found,) = gathered([*before, *between, *after]).all()

    assert (found.outcome, found.opened, found.dropped) == (ConnectionOutcome.MIXED, 2, 1)


def test_one_attempt_on_its_way_does_not_spoil_the_others_and_two_do() -> None:
    opened = [*attempt("02", 443, 40001, 0)]
    lonely = [each for each in attempt("02", 443, 40002, 60) if "SYN" in each.flags and "ACK" not in each.flags]
    lonelier = [each for each in attempt("02", 443, 40003, 90) if "SYN" in each.flags and "ACK" not in each.flags]

    assert [each.outcome for each in gathered([*opened, *lonely]).all()] == [ConnectionOutcome.OPENED]
    assert [each.outcome for each in gathered([*opened, *lonely, *lonelier]).all()] == [ConnectionOutcome.UNANSWERED]


def test_audit_mode_is_told_though_the_connection_opened() -> None:
    (found,) = connections("24")

    assert (found.outcome, found.audited, found.packets_dropped) == (ConnectionOutcome.OPENED, 1, 0)


def test_a_denied_ping_has_no_port_and_no_reply() -> None:
    (found,) = connections("18")

    assert (found.protocol, found.port, found.icmp, found.packets_dropped) == ("ICMPv4", 0, (8, 0), 2)


def test_a_ping_and_its_reply_are_one_connection() -> None:
    sent = replace(hubble_flows("18")[0], verdict="FORWARDED", event=4, drop_reason=0, observed_at="TO_NETWORK")
    reply = replace(sent, source=sent.destination, destination=sent.source, uuid="r", icmp_type=0, is_reply=True)

    (found,) = gathered([sent, reply]).all()

    assert (found.outcome, found.attempts, str(found.source)) == (
        ConnectionOutcome.OPENED,
        1,
        "shop/client-6fc9d7cff9-qflgv",
    )


# -- who began -------------------------------------------------------------------------------------------------------


def test_a_dropped_answer_is_laid_to_the_connection_it_answers() -> None:
    syn = [each for each in hubble_flows("02") if each.flags == {"SYN"}]
    answer = replace(
        hubble_flows("03")[1],
        uuid="answer",
        source=syn[0].destination,
        destination=syn[0].source,
        source_port=443,
        destination_port=syn[0].source_port,
        flags=frozenset({"SYN", "ACK"}),
        direction="EGRESS",
    )

    (found,) = gathered([*syn, answer]).all()

    assert str(found) == "shop/client-6fc9d7cff9-qflgv → world (203.0.113.10) TCP/443"
    assert [(each.of_reply, each.packets) for each in found.drops] == [(True, 1)]


def test_a_lone_dropped_dns_answer_is_known_by_its_ports() -> None:
    query = hubble_flows("10")[0]
    ports = {"source_port": query.destination_port, "destination_port": query.source_port}
    answer = replace(query, source=query.destination, destination=query.source, **ports)

    (found,) = gathered([answer]).all()

    assert (found.source.pod, found.port, found.drops[0].of_reply) == ("client-6fc9d7cff9-qflgv", 53, True)


def test_an_answer_from_the_service_port_comes_home_to_the_backend() -> None:
    assert [(each.port, each.attempts, each.outcome) for each in connections("23")] == [
        (53, 1, ConnectionOutcome.OPENED),
        (8080, 1, ConnectionOutcome.OPENED),
    ]


# -- noise -----------------------------------------------------------------------------------------------------------

RS = FlowEndpoint("ff02::2", 0)
CASES = [
    pytest.param(
        {"drop_reason": 139, "destination": RS, "protocol": "ICMPv6", "icmp_type": 133},
        "IPv6 neighbour chatter",
        id="router solicitation",
    ),
    pytest.param(
        {"drop_reason": 132, "destination": FlowEndpoint("fe80::1"), "protocol": "UDP"},
        "IPv6 neighbour chatter",
        id="link-local",
    ),
    pytest.param(
        {"drop_reason": 133, "destination": FlowEndpoint("224.0.0.251"), "destination_port": 5353, "protocol": "UDP"},
        "multicast",
        id="mDNS",
    ),
    pytest.param(
        {"drop_reason": 133, "destination": FlowEndpoint("255.255.255.255"), "destination_port": 67, "protocol": "UDP"},
        "multicast",
        id="DHCP",
    ),
    pytest.param(
        {"drop_reason": 133, "protocol": "ICMPv4", "icmp_type": 3, "icmp_code": 3},
        "late answer turned away",
        id="ICMP 3/3",
    ),
    *(
        pytest.param({"drop_reason": number}, "not a drop", id=str(number))
        for number in (166, 173, 176, 199, 200, 201, 205)
    ),
]


@pytest.mark.parametrize(("change", "kind"), CASES)
def test_noise_is_counted_and_makes_no_connection(change: dict[str, object], kind: str) -> None:
    flow = replace(hubble_flows("03")[1], **change)

    found = gathered([flow])

    assert (found.all(), dict(found.noise)) == ((), {kind: 1})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"drop_reason": 139, "destination": FlowEndpoint("2001:db8::1")}, id="TCP over IPv6"),
        pytest.param({"drop_reason": 132}, id="a foreign IPv4 source"),
        pytest.param({"drop_reason": 133, "protocol": "ICMPv4", "icmp_type": 3, "icmp_code": 4}, id="ICMP frag needed"),
        pytest.param({"drop_reason": 250}, id="a reason nobody knows"),
        pytest.param({"destination": FlowEndpoint("240.0.0.1")}, id="not multicast"),
    ],
)
def test_what_may_matter_is_not_noise(change: dict[str, object]) -> None:
    assert noise(replace(hubble_flows("03")[1], **change)) == ""


# -- what else is told -----------------------------------------------------------------------------------------------


def test_policies_are_told_as_the_datapath_named_them() -> None:
    uses = {use for each in connections("21") for use in each.policies}

    assert uses == {
        PolicyUse("denied", "EGRESS", "CiliumNetworkPolicy", "shop", "client-deny"),
        PolicyUse("allowed", "EGRESS", "CiliumNetworkPolicy", "shop", "client-deny"),
    }


def test_names_and_entities_of_a_party_are_kept() -> None:
    outside, node = connections("21")[0].destination, connections("16")[0].destination

    assert (outside.names, str(outside)) == (("api.example.com",), "api.example.com (203.0.113.10)")
    assert (node.entities, str(node)) == (("host", "kube-apiserver"), "host, kube-apiserver (172.30.0.11)")
    assert str(connections("27")[0].destination) == "service shop/nobody (10.96.56.235)"


def test_dns_outcomes_are_summed_per_name() -> None:
    refused, answered = gathered(hubble_flows("20")).dns()

    times = {"first": refused.first, "last": refused.last}
    assert refused == DnsOutcome("10.244.0.245", "cdn.example.net.", ("A",), 1, 0, 1, (), (), **times)
    assert (answered.query, answered.rcodes, answered.addresses) == (
        "api.example.com.",
        (("NOERROR", 1),),
        ("203.0.113.10",),
    )


@pytest.mark.parametrize(("name", "rcode"), [("33", "NXDOMAIN"), ("34", "SERVFAIL")])
def test_bad_answers_of_dns_have_names(name: str, rcode: str) -> None:
    (outcome,) = gathered(hubble_flows(name)).dns()

    assert outcome.rcodes == ((rcode, 1),)


def test_a_request_denied_by_the_proxy_is_no_dropped_packet() -> None:
    syn, *rest = attempt("02", 443, 40001, 0)
    denied = replace(
        syn, uuid="l7", kind="L7", event=129, verdict="DROPPED", http=Http("POST", "/pay", "", 403), flags=frozenset()
    )

    (found,) = gathered([syn, *rest, denied]).all()

    assert (found.outcome, found.denied, found.packets_dropped) == (ConnectionOutcome.DENIED, 1, 0)
    assert found.http == (HttpOutcome("POST", "/pay", 403, "DROPPED", 1),)


# -- young pods and stale peers --------------------------------------------------------------------------------------


def started(found: Connections, when: datetime) -> bool:
    (one,) = found.all(started=when)
    return one.only_at_start


def test_drops_of_a_pods_first_seconds_are_told_from_lasting_ones() -> None:
    dropped, opened = attempt("03", 443, 40001, 0), attempt("05", 443, 40002, 60)
    birth = hubble_flows("03")[0].time
    assert birth is not None

    race = gathered([*dropped, *opened])
    lasting = gathered(dropped)

    assert started(race, birth - timedelta(seconds=5)) is True
    assert started(race, birth - timedelta(hours=1)) is False
    assert started(lasting, birth - timedelta(seconds=5)) is False
    assert race.all()[0].only_at_start is False  # nobody knows its age


# -- what ends a drop ------------------------------------------------------------------------------------------------


def seen_after_a_drop(seconds: float, **said: object) -> bool:
    """Whether a drop at the receiver (07, node lab2) is over when this was seen of a later attempt."""
    drop = next(each for each in hubble_flows("07") if each.verdict == "DROPPED")
    usual = {"verdict": "FORWARDED", "drop_reason": 0, "event": 4, "direction": ""}
    packet = replace(later(from_port(drop, 40001), seconds), **{**usual, **said})
    return only(gathered([drop, packet]).all(), drop.destination_port).passes_again


def test_a_packet_that_left_its_sender_says_nothing_about_the_receiver() -> None:
    assert not seen_after_a_drop(9, node="sender", observed_at="TO_OVERLAY")
    assert not seen_after_a_drop(9, observed_at="FROM_ENDPOINT")
    assert not seen_after_a_drop(9, event=5, direction="EGRESS")
    assert seen_after_a_drop(9, node="sender", event=5, direction="INGRESS")
    assert seen_after_a_drop(9, observed_at="TO_ENDPOINT")


def test_two_nodes_clocks_tell_no_order_within_a_second() -> None:
    assert seen_after_a_drop(0.3, observed_at="TO_ENDPOINT")
    assert not seen_after_a_drop(-0.3, observed_at="TO_ENDPOINT")
    assert not seen_after_a_drop(0.3, node="another", observed_at="TO_ENDPOINT")
    assert seen_after_a_drop(1.3, node="another", observed_at="TO_ENDPOINT")


def test_an_old_connection_s_answer_ends_no_drop_and_a_new_handshake_does() -> None:
    drop = next(each for each in hubble_flows("07") if each.verdict == "DROPPED")
    ends = {"source": drop.destination, "destination": drop.source}
    ports = {"source_port": drop.destination_port, "destination_port": 40001}
    answer = {**ends, **ports, "observed_at": "TO_OVERLAY", "is_reply": True}

    assert not seen_after_a_drop(9, **answer, flags=frozenset({"ACK", "FIN"}))
    assert seen_after_a_drop(9, **answer, flags=frozenset({"ACK", "SYN"}))


def test_an_attempt_of_the_last_moment_may_still_be_answered() -> None:
    syn = next(each for each in hubble_flows("02") if each.destination_port == 443 and "SYN" in each.flags)
    assert syn.time is not None
    found = gathered([syn])

    assert found.all(until=syn.time)[0].outcome is ConnectionOutcome.UNKNOWN
    assert found.all(until=syn.time + timedelta(seconds=1))[0].outcome is ConnectionOutcome.UNANSWERED


def test_a_peer_that_was_a_pod_and_is_dropped_as_world_is_stale() -> None:
    was = [each for each in hubble_flows("01") if each.destination_port == 53]
    dropped = replace(
        hubble_flows("10")[1],
        destination=replace(
            was[0].destination, namespace="", pod="", labels=("reserved:world",), identity=2, workloads=()
        ),
    )

    (found,) = gathered([*was, dropped]).all()

    assert (found.stale_peer, found.destination.pod) == (True, "coredns-6f5d4d5d8c-84qx8")
    assert [each.stale_peer for each in connections("10")] == [False]


def test_flows_with_nothing_in_them_do_not_crash() -> None:
    found = gathered([HubbleFlow(), HubbleFlow(verdict="DROPPED"), HubbleFlow(kind="SOCK"), HubbleFlow(kind="L7")])

    assert [each.outcome for each in found.all()] == [ConnectionOutcome.DROPPED]


# -- verdicts newer than us --------------------------------------------------------------------------------------------


def renamed(flow: HubbleFlow) -> HubbleFlow:
    return replace(flow, verdict="DEFERRED") if flow.verdict == "DROPPED" else flow


def test_a_verdict_newer_than_us_that_gives_a_reason_to_drop_is_a_drop() -> None:
    (found,) = gathered([renamed(each) for each in hubble_flows("03")]).all()

    assert (found.outcome, found.packets_dropped) == (ConnectionOutcome.DROPPED, 4)


def test_a_verdict_newer_than_us_leaves_open_what_became_of_the_packet() -> None:
    """Never silence: that the packet got no answer would be a conclusion from a word nobody understood."""
    told = [replace(renamed(each), drop_reason=0, drop_reason_name="") for each in hubble_flows("09")]

    found = only(gathered(told).all(), 8080)

    assert (found.outcome, found.unanswered) == (ConnectionOutcome.UNKNOWN, 0)
