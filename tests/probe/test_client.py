"""What KAI sends to the probe the probe understands, and nothing that comes back can make KAI fall over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.access.casefolder import open_case
from sensors.access.probe import agent
from sensors.access.probe.client import ProbeAnswer, ProbeRequest, build_command, parse_answer
from sensors.kit import Blind, Connect, Dial, DnsLookup, PathMtu
from tests.probe.namespaces import PEER, UID, World

ANSWER = {
    "version": 2,
    "pid": 4711,
    "how": "cgroup v2, cgroupfs: process 4711 (app) for the network",
    "host_network": False,
    "pod_files": {"net/snmp": "Tcp: 1\n"},
    "node_files": {"nf_conntrack_count": "12\n"},
    "errors": {"pod_files/net/tcp": "Permission denied"},
    "truncated": {"node_files/dmesg": "only the first 10 bytes"},
    "lookups": [
        {"name": "db.a", "qtype": "A", "server": "10.96.0.10", "rcode": "NXDOMAIN", "addresses": [], "ms": 1.5},
        {"name": "db", "qtype": "A", "server": "10.96.0.10", "error": "timeout", "addresses": [], "ms": 2500},
    ],
    "connects": [
        {"host": "db", "port": 80, "protocol": "tcp", "address": "10.0.0.1", "result": "open", "ms": 0.3},
        {"host": "10.0.0.2", "port": 80, "protocol": "tcp", "result": "timeout", "errno": "ETIMEDOUT", "ms": 2501.0},
    ],
    "path_mtu": [
        {"destination": "10.0.0.1", "method": "icmp-echo-df", "route_mtu": 1450, "mtu": 1350,
         "unanswered": [1400, 1450]},
        {"destination": "10.0.0.2", "method": "icmp-echo-df", "route_mtu": 1450, "error": agent.SILENT,
         "tcp_pmtu": 1450},
    ],
    "took_ms": 2510.2,
}  # fmt: skip

PARSED = ProbeAnswer(
    pid=4711,
    how="cgroup v2, cgroupfs: process 4711 (app) for the network",
    host_network=False,
    pod_files={"net/snmp": "Tcp: 1\n"},
    node_files={"nf_conntrack_count": "12\n"},
    lookups=(
        DnsLookup("db.a", "A", "10.96.0.10", rcode="NXDOMAIN", ms=1.5),
        DnsLookup("db", "A", "10.96.0.10", error="timeout", ms=2500.0),
    ),
    connects=(
        Connect("db", 80, "tcp", "open", address="10.0.0.1", ms=0.3),
        Connect("10.0.0.2", 80, "tcp", "timeout", errno="ETIMEDOUT", ms=2501.0),
    ),
    path_mtu=(
        PathMtu("10.0.0.1", 1350, None, "icmp-echo-df", 1450, (1400, 1450)),
        PathMtu("10.0.0.2", None, "no answer to ICMP echo of any size", "icmp-echo-df", 1450),
    ),
    errors={"pod_files/net/tcp": "Permission denied"},
    truncated={"node_files/dmesg": "only the first 10 bytes"},
    took_ms=2510.2,
)


def test_the_probe_understands_what_kai_asks() -> None:
    wish = ProbeRequest(
        pod_uid=UID,
        files=agent.POD_FILES,
        lookups=(("db", "A"),),
        connects=(Dial("10.0.0.1", 80), Dial("fd00::1", 443), Dial("10.0.0.1", 53, "udp", "dns")),
        path_mtu=("10.0.0.1",),
        node_files=agent.NODE_FILES,
        allow=("10.0.0.0/8", "fd00::1"),
        budget_ms=5000,
        max_targets=4,
    )

    program, document = build_command(wish)
    understood = agent.read_request(document)

    assert program == "kai-probe"
    assert (understood.files, understood.node_files) == (agent.POD_FILES, agent.NODE_FILES)
    assert (understood.lookups, understood.connects) == (wish.lookups, wish.connects)
    assert [str(each) for each in understood.allow] == ["10.0.0.0/8", "fd00::1/128"]
    assert (understood.budget_ms, understood.max_targets) == (5000, 4)


def test_only_a_datagram_may_end_as_sent_and_only_the_protocol_asked_for_is_taken() -> None:
    rows = [{"host": "a", "port": 5140, "protocol": over, "result": "sent", "ms": 1000.0} for over in ("udp", "tcp")]
    raw = json.dumps({"version": 2, "connects": rows, "lookups": [], "path_mtu": []}).encode()

    found = parse_answer(raw)

    assert [(each.protocol, each.result) for each in found.connects] == [("udp", "sent")]
    assert parse_answer(raw, ProbeRequest(UID, connects=(Dial("a", 5140, "udp"),))).connects == found.connects
    assert parse_answer(raw, ProbeRequest(UID, connects=(Dial("a", 5140),))).connects == ()


def test_hostile_names_stay_one_argument() -> None:
    command = build_command(ProbeRequest(pod_uid=UID, connects=(Dial("$(reboot); 'x' \n --proc", 80),)))

    assert len(command) == 2
    assert json.loads(command[1])["connects"] == [{"host": "$(reboot); 'x' \n --proc", "port": 80, "protocol": "tcp"}]
    with pytest.raises(agent.BadRequest):
        agent.read_request(command[1])


def test_an_answer_becomes_the_kit_s_own_rows() -> None:
    assert parse_answer(json.dumps(ANSWER).encode() + b"\n") == PARSED


def test_words_around_the_answer_do_not_matter() -> None:
    raw = b"warning: {no locale}\n{oops\n" + json.dumps(ANSWER).encode() + b"\r\nconnection closed\n"

    assert parse_answer(raw) == PARSED


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "the probe gave no answer: nothing on standard output"),
        (b"exec: kai-probe: not found\x1b[0m\n", "the probe gave no answer: exec: kai-probe: not found [0m"),
        (json.dumps(ANSWER).encode()[:400], "the probe's answer breaks off or is garbled (400 bytes)"),
        (b'{"version":2,"error":"pod_uid is missing"}', "the probe refused the request: pod_uid is missing"),
        (b'{"version":7}', "the probe speaks version 7, KAI speaks 2: upgrade the older one"),
        (b'{"a":' * 100_000, "the probe's answer breaks off or is garbled (500000 bytes)"),
        (b"{" * 5_000_000, "the probe's answer is larger than 4194304 bytes"),
    ],
)
def test_what_is_no_answer_is_blindness_with_one_sentence(raw: bytes, why: str) -> None:
    with pytest.raises(Blind) as blind:
        parse_answer(raw)

    assert str(blind.value) == why


def test_rows_that_make_no_sense_are_left_out_and_counted() -> None:
    rows = [None, {}, {"host": "a", "port": "80", "protocol": "tcp", "result": "open"},
            {"host": "a", "port": 80, "protocol": "tcp", "result": "fine"}, ANSWER["connects"][0]]  # fmt: skip

    found = parse_answer(json.dumps({"version": 2, "connects": rows, "lookups": [], "path_mtu": None}).encode())

    assert found.connects == PARSED.connects[:1]
    assert found.errors == {
        "connects": "4 rows of the probe's answer could not be understood",
        "path_mtu": "missing",
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(ANSWER)) | st.text(), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(ANSWER)), json_values))
def test_no_answer_can_make_kai_fall_over(said: dict[str, object]) -> None:
    assert isinstance(parse_answer(json.dumps({"x": 0} | said | {"version": 2}).encode()), ProbeAnswer)


def test_nothing_is_taken_that_was_not_asked_for() -> None:
    """A node that is not its own master says what it likes about others, too; nobody listens."""
    asked = ProbeRequest(
        pod_uid=UID,
        files=("net/snmp",),
        node_files=("dmesg",),
        lookups=(("db.", "A"),),
        connects=(Dial("10.0.0.2", 80),),
        path_mtu=("10.0.0.1",),
    )
    more = {"pod_files": {"net/snmp": "Tcp: 1\n", "net/tcp": "x", "../secret": "y"}}
    others = [*ANSWER["lookups"], *({**ANSWER["lookups"][0], "name": n} for n in ("bank.example.", "dbx"))]  # type: ignore[misc]

    found = parse_answer(json.dumps({**ANSWER, **more, "lookups": others}).encode(), asked)

    assert (found.pod_files, found.node_files) == ({"net/snmp": "Tcp: 1\n"}, {})
    assert [each.name for each in found.lookups] == ["db.a", "db"]
    assert found.connects == PARSED.connects[1:]
    assert found.path_mtu == PARSED.path_mtu[:1]
    assert parse_answer(json.dumps(ANSWER).encode(), ProbeRequest()).lookups == ()


@pytest.mark.parametrize("host", ["::ffff:10.0.0.1", "fd00:0:0::1", "10.0.0.1", "db.shop"])
def test_a_host_is_recognised_in_the_form_in_which_the_probe_repeats_it(host: str) -> None:
    repeated = agent.read_request(ProbeRequest(UID, connects=(Dial(host, 80),)).to_json()).connects[0].host
    row = {"host": repeated, "port": 80, "protocol": "tcp", "result": "open"}
    answer = json.dumps({"version": 2, "connects": [row]}).encode()

    assert len(parse_answer(answer, ProbeRequest(UID, connects=(Dial(host, 80),))).connects) == 1


def test_more_rows_than_any_question_brings_are_cut_off() -> None:
    many = {"version": 2, "connects": ANSWER["connects"] * 5000, "lookups": [], "path_mtu": []}  # type: ignore[operator]

    assert len(parse_answer(json.dumps(many).encode()).connects) == 2048


def test_a_file_that_is_missing_says_why() -> None:
    assert PARSED.pod_file("net/snmp") == "Tcp: 1\n"
    assert PARSED.node_file("nf_conntrack_count") == "12\n"
    with pytest.raises(Blind, match=r"net/tcp: Permission denied"):
        PARSED.pod_file("net/tcp")
    with pytest.raises(Blind, match=r"dmesg: the probe was not asked for it"):
        PARSED.node_file("dmesg")


async def test_a_capture_made_from_an_answer_reads_back_as_the_same_rows(world: World, tmp_path: Path) -> None:
    raw = world.probe(connects=[{"host": PEER, "port": 80}], lookups=[{"name": "db"}], path_mtu=[PEER])
    folder = tmp_path / "case/pods/shop/web"
    folder.mkdir(parents=True)
    for table, name in (("lookups", "dns.json"), ("connects", "connect.json"), ("path_mtu", "pmtu.json")):
        (folder / name).write_text(json.dumps(raw[table]))

    live, case = parse_answer(json.dumps(raw).encode()), open_case(tmp_path / "case")

    assert await case.lookups("shop", "web", ()) == live.lookups != ()
    assert await case.connects("shop", "web", ()) == live.connects != ()
    assert await case.path_mtus("shop", "web", ()) == live.path_mtu != ()
