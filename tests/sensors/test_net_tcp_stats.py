"""Socket tables and counters are recorded incidents (kernel 6.18); column orders of other kernels are made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensors.access.casefolder import open_case
from sensors.kit import Blind, Sight, Target, observe
from sensors.kit.proc_net import (
    Counters,
    Listener,
    TcpSocket,
    decode_address,
    parse_sockets,
    parse_sockstat,
    parse_table,
)
from sensors.kit.sockets import PeerTraffic, PodSockets, parse_pod
from sensors.net_tcp_stats import SENSOR, TcpStats, look
from sensors.topology.destination import Backend, ports_by_pod
from tests.kit.cases import look_at
from tests.kit.fakes import FakeCluster

FOLDER = Path(__file__).parents[2] / "lab" / "cases"
WEB = Target("web", "shop", "10.0.0.6", 8080)
HEADER = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                \n"
)
# kernel 6.18, the pod of case chat-to-presence whose program listens on loopback only
LOOPBACK = (
    HEADER + "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 500474 1 "
    "000000003e2cde56 100 0 0 10 0\n"
)


async def seen(case: str) -> TcpStats:
    opened = open_case(FOLDER / case)
    return await look(opened.header.target, opened)


async def test_a_program_on_loopback_only_is_told_from_one_that_does_not_listen():
    found = await seen("chat-to-presence")

    (presence,) = found.peers
    assert presence.listeners == (Listener("127.0.0.1", 8080, v6=False),)
    assert presence.asked_ports == (8080,)
    assert presence.listens_only_on_loopback(8080)
    assert not presence.does_not_listen_on(8080)
    assert presence.does_not_listen_on(9090)
    assert presence.counters.resets_out == 16
    assert found.target.counters.attempt_fails == 16
    assert found.summary() == (
        "chat/chat-6f85794c56-l76j5: 0 SYN retransmits, 0 retransmitted segments, 16 failed attempts, 0 listen drops; "
        "chat/presence-7c9cd6985f-wxcms listens on 127.0.0.1:8080"
    )


async def test_a_server_on_another_port_than_the_one_asked():
    (gateway,) = (await seen("mobile-to-gateway")).peers

    assert gateway.asked_ports == (8081,)
    assert gateway.does_not_listen_on(8081)
    assert gateway.listens_on(8080) == ("::",)
    assert not gateway.listens_only_on_loopback(8080)


async def test_a_syn_without_an_answer_names_the_peer_and_its_repeats():
    found = (await seen("checkout-to-bank")).target

    assert [(each.peer, each.peer_port, each.retransmits) for each in found.unanswered_syns] == [
        ("10.244.1.50", 8443, 1)
    ]
    assert found.traffic[0] == PeerTraffic("SYN_SENT", "10.244.1.50", 8443, count=1, retransmits=1, send_queue=1)
    assert found.counters.syn_retransmits == 7


async def test_data_that_nobody_acknowledges_is_seen_at_the_sender():
    found = await seen("gallery-to-media")

    (media,) = found.peers
    assert [(each.peer, each.send_queue, each.retransmits) for each in media.stalled] == [("10.244.0.37", 78288, 3)]
    assert (media.counters.retransmitted, media.counters.mtu_probe_successes) == (18, 12)
    assert media.counters.retransmit_share == pytest.approx(18 / 692)
    assert found.target.stalled == ()


async def test_a_closed_socket_that_still_repeats_is_an_orphan_and_time_wait_is_not():
    found = (await seen("api-server-cannot-watch")).target

    assert [(each.state, each.peer, each.retransmits) for each in found.orphans_retransmitting] == [
        ("CLOSING", "172.30.0.11", 8)
    ]
    waiting = (await seen("cart-to-coupons")).target
    assert waiting.states == {"TIME_WAIT": 11}
    assert not any(each.orphaned for each in waiting.connections)


async def test_a_host_network_pod_shows_its_node_s_sockets_and_says_so():
    found = await seen("edge-to-sessions")

    assert found.target.host_network is True
    assert "(the whole node: host network)" in found.summary()
    assert found.peers[0].host_network is False


async def test_v4_mapped_peers_of_a_v6_listener_are_written_as_v4():
    (pricing,) = (await seen("basket-to-pricing")).peers

    assert pricing.listeners == (Listener("::", 8080, v6=True),)
    assert {each.peer for each in pricing.connections} == {"10.244.0.77"}
    assert pricing.traffic == (PeerTraffic("TIME_WAIT", "10.244.0.77", 0, count=6, retransmits=0, send_queue=0),)


async def test_the_tables_of_the_pods_behind_the_peer_are_used_where_the_callers_own_are_missing():
    found = await look_at(SENSOR, "101-declared-port-nobody-listens")

    assert "net/tcp is not in the recording" in found.target.blind
    assert found.peers[0].listens_on(8080) == ("0.0.0.0",)
    assert "taster-6b8d9c7f5-p1p1p not read" in found.summary()


async def test_blind_when_none_of_the_pod_s_files_can_be_read():
    evidence = await observe(SENSOR, WEB, FakeCluster(blind={"pod_files": "no right to exec into shop/web"}))

    assert (evidence.sight, evidence.why) == (Sight.BLIND, "no right to exec into shop/web")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("net/tcp", ""),
        ("net/tcp", "Active Internet connections (servers and established)\n"),
        ("net/tcp", HEADER + "   0: 0100007F:1F90 00000000:0000 7F 0:0 0:0 0 0 0 5\n"),
        ("net/tcp", HEADER + "   0: zz\n"),
        ("net/snmp", ""),
        ("net/snmp", "Tcp: ActiveOpens\nUdp: 4\n"),
        ("net/snmp", "Tcp: ActiveOpens PassiveOpens\nTcp: 4\n"),
        ("net/netstat", "cat: can't open '/proc/net/netstat': No such file or directory\n"),
        ("net/sockstat", "cat: can't open '/proc/net/sockstat': No such file\n"),
        ("net/sockstat", "TCP: inuse many\n"),
    ],
)
async def test_blind_on_a_format_it_does_not_know(name, text):
    evidence = await observe(SENSOR, WEB, FakeCluster(pod_files={f"shop/web/{name}": text}))

    assert evidence.sight is Sight.BLIND
    assert evidence.why
    assert "the sensor failed" not in evidence.why


def peer_cluster(**files):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "db-0", "namespace": "shop"},
        "status": {"podIP": "10.0.0.6"},
    }
    mine = {"shop/web/net/tcp": HEADER, "shop/web/net/tcp6": HEADER}
    return FakeCluster([pod], pod_files=mine | files)


async def test_a_blind_peer_is_noted_with_the_peer_and_does_not_blind_the_sensor():
    found = await look(WEB, peer_cluster())

    (peer,) = found.peers
    assert peer.blind == "shop/db-0/net/tcp was not given"
    assert not peer.does_not_listen_on(8080)
    assert found.summary() == "shop/web: no counters; shop/db-0 not read (shop/db-0/net/tcp was not given)"


async def test_a_table_that_was_not_read_proves_no_silence():
    found = await look(WEB, peer_cluster(**{"shop/db-0/net/tcp": LOOPBACK}))

    (peer,) = found.peers
    assert peer.unread == ("net/snmp", "net/netstat", "net/sockstat", "net/tcp6")
    assert peer.listens_on(8080) == ("127.0.0.1",)
    assert not peer.listens_only_on_loopback(8080)
    assert not peer.does_not_listen_on(9090)


async def test_a_kernel_without_ipv6_has_an_empty_second_table_and_not_an_unread_one():
    cluster = FakeCluster(
        pod_files={"shop/web/net/tcp": LOOPBACK}, absent={"shop/web/net/tcp6": "no such file: IPv6 is off"}
    )

    found = await look(Target("web", "shop"), cluster)

    assert found.target.listens_only_on_loopback(8080)


async def test_at_most_five_peers_are_read_and_the_rest_is_counted():
    ports = [{"name": "", "port": 80}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "many", "namespace": "shop"},
        "spec": {"clusterIP": "10.96.0.7", "ports": ports},
    }
    refs = [{"kind": "Pod", "namespace": "shop", "name": f"p{each}"} for each in range(7)]
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "many"}},
        "ports": ports,
        "endpoints": [{"addresses": [f"10.0.0.{each}"], "targetRef": ref} for each, ref in enumerate(refs)],
    }
    cluster = FakeCluster([service, slice_], pod_files={"shop/web/net/tcp": HEADER})

    found = await look(Target("web", "shop", "many", 80), cluster)

    assert ([each.pod for each in found.peers], found.left_out) == (["p0", "p1", "p2", "p3", "p4"], 2)


def test_a_pod_with_two_addresses_is_one_peer():
    backends = [
        Backend("10.0.0.6", (80,), "shop", "db", "n", True),
        Backend("fd00::6", (80, 81), "shop", "db", "n", True),
    ]

    assert ports_by_pod([*backends, Backend("172.30.0.1", (1,), "", "", "", True)]) == {("shop", "db"): (80, 81)}


def test_counters_are_read_by_name_in_whatever_order_a_kernel_writes_them():
    older = "Tcp: RetransSegs NewOne RtoMin\nTcp: 7 1 200\n"

    found = parse_pod("shop", "web", {"net/snmp": older})

    assert found.counters == Counters(retransmitted=7, rto_min_ms=200)
    assert found.counters.retransmit_share is None


def test_negative_values_are_values():
    assert parse_table("Tcp: MaxConn\nTcp: -1\n") == {"Tcp.MaxConn": -1}


def test_sockstat_is_read_by_name():
    text = "sockets: used 277\nTCP: inuse 16 orphan 2 tw 11 alloc 237 mem 45\nFRAG: inuse 0 memory 0\n"

    assert parse_sockstat(text)["sockstat.TCP.orphan"] == 2


@pytest.mark.parametrize(
    ("digits", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("A901F40A", "10.244.1.169"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF0000A901F40A", "10.244.1.169"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
    ],
)
def test_addresses_are_words_in_the_host_s_byte_order(digits, address):
    assert decode_address(digits) == address


def test_a_row_is_read_whole():
    row = "   0: BE00F40A:A8A4 3201F40A:20FB 02 00000001:00000000 01:00000017 0000000A     0        0 480192 2 0 0\n"

    assert parse_sockets(HEADER + row) == (
        (),
        (
            TcpSocket(
                state="SYN_SENT",
                address="10.244.0.190",
                port=43172,
                peer="10.244.1.50",
                peer_port=8443,
                retransmits=10,
                send_queue=1,
                receive_queue=0,
                orphaned=False,
                v6=False,
            ),
        ),
    )


def test_loopback_has_many_addresses_and_two_families():
    listeners = (Listener("127.0.0.53", 53, False), Listener("::1", 53, True), Listener("10.0.0.5", 80, False))

    found = PodSockets("shop", "web", listeners=listeners)

    both = PodSockets("shop", "web", listeners=(*listeners, Listener("0.0.0.0", 53, False)))
    assert (found.listens_only_on_loopback(53), found.listens_only_on_loopback(80)) == (True, False)
    assert not both.listens_only_on_loopback(53)


def test_a_format_error_is_blindness_with_a_reason():
    with pytest.raises(Blind, match="columns this sensor does not know"):
        parse_sockets("sl local rem\n")
