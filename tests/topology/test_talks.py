"""What a pod talks to, where nobody says: its flows, its sockets, its names, its spec; never its neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sensors.hubble.outcomes import Connection, ConnectionOutcome, DnsOutcome, Party
from sensors.kit.app_log import log_errors
from sensors.kit.sockets import PodSockets, parse_pod
from sensors.topology.talks import Known, Talk, calls_of, in_flows, in_names, in_sockets, in_spec
from tests.kit.build import pod

POD, THERE = Party("10.0.0.5", "shop", "web"), Party("10.0.0.9", "data", "db-0")
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(local: int, peer: str, port: int, state: str = "01", retransmits: int = 0) -> str:
    remote = "".join(f"{int(each):02X}" for each in reversed(peer.split(".")))
    return (
        f"   0: 0500000A:{local:04X} {remote}:{port:04X} {state} 00000000:00000000 00:00000000 "
        f"{retransmits:08X}     0        0 77 1 0000000000000000 20 4 30 10 -1\n"
    )


def sockets(*rows: str, udp: str = "", host_network: bool = False) -> PodSockets:
    files = {"net/tcp": HEAD + "".join(rows), "net/udp": HEAD + udp}
    return parse_pod("shop", "web", files, host_network=host_network)


def tried(there: Party, port: int, attempts: int = 1, **more: Any) -> Connection:
    return Connection(POD, there, more.pop("protocol", "TCP"), port, ConnectionOutcome.OPENED, attempts, **more)


def test_what_the_pod_itself_tried_most_comes_first() -> None:
    found = [tried(THERE, 5432), tried(THERE, 8125, 9, protocol="UDP")]

    assert list(in_flows(found, "shop", "web")) == [
        Talk("10.0.0.9", 8125, Known.FLOWS, "UDP"),
        Talk("10.0.0.9", 5432, Known.FLOWS, "TCP"),
    ]


@pytest.mark.parametrize(
    "silent",
    [
        replace(tried(THERE, 80), source=THERE, destination=POD),  # somebody else's call
        tried(THERE, 53),  # a look-up is its own matter
        tried(THERE, 6443, 2, probed=2),  # only KAI tried it
        tried(THERE, 0, protocol="ICMPv4", icmp=(8, 0)),
    ],
)
def test_what_others_or_only_the_probe_tried_is_no_talk_of_the_pod(silent: Connection) -> None:
    assert list(in_flows([silent], "shop", "web")) == []


def test_waiting_connections_come_before_open_ones_and_a_connected_datagram_socket_counts() -> None:
    found = sockets(
        row(40001, "10.0.0.9", 5432), row(40002, "10.0.0.8", 6379, "02", 3), udp=row(40003, "10.0.0.7", 8125)
    )

    assert [(each.host, each.port, each.protocol) for each in in_sockets(found)] == [
        ("10.0.0.8", 6379, "TCP"),
        ("10.0.0.9", 5432, "TCP"),
        ("10.0.0.7", 8125, "UDP"),
    ]


@pytest.mark.parametrize(
    "found",
    [
        sockets(row(8080, "0.0.0.0", 0, "0A"), row(8080, "10.0.0.9", 40001)),  # a client of its own
        sockets(row(61007, "10.0.0.9", 5432, "02", 1)),  # the probe's source port
        sockets(row(40001, "127.0.0.1", 9000)),
        sockets(row(40001, "10.0.0.9", 5432, "06")),  # TIME_WAIT: it is over
        sockets(row(40001, "10.96.0.10", 53), udp=row(40002, "10.96.0.10", 53)),
        sockets(row(40001, "10.0.0.9", 5432), udp=row(40003, "10.0.0.7", 8125), host_network=True),  # the whole node's
        sockets(udp=row(514, "0.0.0.0", 0, "07")),  # a datagram socket without a peer
    ],
)
def test_a_socket_that_is_no_call_of_the_pod_tells_of_no_peer(found: PodSockets) -> None:
    assert list(in_sockets(found)) == []
    assert calls_of(found) == ()


def test_names_come_from_the_log_with_their_port_and_from_look_ups_that_were_answered() -> None:
    log = log_errors("app", "dial tcp: connect to orders port 8080: connection refused\n")
    answered = DnsOutcome("shop/web", "db.data.svc.cluster.local.", ("A",), 1, 1, 0, (), ("10.96.0.7",), None, None)
    unanswered = replace(answered, query="nowhere.shop.svc.cluster.local.", addresses=())

    assert [(each.host, each.port) for each in in_names([answered, unanswered], log)] == [
        ("orders", 8080),
        ("db.data.svc.cluster.local", None),
    ]


def with_env(**values: str) -> dict[str, Any]:
    found = pod("shop", "web")
    found["spec"]["containers"][0]["env"] = [{"name": name, "value": value} for name, value in values.items()]
    return found


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ("postgres://app:s3cret@db.data:5433/orders?sslmode=off", [("db.data", 5433, "TCP")]),
        ("jdbc:postgresql://db/orders", [("db", 5432, "TCP")]),
        ("https://api.example.com/v1", [("api.example.com", 443, "TCP")]),
        ("udp://statsd.mon:8125", [("statsd.mon", 8125, "UDP")]),
        ("http://[fd00::7]:8080", [("fd00::7", 8080, "TCP")]),
        ("kafka-0:9092,kafka-1:9092", [("kafka-0", 9092, None), ("kafka-1", 9092, None)]),
        ("10.96.0.7:6379", [("10.96.0.7", 6379, None)]),
    ],
)
def test_urls_and_host_port_values_in_the_spec_name_peers(
    value: str, places: list[tuple[str, int, str | None]]
) -> None:
    found = in_spec(with_env(PEER_URL=value))

    assert [(each.host, each.port, each.protocol) for each in found] == places
    assert {each.said for each in found} == {"PEER_URL in container app"}
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ORDERS_SERVICE_HOST", "10.96.0.7:80"),  # what every pod is told of every Service of its namespace
        ("ORDERS_PORT", "tcp://10.96.0.7:80"),
        ("ORDERS_PORT_80_TCP", "tcp://10.96.0.7:80"),
        ("LISTEN_ADDRESS", "web:8080"),
        ("ADDRESS", "0.0.0.0:8080"),
        ("ADDRESS", "localhost:8080"),
        ("ADDRESS", ":8080"),
        ("DB_PASSWORD", "admin:12345"),
        ("MODE", "fast"),
        ("WINDOW", "12:30"),
        ("DIR", "file:///var/lib"),
    ],
)
def test_what_is_injected_listened_on_secret_or_no_address_is_no_peer(name: str, value: str) -> None:
    assert in_spec(with_env(**{name: value})) == ()
