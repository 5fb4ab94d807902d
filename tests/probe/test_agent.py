"""The probe's thinking, without a kernel: what it accepts, where it may send, how it finds a pod and reads answers."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from errno import EADDRNOTAVAIL, ECONNREFUSED, ENOENT

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.access.probe import agent
from sensors.access.probe.agent import BadRequest, Ended, LookRequest, RateLimit, ResolvConf
from tests.kit.clock import in_faked_time
from tests.probe.namespaces import AGENT

UID = "0d1f6c5e-7a83-4d9b-9a55-3c2b1e0f4a77"


def request(**said: object) -> str:
    return json.dumps({"version": 2, **said})


# -- the request -------------------------------------------------------------------------------------------------------


def test_a_request_becomes_typed_values_and_doubles_are_one() -> None:
    text = request(
        pod_uid=UID,
        files=["net/tcp", "net/tcp"],
        lookups=[{"name": "db.shop", "qtype": "AAAA"}, {"name": "db.shop"}],
        connects=[{"host": "::ffff:10.0.0.1", "port": 80}, {"host": "10.0.0.1", "port": 80, "protocol": "tcp"}],
        path_mtu=["10.0.0.1"],
        node_files=["dmesg"],
        allow={"addresses": ["10.0.0.0/8", "fd00:1::1"]},
        budget_ms=500,
        max_targets=3,
    )

    assert agent.read_request(text) == LookRequest(
        pod_uid=UID,
        files=("net/tcp",),
        lookups=(("db.shop", "AAAA"), ("db.shop", "A")),
        connects=(agent.ConnectTarget("10.0.0.1", 80),),
        path_mtu=("10.0.0.1",),
        node_files=("dmesg",),
        allow=(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00:1::1/128")),
        budget_ms=500,
        max_targets=3,
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "the request is not JSON"),
        ("[" * 60_000, "the request is not JSON"),
        ("[]", "the request is not a JSON object"),
        ("x" * 70_000, "the request is larger than 65536 characters"),
        ('{"version": 1}', "this probe speaks version 2"),
        (request(pods=[]), "unknown key 'pods'"),
        (request(files=["net/tcp"]), "pod_uid is missing"),
        (request(pod_uid="../../1"), "pod_uid is not a UID"),
        (request(pod_uid=UID, files=["../shadow"]), "files: '../shadow' is none of net/snmp, net/netstat, "),
        (request(files="net/tcp"), "files is not a list of at most 64"),
        (request(lookups=["db"]), "lookups is not a list of objects"),
        (request(lookups=[{"name": "a b"}]), "'a b' is not a host name"),
        (request(lookups=[{"name": "a..b"}]), "'a..b' is not a host name"),
        (request(lookups=[{"name": "db", "qtype": "ANY"}]), "lookups: qtype 'ANY' is none of A, AAAA"),
        (request(lookups=[{"name": "db", "qtype": []}]), "lookups: qtype [] is none of A, AAAA"),
        (request(connects=[{"host": "db", "port": 0}]), "connects: port is not a whole number from 1 to 65535"),
        (request(connects=[{"host": "db", "port": True}]), "connects: port is not a whole number from 1 to 65535"),
        (request(connects=[{"host": "-o/x", "port": 1}]), "'-o/x' is not a host name"),
        (request(connects=[{"host": "db", "port": 1, "protocol": "sctp"}]), "connects: only tcp and udp can be tried"),
        (request(connects=[{"host": "db", "port": 1, "ask": "dns"}]), "connects: ask is dns, over udp, or left out"),
        (
            request(connects=[{"host": "db", "port": 1, "protocol": "udp", "ask": "snmp"}]),
            "connects: ask is dns, over udp, or left out",
        ),
        (request(path_mtu=["db"]), "path_mtu: 'db' is not an address"),
        (request(allow={"addresses": ["0.0.0.0/0"]}), "allow.addresses: 0.0.0.0/0 is too wide, /8 is the widest"),
        (request(allow={"addresses": ["all"]}), "allow.addresses: 'all' is neither an address nor a CIDR"),
        (request(allow=None), "allow.addresses is not a list of at most 1024"),
        (request(budget_ms=60_000), "budget_ms is not a whole number from 100 to 30000"),
        (request(max_targets=17), "max_targets is not a whole number from 0 to 16"),
    ],
)
def test_a_request_it_does_not_understand_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BadRequest) as refused:
        agent.read_request(text)

    assert str(refused.value).startswith(why)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*LookRequest.__dataclass_fields__, "x"]), json_values))
def test_no_request_can_make_it_fall_over(said: dict[str, object]) -> None:
    try:
        found = agent.read_request(json.dumps({"version": 2, **said}))
    except BadRequest:
        return

    assert isinstance(found, LookRequest)


@pytest.mark.parametrize("arguments", [["{"], ["{}", "{}"], ["--proc"], []])
def test_a_malformed_call_answers_one_line_with_code_2_and_no_trace(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(AGENT), *arguments], input="no json", capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (2, "", 1)
    assert set(json.loads(done.stdout)) == {"version", "error"}


def test_the_request_may_stand_on_standard_input() -> None:
    done = subprocess.run(
        [sys.executable, "-I", str(AGENT)], input=request(), capture_output=True, text=True, check=False
    )

    answer = json.loads(done.stdout)
    assert (done.returncode, answer["version"], answer["errors"]) == (0, 2, {})


# -- where packets may go ----------------------------------------------------------------------------------------------

EVERYWHERE = tuple(ipaddress.ip_network(f"{first}.0.0.0/8") for first in range(256)) + tuple(
    ipaddress.ip_network(f"{first:x}00::/8") for first in range(256)
)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
        "169.254.1.1",
        "fe80::1",
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "224.0.0.251",
        "ff02::1",
        "255.255.255.255",
        "240.0.0.1",
    ],
)
@pytest.mark.parametrize("is_resolver", [False, True])
def test_some_addresses_are_never_sent_to_whatever_is_allowed(address: str, is_resolver: bool) -> None:
    exactly = ipaddress.ip_network(ipaddress.ip_address(address))

    why = agent.refusal(ipaddress.ip_address(address), (*EVERYWHERE, exactly), is_resolver=is_resolver)

    assert why is not None
    assert why.endswith("never probed")


def test_what_was_not_allowed_is_not_sent_to() -> None:
    allow = (ipaddress.ip_network("10.96.0.0/12"),)

    assert agent.refusal(ipaddress.ip_address("10.96.0.1"), allow) is None
    assert agent.refusal(ipaddress.ip_address("10.0.0.1"), allow) == (
        "10.0.0.1 is not among the addresses the caller allowed"
    )
    assert agent.refusal(ipaddress.ip_address("10.0.0.1"), allow, is_resolver=True) is None


def test_the_node_local_dns_cache_must_be_named_exactly_or_be_the_pods_resolver() -> None:
    cache = ipaddress.ip_address("169.254.20.10")

    assert agent.refusal(cache, (ipaddress.ip_network("169.254.20.10"),)) is None
    assert agent.refusal(cache, (), is_resolver=True) is None
    assert agent.refusal(cache, (ipaddress.ip_network("169.254.0.0/16"),)) is not None


# -- finding the pod ---------------------------------------------------------------------------------------------------

UNDERSCORED = UID.replace("-", "_")


@pytest.mark.parametrize(
    ("text", "style"),
    [
        (f"0::/kubepods/burstable/pod{UID}/7f3c", "cgroup v2, cgroupfs"),
        (f"0::/../../burstable/pod{UID}/7f3c/init.scope", "cgroup v2, cgroupfs"),
        (
            f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UNDERSCORED}.slice/cri-containerd-a.scope",
            "cgroup v2, systemd",
        ),
        (f"0::/kubepods.slice/kubepods-pod{UNDERSCORED}.slice/crio-a.scope", "cgroup v2, systemd"),
        (f"0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UNDERSCORED}.slice/x", "cgroup v2, systemd"),
        (f"12:pids:/kubepods/pod{UID}/7f3c\n1:name=systemd:/kubepods/pod{UID}/7f3c", "cgroup v1, cgroupfs"),
        (
            f"4:cpu,cpuacct:/kubepods.slice/kubepods-besteffort-pod{UNDERSCORED}.slice/docker-a.scope",
            "cgroup v1, systemd",
        ),
        ("0::/system.slice/containerd.service", None),
        (f"0::/kubepods/burstable/pod{UID}0/7f3c", None),
        (f"0::/kubepods/burstable/xpod{UID}/7f3c", None),
        (f"0::/kubepods.slice/kubepods-pod{UNDERSCORED}0.slice/x", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_a_pod_is_known_by_its_uid_in_either_driver_and_version(text: str, style: str | None) -> None:
    assert agent.cgroup_style(text, UID) == style


# -- resolver ----------------------------------------------------------------------------------------------------------


def test_resolv_conf_is_read_as_the_library_reads_it() -> None:
    text = (
        "# made by kubelet\n; nameserver 9.9.9.9\ndomain old\nsearch a.svc.cluster.local. cluster.local .\n"
        "nameserver 10.96.0.10\nnameserver 10.0.0.2\nnameserver\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n"
        "options ndots:2 edns0\noptions ndots:99 use-vc\n"
    )

    assert agent.parse_resolv_conf(text) == ResolvConf(
        servers=("10.96.0.10", "10.0.0.2", "10.0.0.3"),
        search=("a.svc.cluster.local", "cluster.local", "."),
        ndots=15,
        use_tcp=True,
    )
    assert agent.parse_resolv_conf("") == ResolvConf()


def asked(name: str, conf: ResolvConf, *endings: Ended) -> list[str]:
    names, search = [], agent.tries(name, conf)
    full: str | None = next(search)
    for ended in (*endings, *[Ended.NOTHING] * 20):
        if full is None:
            break
        names.append(full)
        full = agent._send(search, ended)
    return names


def test_the_root_in_the_search_list_stands_for_the_name_itself() -> None:
    assert asked("db", ResolvConf(search=("a.b", "."))) == ["db.a.b", "db"]


def test_a_refused_resolver_ends_the_search_and_a_silent_one_leaves_the_name_itself() -> None:
    conf = ResolvConf(search=("a", "b"), ndots=5)

    assert asked("db", conf, Ended.NOBODY) == ["db.a"]
    assert asked("db", conf, Ended.FAILED) == ["db.a", "db"]
    assert asked("db", conf) == ["db.a", "db.b", "db"]


@settings(deadline=None)
@given(st.binary(max_size=600))
def test_no_bytes_from_a_dns_server_can_make_it_fall_over(raw: bytes) -> None:
    question = agent.encode_question(7, "db.shop", "A")

    for answer in (raw, question[:2] + b"\x81\x80" + raw, question[:2] + b"\x81\x80\0\1\0\xff" + question[8:] + raw):
        try:
            found = agent.decode_answer(question, answer)
        except ValueError:
            continue
        assert found is None or found.rcode


def test_an_answer_to_another_question_is_none_even_with_the_same_number() -> None:
    ours, other = (agent.encode_question(7, name, "A") for name in ("db.shop", "db.shup"))

    assert agent.decode_answer(ours, other[:2] + b"\x81\x83" + other[4:]) is None
    assert agent.decode_answer(ours, ours[:2] + b"\x81\x83" + ours[4:].upper()) == agent.DnsAnswer("NXDOMAIN")
    assert agent.decode_answer(ours, ours) is None


@pytest.mark.parametrize("name", ["a" * 64, ".".join(["a" * 60] * 5), "a..b"])
def test_a_name_that_fits_no_packet_is_no_question(name: str) -> None:
    with pytest.raises(ValueError, match="too long for a name"):
        agent.encode_question(1, name, "A")


def test_the_kernels_errors_become_the_five_results() -> None:
    names = {111: "ECONNREFUSED", 104: "ECONNRESET", 110: "ETIMEDOUT", 1: "EPERM", 113: "EHOSTUNREACH"}
    results = {111: "refused", 104: "reset", 110: "timeout", 1: "unreachable", 113: "unreachable"}

    found = {number: agent.connect_result(number) for number in names}

    assert found == {number: {"result": results[number], "errno": names[number]} for number in names}


@pytest.mark.parametrize(
    ("errors", "result", "tries"),
    [
        ((ENOENT,), "open", 2),
        ((EADDRNOTAVAIL,), "open", 2),
        ((ENOENT, ENOENT), "unreachable", 2),
        ((ECONNREFUSED,), "refused", 1),
    ],
)
async def test_what_the_node_could_not_try_is_tried_once_more(
    errors: tuple[int, ...], result: str, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, made = list(errors), []
    near, far = socket.socketpair()
    near.setblocking(False)

    @contextlib.asynccontextmanager
    async def wire(*asked: object) -> AsyncIterator[socket.socket]:
        made.append(asked)
        if left:
            raise OSError(left.pop(0), "said by the kernel")
        yield near

    monkeypatch.setattr(agent, "wire", wire)
    with near, far:
        row, _ = await agent.try_connect(RateLimit(), ipaddress.ip_address("10.0.0.1"), 80)

    assert (row["result"], len(made)) == (result, tries)


def test_a_sender_that_is_too_fast_waits_for_the_second_to_pass() -> None:
    async def send() -> float:
        time = asyncio.get_running_loop().time
        pace = RateLimit(per_second=20, clock=time)
        await asyncio.gather(*(pace.packets(5) for _ in range(4)))
        burst = time()
        await pace.packets()
        return burst

    assert in_faked_time(send()) == (0.0, 1.0)


# -- sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mtu", "found"), [(1499, 1492), (1450, 1450), (1449, 1440), (1400, 1400), (1349, 1280), (600, 576)]
)
async def test_six_sizes_find_the_largest_usual_one_that_fits(mtu: int, found: int) -> None:
    sent: list[int] = []

    async def arrives(size: int) -> int | None:
        sent.append(size)
        return size if size <= mtu else None

    row = await agent._search_sizes(arrives, 1500, 576)

    assert row == {"mtu": found, "unanswered": sorted(size for size in sent if size > mtu)}
    assert len(sent) <= 6


async def test_a_jumbo_promise_over_an_ordinary_road_is_found_too() -> None:
    async def arrives(size: int) -> int | None:
        return size if size <= 1500 else None

    row = await agent._search_sizes(arrives, 9001, 576)

    assert row["mtu"] == 1500


def test_the_checksum_is_that_of_rfc_1071() -> None:
    assert agent.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


# -- node --------------------------------------------------------------------------------------------------------------

OLD_STAT = """entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
000000ab  0000000c 0000000d 00000000 0000000e 00000000 00000000 00000000 00000001 00000002 00000003 00000004 00000005  00000000 00000000 00000000 00000006
"""  # noqa: E501 - the kernel's own line


def test_columns_are_found_by_name_whatever_the_kernels_age() -> None:
    assert agent.conntrack_stats(OLD_STAT) == (
        "cpu=0   \tsearched=12 found=13 invalid=14 insert=1 insert_failed=2 drop=3 early_drop=4 error=5 "
        "search_restart=6 \n"
    )


def test_kernel_messages_are_read_from_the_device_and_from_the_call() -> None:
    assert agent.device_record("4,812,3600500000,-;nf_conntrack: table full\n SUBSYSTEM=net\n") == (
        3600.5,
        "nf_conntrack: table full",
    )
    assert list(
        agent.syslog_records("<4>[ 3600.500000] eth0: Link is Down\n<6>no stamp\n<6>[    1.25][  T1] x\njunk")
    ) == [
        (3600.5, "eth0: Link is Down"),
        (None, "no stamp"),
        (1.25, "x"),
    ]
    assert agent.kernel_line(3600.5, "x", 0.0) == "1970-01-01T01:00:00,500000+00:00 x"


@pytest.mark.parametrize(
    ("line", "is_telling"),
    [
        ("nf_conntrack: nf_conntrack: table full, dropping packet", True),
        ("neighbour: arp_cache: neighbor table overflow!", True),
        ("IPv4: martian source 10.0.0.1 from 127.0.0.1, on dev eth0", True),
        ("Memory cgroup out of memory: Killed process 77 (coredns)", True),
        ("oom-kill:constraint=CONSTRAINT_MEMCG", True),
        ("ixgbe 0000:01:00.0 eth0: NIC Link is Down", True),
        ("TCP: request_sock_TCP: Possible SYN flooding on port 80.", True),
        ("NETDEV WATCHDOG: eth0 (virtio_net): transmit queue 0 timed out", True),
        ("UDP: bad checksum. From 172.16.9.99:27503 to 172.16.80.252:8472 ulen 75", True),
        ("nf_ct_proto_6: invalid packet ignored in state ESTABLISHED IN= OUT= SRC=10.0.0.1", True),
        ("audit: type=1400 user password entered", False),
        ("eth0: renamed from tmpec2ed", False),
        ("EXT4-fs (vda1): mounted filesystem", False),
    ],
)
def test_only_messages_that_bear_on_a_network_are_told(line: str, is_telling: bool) -> None:
    assert bool(agent.NETWORK_MESSAGES.search(line)) is is_telling


# -- the answer --------------------------------------------------------------------------------------------------------


def test_a_half_told_line_counts_as_not_told() -> None:
    wish = LookRequest(
        pod_uid=UID, files=("net/tcp", "net/snmp"), connects=(agent.ConnectTarget("10.0.0.1", 80),), budget_ms=700
    )
    told = [b'["pod_files","net/snmp","Tcp: 1"]', b'["pod_files","net/tcp","  sl  loc']

    answer = agent.put_together(wish, told)

    late = "not finished when the budget of 700 ms ended"
    assert answer["pod_files"] == {"net/snmp": "Tcp: 1"}
    assert answer["errors"] == {"pod_files/net/tcp": late, "connects/10.0.0.1:80": late}


def test_rows_stand_in_the_order_of_the_request_not_of_the_answers() -> None:
    told = [b'["lookups",[1,0],{"n":3}]', b'["lookups",[0,1],{"n":2}]', b'["lookups",[0,0],{"n":1}]']

    assert agent.put_together(LookRequest(), told)["lookups"] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_an_answer_too_large_loses_the_ends_of_its_longest_texts_and_says_so() -> None:
    answer = agent.put_together(LookRequest(), [])
    answer["pod_files"] = {
        "net/tcp": "line\n" * 100_000,
        "net/snmp": "Tcp: 1\n",
        "links.json": "[" + "1," * 200_000 + "1]",
    }

    found = agent.fit(answer, 200_000)

    assert len(json.dumps(found)) <= 200_000
    assert found["pod_files"]["net/snmp"] == "Tcp: 1\n"
    kept = found["pod_files"]["net/tcp"]
    assert kept.endswith("line\n")
    assert found["truncated"] == {"pod_files/net/tcp": f"only the first {len(kept)} bytes"}
    assert found["errors"] == {"pod_files/links.json": "left out: its 400003 characters make the answer too large"}


def test_a_long_file_is_cut_after_a_whole_line(tmp_path: object) -> None:
    path = f"{tmp_path}/tcp"
    with open(path, "w") as file:
        file.write("0123456789\n" * 10)

    assert agent.read_at(None, path, 25) == ("0123456789\n" * 2, True)
    assert agent.read_at(None, path) == ("0123456789\n" * 10, False)


def test_the_probe_needs_nothing_but_the_standard_library() -> None:
    script = (
        "import sys, runpy; runpy.run_path(sys.argv[1]); print([m for m in sys.modules if m.startswith('sensors')])"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(AGENT)], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
