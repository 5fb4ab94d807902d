"""What the probe says is what the kernel did: every test makes its own namespaces, packets and drops."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from sensors.access.probe import agent
from tests.probe.dns_server import DnsServer
from tests.probe.namespaces import PEER, POD, UID, World, inside, join, listener, run, until

ALL_FILES = [
    "net/snmp",
    "net/netstat",
    "net/sockstat",
    "net/tcp",
    "net/tcp6",
    "links.json",
    "routes.json",
    "resolv.conf",
]


def doors(world: World, *ports: int, host: str = PEER) -> list[dict[str, object]]:
    return [{"host": host, "port": port} for port in ports]


def without_ms(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{key: value for key, value in row.items() if key != "ms"} for row in rows]


def results(answer: dict[str, object]) -> list[tuple[object, object]]:
    rows = answer["connects"]
    assert isinstance(rows, list)
    return [(row["result"], row.get("errno")) for row in rows]


# -- reading -----------------------------------------------------------------------------------------------------------


def test_every_file_of_the_pod_is_the_kernel_s_own(world: World) -> None:
    answer = world.probe(files=ALL_FILES)

    assert sorted(answer["pod_files"]) == sorted(ALL_FILES)
    assert answer["pod_files"]["net/snmp"].splitlines()[0] == world.pod.exec("cat", "/proc/net/snmp").splitlines()[0]
    assert answer["pod_files"]["resolv.conf"] == f"nameserver {PEER}\n"
    assert (answer["errors"], answer["truncated"]) == ({}, {})
    assert answer["how"] == "cgroup v2, cgroupfs: process 4711 (app) for the network"
    assert (answer["pid"], answer["host_network"]) == (4711, False)


def test_links_are_told_as_ip_tells_them(world: World) -> None:
    world.pod.ip("link", "add", "br0", "type", "bridge")
    world.pod.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
    world.pod.ip("link", "set", "v0", "master", "br0")
    world.pod.ip("link", "set", "v0", "up")
    inside(world.pod.name, lambda: _shout(PEER))

    answer = world.probe(files=["links.json"])

    assert json.loads(answer["pod_files"]["links.json"]) == json.loads(world.pod.ip("-j", "-s", "link"))


def _shout(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.sendto(b"hello", (address, 9))


def test_routes_are_told_as_ip_tells_them(world: World) -> None:
    for route in (
        f"default via {PEER}",
        f"10.20.0.0/16 via {PEER} mtu 1450 metric 7 proto bird",
        "prohibit 10.21.0.0/16",
        "blackhole 10.22.0.1",
        f"10.23.0.0/24 nexthop via {PEER} weight 2 nexthop via 10.9.0.3",
        f"10.24.0.0/24 via 192.0.2.1 dev a0 onlink src {POD}",
    ):
        world.pod.ip("route", "add", *route.split())

    answer = world.probe(files=["routes.json"])

    assert json.loads(answer["pod_files"]["routes.json"]) == json.loads(world.pod.ip("-j", "route"))


def test_retransmitted_data_shows_in_the_pod_s_counters(world: World) -> None:
    with (
        listener(world.peer.name, PEER, 80),
        inside(world.pod.name, lambda: socket.create_connection((PEER, 80))) as end,
    ):
        world.peer.nft("add table ip x; add chain ip x i { type filter hook input priority 0; }; add rule ip x i drop")
        end.sendall(b"are you there?")

        until(lambda: _retransmitted(world.probe(files=["net/snmp"])["pod_files"]["net/snmp"]) > 0)


def _retransmitted(snmp: str) -> int:
    names, values = (line.split() for line in snmp.splitlines() if line.startswith("Tcp:"))
    return int(dict(zip(names, values, strict=True))["RetransSegs"])


def test_the_node_s_connection_tracking_is_told_as_its_tool_tells_it(world: World) -> None:
    join(world.node, "10.10.0.1/24", world.peer, "10.10.0.2/24", index=1)
    world.node.nft(
        "add table ip x; add chain ip x o { type filter hook output priority 0; }; add rule ip x o ct state new"
    )
    inside(world.node.name, lambda: _shout("10.10.0.2"))
    names = ["nf_conntrack_count", "nf_conntrack_max", "conntrack_stats", "links.json"]

    answer = world.probe(node_files=names)

    files = answer["node_files"]
    assert _figures(files["conntrack_stats"]) == _figures(world.node.exec("conntrack", "-S"))
    assert (
        int(files["nf_conntrack_count"])
        == int(world.node.exec("cat", "/proc/sys/net/netfilter/nf_conntrack_count"))
        == 1
    )
    assert int(files["nf_conntrack_max"]) > 0
    assert {each["ifname"] for each in json.loads(files["links.json"])} == {"lo", "a1"}


def _figures(text: str) -> list[dict[str, int]]:
    return [
        {key: int(value) for key, value in (pair.split("=") for pair in line.split())} for line in text.splitlines()
    ]


def test_only_telling_lines_of_the_kernel_log_are_read_and_they_carry_the_time(world: World) -> None:
    world.peer.exec("sysctl", "-qw", "net.ipv4.conf.all.log_martians=1", "net.ipv4.conf.all.rp_filter=1")
    world.pod.ip("addr", "add", "127.9.9.9/32", "dev", "a0")
    world.pod.exec("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
    inside(world.pod.name, lambda: _shout_from("127.9.9.9", PEER))

    lines = until(lambda: [each for each in _dmesg(world) if "martian source" in each and "127.9.9.9" in each])

    assert lines[-1].startswith(time.strftime("%Y-", time.gmtime()))
    assert all("renamed from" not in each for each in _dmesg(world))


def _dmesg(world: World) -> list[str]:
    lines: list[str] = world.probe(node_files=["dmesg"])["node_files"]["dmesg"].splitlines()
    return lines


def _shout_from(source: str, address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((source, 0))
        made.sendto(b"hello", (address, 9))


# -- whose network -----------------------------------------------------------------------------------------------------


def test_the_pause_process_owns_the_network_and_the_container_lends_its_files(world: World) -> None:
    world.process(9000, "pause")
    nested = world.process(99, "nested", netns=world.peer)
    (nested / "root/etc/resolv.conf").write_text("nameserver 10.255.0.1\n")

    answer = world.probe(files=["resolv.conf"])

    assert answer["pid"] == 9000
    assert answer["how"] == (
        "cgroup v2, cgroupfs: process 9000 (pause) for the network, process 4711 (app) for resolv.conf"
    )
    assert answer["pod_files"]["resolv.conf"] == f"nameserver {PEER}\n"


def test_a_pod_on_the_node_s_network_is_told_as_such(world: World) -> None:
    other = "99999999-7a83-4d9b-9a55-3c2b1e0f4a77"
    world.process(5000, "agent", uid=other, netns=world.node)

    answer = world.probe(pod_uid=other, files=["links.json"])

    assert answer["host_network"] is True
    assert answer["how"].endswith("; shares the node's network")


def test_a_pod_that_is_not_here_leaves_a_reason_for_every_thing_asked(world: World) -> None:
    answer = world.probe(
        pod_uid="11111111-1111", files=["net/tcp"], connects=doors(world, 80), node_files=["links.json"]
    )

    why = "no process of the pod with UID 11111111-1111 runs on this node"
    assert answer["errors"] == {"pod": why, "pod_files/net/tcp": why, f"connects/{PEER}:80": why}
    assert answer["node_files"]["links.json"].startswith("[")


def test_links_in_the_container_s_files_never_lead_to_the_probe_s_own(world: World, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("a token of the probe")
    conf = world.proc / "4711/root/etc/resolv.conf"
    conf.unlink()
    conf.symlink_to(secret)

    outside = world.probe(files=["resolv.conf"])

    assert outside["errors"] == {"pod_files/resolv.conf": "No such file or directory"}


def test_links_inside_the_container_are_followed_as_the_container_would(world: World) -> None:
    root = world.proc / "4711/root"
    (root / "run").mkdir()
    (root / "run/resolv.conf").write_text("nameserver 10.9.0.9\n")
    (root / "etc/resolv.conf").unlink()
    (root / "etc/resolv.conf").symlink_to("/run/resolv.conf")

    answer = world.probe(files=["resolv.conf"])

    assert answer["pod_files"]["resolv.conf"] == "nameserver 10.9.0.9\n"


def test_a_pipe_in_place_of_a_file_does_not_hold_the_probe_up(world: World) -> None:
    conf = world.proc / "4711/root/etc/resolv.conf"
    conf.unlink()
    os.mkfifo(conf)

    answer = world.probe(files=["resolv.conf"])

    assert answer["errors"] == {"pod_files/resolv.conf": "Operation not permitted"}
    assert answer["took_ms"] < 6000  # else it ends with its budget, after eight seconds


# -- connections -------------------------------------------------------------------------------------------------------


def test_every_way_a_connection_can_end_has_its_own_word(world: World) -> None:
    world.peer.nft(
        "add table ip x; add chain ip x i { type filter hook input priority 0; };"
        "add rule ip x i tcp dport 81 drop;"
        "add rule ip x i tcp dport 82 reject with tcp reset;"
        "add rule ip x i tcp dport 83 reject with icmp admin-prohibited;"
        "add rule ip x i tcp dport 84 reject with icmp port-unreachable"
    )
    world.pod.nft(
        "add table ip x; add chain ip x o { type filter hook output priority 0; }; add rule ip x o tcp dport 85 drop"
    )
    for kind, last in (("prohibit", 1), ("blackhole", 2), ("unreachable", 3)):
        world.pod.ip("route", "add", kind, f"10.7.0.{last}")
    far = [{"host": f"10.7.0.{last}", "port": 80} for last in (1, 2, 3)] + [{"host": "10.6.0.1", "port": 80}]

    with listener(world.peer.name, PEER, 80), _slammer(world, 86):
        answer = world.probe(connects=[*doors(world, 80, 81, 82, 83, 84, 85, 86, 87), *far])

    assert results(answer) == [
        ("open", None),
        ("timeout", "ETIMEDOUT"),
        ("refused", "ECONNREFUSED"),
        ("unreachable", "EHOSTUNREACH"),
        ("refused", "ECONNREFUSED"),
        ("timeout", "ETIMEDOUT"),
        ("reset", "ECONNRESET"),
        ("refused", "ECONNREFUSED"),
        ("unreachable", "EACCES"),
        ("unreachable", "EINVAL"),
        ("unreachable", "EHOSTUNREACH"),
        ("unreachable", "ENETUNREACH"),
    ]
    assert 1950 < answer["connects"][1]["ms"] < 3500
    assert answer["took_ms"] < 5000


def datagrams(*ports: int, **more: str) -> list[dict[str, object]]:
    return [{"host": PEER, "port": port, "protocol": "udp", **more} for port in ports]


def test_a_datagram_is_answered_turned_away_or_sent_and_nothing_more(world: World) -> None:
    world.peer.nft(
        "add table ip x; add chain ip x i { type filter hook input priority 0; };"
        "add rule ip x i udp dport 514 drop;"
        "add rule ip x i udp dport 83 reject with icmp admin-prohibited"
    )
    world.pod.nft(
        "add table ip x; add chain ip x o { type filter hook output priority 0; }; add rule ip x o udp dport 85 drop"
    )
    with hearing(world, 5140) as heard, hearing(world, 7, answer=b"?"):
        answer = world.probe(connects=datagrams(5140, 514, 7, 81, 83, 85))
        told, (_, source_port) = heard.recvfrom(100)

    assert results(answer) == [
        ("sent", None),  # open, and it has nothing to say
        ("sent", None),  # filtered: the same silence
        ("open", None),
        ("refused", "ECONNREFUSED"),
        ("unreachable", "EHOSTUNREACH"),
        ("unreachable", "EPERM"),
    ]
    assert {row["protocol"] for row in answer["connects"]} == {"udp"}
    assert told == b""
    assert source_port in agent.SOURCE_PORTS


def test_a_dns_server_is_asked_a_question_of_the_cluster_s_own_and_owes_an_answer(world: World) -> None:
    world.resolv_conf(f"search shop.svc.lab.local svc.lab.local\nnameserver {PEER}\n")
    with DnsServer(world.peer.name, PEER, {"kubernetes.default.svc.lab.local": "REFUSED"}) as server:
        answered = world.probe(connects=datagrams(53, ask="dns"))
    with hearing(world, 5353):
        silent = world.probe(connects=datagrams(5353, ask="dns"))

    assert (results(answered), results(silent)) == ([("open", None)], [("timeout", "ETIMEDOUT")])
    assert ("udp", "kubernetes.default.svc.lab.local", "A") in server.asked


@contextlib.contextmanager
def hearing(world: World, port: int, answer: bytes = b""):  # type: ignore[no-untyped-def]
    """A UDP server that says nothing, or always the same."""
    made = inside(world.peer.name, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with made:
        made.bind((PEER, port))
        made.settimeout(5)

        def reply() -> None:
            with contextlib.suppress(OSError):
                made.sendto(answer, made.recvfrom(100)[1])

        if answer:
            threading.Thread(target=reply, daemon=True).start()
        yield made


@contextlib.contextmanager
def _slammer(world: World, port: int):  # type: ignore[no-untyped-def]
    """Accepts and hangs up at once with a reset, as a proxy does that has nobody behind it."""
    with listener(world.peer.name, PEER, port) as server:

        def slam() -> None:
            with contextlib.suppress(OSError):
                caller, _ = server.accept()
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                caller.close()

        threading.Thread(target=slam, daemon=True).start()
        yield


def test_nothing_is_said_in_an_opened_connection(world: World) -> None:
    with listener(world.peer.name, PEER, 80) as server:
        answer = world.probe(connects=doors(world, 80))
        caller, (_, source_port) = server.accept()
        with caller:
            heard = caller.recv(100)

    assert results(answer) == [("open", None)]
    assert heard == b""
    assert source_port in agent.SOURCE_PORTS  # whoever sees the packets knows whose they are


def test_a_name_is_connected_to_by_the_pod_s_own_resolver_and_its_address_is_noted(world: World) -> None:
    world.resolv_conf(f"search shop.svc.cluster.local\nnameserver {PEER}\noptions ndots:5\n")
    table = {"web.shop.svc.cluster.local": [PEER]}

    with listener(world.peer.name, PEER, 80), DnsServer(world.peer.name, PEER, table):
        answer = world.probe(connects=[{"host": "web", "port": 80}, {"host": "nowhere", "port": 80}])

    assert without_ms(answer["connects"]) == [
        {"host": "web", "port": 80, "protocol": "tcp", "address": PEER, "result": "open"}
    ]
    assert answer["errors"] == {"connects/nowhere:80": "not tried: nowhere did not resolve (NXDOMAIN)"}
    assert answer["lookups"] == []


def test_an_address_that_only_a_name_led_to_must_be_allowed_too(world: World) -> None:
    with DnsServer(world.peer.name, PEER, {"evil": ["169.254.169.254"], "far": ["203.0.113.5"]}):
        answer = world.probe(connects=[{"host": "evil", "port": 80}, {"host": "far", "port": 80}])

    assert answer["errors"] == {
        "connects/evil:80": "169.254.169.254 is a metadata address: never probed",
        "connects/far:80": "203.0.113.5 is not among the addresses the caller allowed",
    }


def test_no_packet_goes_where_none_may_go(world: World) -> None:
    world.pod.ip("route", "add", "default", "via", PEER)
    world.pod.nft(
        "add table ip x; add chain ip x o { type filter hook output priority 0; };add rule ip x o oifname a0 counter"
    )
    forbidden = ["169.254.169.254", "100.100.100.200", "203.0.113.1", "224.0.0.1", "255.255.255.255", "127.0.0.1"]

    answer = world.probe(
        connects=[{"host": each, "port": 80} for each in forbidden],
        path_mtu=forbidden,
        allow={"addresses": ["169.254.169.254", "100.100.100.200", "224.0.0.0/8", "255.255.255.255", "127.0.0.0/8"]},
    )

    assert len(answer["errors"]) == 2 * len(forbidden)
    assert (answer["connects"], answer["path_mtu"]) == ([], [])
    assert "packets 0 bytes 0" in world.pod.exec("nft", "list", "ruleset")


# -- names -------------------------------------------------------------------------------------------------------------


def test_the_search_burst_is_recorded_question_by_question(world: World) -> None:
    world.resolv_conf(
        f"search a.svc.cluster.local svc.cluster.local cluster.local\nnameserver {PEER}\noptions ndots:5\n"
    )

    with DnsServer(world.peer.name, PEER, {"db.b.svc.cluster.local": ["10.96.1.1", "10.96.1.2"]}) as server:
        answer = world.probe(lookups=[{"name": "db.b", "qtype": "A"}])

    nothing = {"qtype": "A", "server": PEER, "rcode": "NXDOMAIN", "addresses": []}
    assert without_ms(answer["lookups"]) == [
        {"name": "db.b.a.svc.cluster.local", **nothing},
        {"name": "db.b.svc.cluster.local", "qtype": "A", "server": PEER, "rcode": "NOERROR",
         "addresses": ["10.96.1.1", "10.96.1.2"]},
    ]  # fmt: skip
    assert server.asked == [("udp", "db.b.a.svc.cluster.local", "A"), ("udp", "db.b.svc.cluster.local", "A")]


def test_every_kind_of_dns_answer_comes_out_as_it_went_in(world: World) -> None:
    table = {"six": ["192.0.2.1", "2001:db8::6"], "bad": "SERVFAIL", "no": "REFUSED", "long": "cut", "odd": "garbled",
             "four": ["192.0.2.4"], "spoof": "other-first", "mute": "silent"}  # fmt: skip
    asked = [("six", "AAAA"), ("bad", "A"), ("no", "A"), ("long", "A"), ("odd", "A"), ("four", "AAAA"), ("spoof", "A"),
             ("mute", "A"), ("gone", "A")]  # fmt: skip

    with DnsServer(world.peer.name, PEER, table) as server:
        answer = world.probe(lookups=[{"name": name, "qtype": qtype} for name, qtype in asked])

    rows = [(row["name"], row.get("rcode"), row.get("error"), row["addresses"]) for row in answer["lookups"]]
    assert rows == [
        ("six", "NOERROR", None, ["2001:db8::6"]),
        ("bad", "SERVFAIL", None, []),
        ("no", "REFUSED", None, []),
        ("long", "NOERROR", None, ["192.0.2.9"]),
        ("odd", None, "garbled answer", []),
        ("four", "NOERROR", None, []),
        ("spoof", "NOERROR", None, ["192.0.2.1"]),
        ("mute", None, "timeout", []),
        ("gone", "NXDOMAIN", None, []),
    ]
    assert ("tcp", "long", "A") in server.asked


def test_the_next_server_is_asked_when_one_fails_and_not_when_one_says_no(world: World) -> None:
    world.peer.ip("addr", "add", "10.9.0.3/24", "dev", "b0")
    world.resolv_conf(f"nameserver {PEER}\nnameserver 10.9.0.3\nnameserver 10.9.0.4\n")
    first = DnsServer(world.peer.name, PEER, {"sick": "SERVFAIL", "mute": "silent"})
    second = DnsServer(world.peer.name, "10.9.0.3", {"sick": ["192.0.2.3"], "mute": ["192.0.2.3"]})

    with first, second:
        answer = world.probe(lookups=[{"name": "sick"}, {"name": "mute"}, {"name": "gone"}])

    assert [(row["name"], row["server"], row.get("rcode", row.get("error"))) for row in answer["lookups"]] == [
        ("sick", PEER, "SERVFAIL"),
        ("sick", "10.9.0.3", "NOERROR"),
        ("mute", PEER, "timeout"),
        ("mute", "10.9.0.3", "NOERROR"),
        ("gone", PEER, "NXDOMAIN"),
    ]


def test_a_cut_answer_whose_whole_cannot_be_had_over_tcp_is_told_apart(world: World) -> None:
    with DnsServer(world.peer.name, PEER, {"long": "cut"}, speaks_tcp=False):
        answer = world.probe(lookups=[{"name": "long", "qtype": "A"}])

    assert [row["error"] for row in answer["lookups"]] == [
        "Connection refused over TCP after a truncated answer over UDP"
    ]


def test_a_question_the_kernel_does_not_let_out_is_told_in_its_words(world: World) -> None:
    world.resolv_conf(f"search a.b c.d\nnameserver {PEER}\noptions ndots:5\n")
    world.pod.nft(
        "add table ip x; add chain ip x o { type filter hook output priority 0; }; add rule ip x o udp dport 53 drop"
    )

    answer = world.probe(lookups=[{"name": "db", "qtype": "A"}])

    assert without_ms(answer["lookups"]) == [
        {"name": "db.a.b", "qtype": "A", "server": PEER, "error": "Operation not permitted", "addresses": []}
    ]


def test_a_closed_dns_port_is_a_refused_connection(world: World) -> None:
    answer = world.probe(lookups=[{"name": "db", "qtype": "A"}])

    assert [row["error"] for row in answer["lookups"]] == ["Connection refused"]


def test_a_resolver_on_a_metadata_address_is_not_asked(world: World) -> None:
    world.resolv_conf("nameserver 169.254.169.254\n")

    answer = world.probe(lookups=[{"name": "db", "qtype": "A"}])

    assert answer["errors"] == {"lookups/db/A": "169.254.169.254 is a metadata address: never probed"}
    assert answer["lookups"] == []


def test_no_more_than_fifty_packets_leave_in_any_second(world: World) -> None:
    world.resolv_conf(f"search a b c d\nnameserver {PEER}\noptions ndots:5\n")

    with DnsServer(world.peer.name, PEER, {}) as server:
        answer = world.probe(lookups=[{"name": f"n{each}", "qtype": "A"} for each in range(16)])

    moments = server.times
    assert len(answer["lookups"]) == len(moments) == 80
    assert max(sum(begin <= each < begin + 0.7 for each in moments) for begin in moments) <= 50


# -- path MTU ----------------------------------------------------------------------------------------------------------


def narrow_road(world: World, mtu: int, *, tells: bool) -> str:
    """Puts a router with a narrow far side behind the peer's address; gives the address behind it."""
    far = world.space("far")
    join(world.peer, "10.11.0.1/24", far, "10.11.0.2/24", mtu=mtu, index=1)
    world.peer.exec("sysctl", "-qw", "net.ipv4.ip_forward=1")
    world.pod.ip("route", "add", "10.11.0.0/24", "via", PEER)
    far.ip("route", "add", "default", "via", "10.11.0.1")
    if not tells:
        world.peer.nft(
            "add table ip x; add chain ip x o { type filter hook output priority 0; };"
            "add rule ip x o icmp type destination-unreachable drop"
        )
    return "10.11.0.2"


def test_a_wide_road_carries_what_its_route_promises(world: World) -> None:
    world.pod.ip("route", "add", "10.9.0.2/32", "dev", "a0", "mtu", "1450")

    answer = world.probe(path_mtu=[PEER])

    assert answer["path_mtu"] == [
        {"destination": PEER, "method": "icmp-echo-df", "route_mtu": 1450, "mtu": 1450, "unanswered": []}
    ]


def test_a_road_that_swallows_large_packets_is_measured_and_the_lost_sizes_named(world: World) -> None:
    behind = narrow_road(world, 1400, tells=False)

    answer = world.probe(path_mtu=[behind])

    row = answer["path_mtu"][0]
    assert (row["route_mtu"], row["mtu"]) == (1500, 1400)
    assert row["unanswered"][-1] == 1500
    assert min(row["unanswered"]) == 1420


def test_a_router_that_names_its_mtu_leaves_nothing_unanswered(world: World) -> None:
    behind = narrow_road(world, 1333, tells=True)

    answer = world.probe(path_mtu=[behind])

    assert answer["path_mtu"] == [
        {"destination": behind, "method": "icmp-echo-df", "route_mtu": 1500, "mtu": 1333, "unanswered": []}
    ]


def test_a_peer_that_answers_no_echo_is_silent_and_an_open_connection_tells_what_tcp_believes(world: World) -> None:
    world.peer.nft(
        "add table ip x; add chain ip x i { type filter hook input priority 0; };"
        "add rule ip x i icmp type echo-request drop"
    )

    with listener(world.peer.name, PEER, 80):
        answer = world.probe(path_mtu=[PEER], connects=doors(world, 80))

    row = answer["path_mtu"][0]
    assert row["error"] == "no answer to ICMP echo of any size"
    assert (row["tcp_pmtu"], row["tcp_mss"]) == (1500, 1448)


def test_an_echo_the_kernel_does_not_let_out_is_not_called_unanswered(world: World) -> None:
    world.pod.nft(
        "add table ip x; add chain ip x o { type filter hook output priority 0; };"
        "add rule ip x o icmp type echo-request drop"
    )

    answer = world.probe(path_mtu=[PEER])

    assert answer["path_mtu"] == [
        {"destination": PEER, "method": "icmp-echo-df", "route_mtu": 1500, "error": "Operation not permitted"}
    ]


def test_an_echo_answered_by_an_error_is_told_in_its_words_and_at_once(world: World) -> None:
    world.peer.nft(
        "add table ip x; add chain ip x i { type filter hook input priority 0; };"
        "add rule ip x i icmp type echo-request reject with icmp host-unreachable"
    )

    answer = world.probe(path_mtu=[PEER])

    assert answer["path_mtu"] == [
        {"destination": PEER, "method": "icmp-echo-df", "route_mtu": 1500, "error": "No route to host"}
    ]
    assert answer["took_ms"] < 900


def test_path_mtu_over_ipv6(world: World) -> None:
    for side, link, address in ((world.pod, "a0", "fd00:9::1/64"), (world.peer, "b0", "fd00:9::2/64")):
        side.exec("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", f"net.ipv6.conf.{link}.disable_ipv6=0")
        side.ip("addr", "add", address, "dev", link, "nodad")

    answer = world.probe(
        path_mtu=["fd00:9::2"], connects=[{"host": "fd00:9::2", "port": 80}], allow={"addresses": ["fd00:9::/64"]}
    )

    assert answer["path_mtu"][0] | {"destination": ""} == {
        "destination": "", "method": "icmp-echo-df", "route_mtu": 1500, "mtu": 1500, "unanswered": []
    }  # fmt: skip
    assert results(answer) == [("refused", "ECONNREFUSED")]


# -- limits ------------------------------------------------------------------------------------------------------------


def test_when_the_budget_ends_what_is_known_is_told_and_the_rest_is_named(world: World) -> None:
    world.peer.nft(
        "add table ip x; add chain ip x i { type filter hook input priority 0; }; add rule ip x i tcp dport 81 drop"
    )
    world.resolv_conf(f"search silent.zone\nnameserver {PEER}\noptions ndots:5\n")

    with DnsServer(
        world.peer.name, PEER, {"db.silent.zone": "silent", "ok": ["192.0.2.1"], "ok.silent.zone": "NXDOMAIN"}
    ):
        answer = world.probe(
            files=["net/snmp"], budget_ms=1500, connects=doors(world, 80, 81), lookups=[{"name": "ok"}, {"name": "db"}]
        )

    late = "not finished when the budget of 1500 ms ended"
    assert answer["errors"] == {f"connects/{PEER}:81": late, "lookups/db/A": late}
    assert results(answer) == [("refused", "ECONNREFUSED")]
    assert [row["name"] for row in answer["lookups"]] == ["ok.silent.zone", "ok"]
    assert list(answer["pod_files"]) == ["net/snmp"]
    assert 1490 < answer["took_ms"] < 6000


def test_no_process_of_the_probe_outlives_it(world: World) -> None:
    world.peer.nft("add table ip x; add chain ip x i { type filter hook input priority 0; }; add rule ip x i drop")

    with subprocess.Popen(world.command(connects=doors(world, 80), budget_ms=20000), stdout=subprocess.PIPE) as probe:
        child = until(lambda: _children(probe.pid))[0]
        until(lambda: os.stat(f"/proc/{child}/ns/net").st_ino == os.stat(f"/run/netns/{world.pod.name}").st_ino)
        own = os.stat(f"/proc/{probe.pid}/ns/net").st_ino
        probe.send_signal(signal.SIGKILL)
        probe.wait()

    until(lambda: not Path(f"/proc/{child}/ns/net").exists())
    assert own == os.stat("/proc/self/ns/net").st_ino


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_targets_beyond_the_limit_are_left_out_and_named(world: World) -> None:
    answer = world.probe(connects=doors(world, 1, 2, 3), path_mtu=[PEER], max_targets=2)

    left_out = "left out: 2 targets are the limit"
    assert answer["errors"] == {f"connects/{PEER}:3": left_out, f"path_mtu/{PEER}": left_out}
    assert results(answer) == [("refused", "ECONNREFUSED")] * 2


CHART = Path(__file__).parents[2] / "helm/kai/templates/probe-daemonset.yaml"


def only_with(*capabilities: str) -> list[str]:
    kept = ",".join(("-all", *(f"+{each.lower()}" for each in capabilities)))
    return ["setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set={kept}"]


def test_the_rights_that_the_daemonset_asks_for_are_enough(world: World) -> None:
    granted = re.findall(r"^ +- ([A-Z_]+) #", CHART.read_text(), re.MULTILINE)
    everything = {"files": ALL_FILES, "connects": doors(world, 80), "path_mtu": [PEER]}

    answer = world.probe(under=only_with(*granted), node_files=["links.json", "dmesg"], **everything)

    assert sorted(granted) == ["NET_RAW", "SYSLOG", "SYS_ADMIN", "SYS_PTRACE"]
    assert answer["errors"] == {}
    assert answer["path_mtu"][0]["mtu"] == 1500


def test_a_missing_right_is_named_and_not_taken_for_the_pod_s(world: World) -> None:
    def errors(*granted: str) -> dict[str, str]:
        found: dict[str, str] = world.probe(under=only_with(*granted), path_mtu=[PEER])["errors"]
        return found

    why_not = {
        "no raw sockets": errors("SYS_ADMIN", "SYS_PTRACE"),
        "no entering": errors("SYS_PTRACE", "NET_RAW"),
        "no looking": errors("SYS_ADMIN", "NET_RAW"),
    }

    entering = "the network namespace ns/net cannot be entered: Operation not permitted"
    looking = "process 4711 of the pod may not be looked into (SYS_PTRACE, or an AppArmor profile)"
    assert why_not == {
        "no raw sockets": {f"path_mtu/{PEER}": "the probe may not open raw sockets (NET_RAW)"},
        "no entering": {"pod": entering, f"path_mtu/{PEER}": entering},
        "no looking": {"pod": looking, f"path_mtu/{PEER}": looking},
    }


def test_the_kernel_log_is_read_by_a_call_where_the_device_is_missing(world: World) -> None:
    records = list(agent.syslog_records(agent._syslog()))

    assert len(records) > 10
    assert {text for _, text in records} & {text for _, text in agent._device_records("/dev/kmsg")}


def test_the_probe_makes_no_file_anywhere_it_looks(world: World) -> None:
    before = run("find", str(world.proc))

    world.probe(files=ALL_FILES, connects=doors(world, 80))

    assert run("find", str(world.proc)) == before
    assert UID in (world.proc / "4711/cgroup").read_text()
