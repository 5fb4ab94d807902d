"""The folder layout is a contract with everyone who records a case."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sensors.access.casefolder import LOOK_AT, READ_AT_ONCE, BadCase, open_case
from sensors.kit.cluster import Connect, DnsLookup, Environment, PathMtu
from sensors.kit.kinds import ADMIN_NETWORK_POLICY, CALICO_NETWORK_POLICY, KINDS, NETWORK_POLICY, POD, SERVICE
from sensors.kit.model import NOT_RECORDED, Blind, Target
from tests.kit.cases import CASES, case, target_of

POD_YAML = "apiVersion: v1\nkind: Pod\nmetadata: {name: web-1, namespace: shop}\n"


def folder(root: Path, **files: str) -> Path:
    """A case folder; `objects__pods_yaml` stands for objects/pods.yaml."""
    for name, text in files.items():
        *parts, stem = name.split("__")
        base, _, suffix = stem.rpartition("_")
        path = root.joinpath(*parts, f"{base}.{suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


# -- the header --------------------------------------------------------------------------------------------------------


async def test_a_recorded_header_gives_the_question_the_moment_and_the_cluster() -> None:
    recorded = case("web-to-catalog")

    assert recorded.header.target == Target("web-747d774df4-bk458", "store", "catalog", 80)
    assert await recorded.now() == datetime(2026, 11, 23, 21, 12, 50, tzinfo=UTC)
    assert await recorded.environment() == Environment(
        cni="cilium",
        cni_version="1.20.0-dev+gcb982861da",
        kubernetes="v1.36.2-lab",
        kube_proxy_replacement=True,
        service_cidrs=("10.96.0.0/16",),
        pod_cidrs=("10.244.0.0/24", "10.244.1.0/24"),
        flow_source="hubble-relay",
    )
    assert recorded.header.synthetic is False


def test_what_the_recorder_missed_is_kept() -> None:
    assert any("healthz" in each for each in case("batch-new-worker").header.missing)


async def test_a_case_without_a_header_knows_nothing_and_is_as_old_as_its_files(tmp_path: Path) -> None:
    opened = open_case(folder(tmp_path, objects__pods_yaml=POD_YAML))

    assert opened.header.target is None
    assert await opened.environment() == Environment()
    assert (await opened.now()).tzinfo is UTC


# -- folders that are none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme_md": "hello"}, "is not a case: it holds none of case.yaml"),
        ({"case_yaml": "- a\n"}, "case.yaml: expected keys such as target and cluster, found list"),
        ({"case_yaml": "target: web"}, "case.yaml: target should hold keys, found str"),
        ({"case_yaml": "target: {pod: web}"}, "case.yaml: target needs pod and namespace"),
        ({"case_yaml": "target: {pod: w, namespace: n, to: 'x:y'}"}, "target needs pod and namespace, and to as HOST"),
        ({"case_yaml": "target: {pod: null, namespace: n}"}, "case.yaml: target needs pod and namespace"),
        ({"case_yaml": "recorded: {at: yesterday}"}, "case.yaml: recorded.at wants a time such as 2026-"),
        ({"case_yaml": "cluster: {cni: [cilium]}"}, "case.yaml: cluster.cni should be a word, found list"),
        ({"case_yaml": "a: [\n"}, "case.yaml, line 2: not YAML"),
        ({"objects__pods_yaml": "a: {b\n"}, "pods.yaml, line 2: not YAML"),
        ({"objects__pods_yaml": "kind: List\nitems: [null]\n"}, "pods.yaml: expected Kubernetes objects, found not"),
        ({"objects__pods_yaml": "- just\n- words\n"}, "pods.yaml: expected Kubernetes objects, found list"),
    ],
)
def test_a_broken_case_is_one_line_that_names_the_file(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(BadCase) as wrong:
        open_case(folder(tmp_path, **files))

    assert message in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_missing_folder_and_a_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(BadCase, match="no such folder"):
        open_case(tmp_path / "nowhere")
    with pytest.raises(BadCase, match="is a file; a case is a folder"):
        open_case(tmp_path / "file")


# -- objects -----------------------------------------------------------------------------------------------------------


async def test_one_object_a_list_and_many_documents_read_the_same(tmp_path: Path) -> None:
    many = (
        f"{POD_YAML}---\napiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Pod, metadata: {{name: b}}}}\n"
    )
    typed = "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: c, namespace: shop}\n"
    opened = open_case(
        folder(tmp_path, objects__all_yaml=many, objects__more_json='{"items": []}', objects__c_yml=typed)
    )

    names = [each["metadata"]["name"] for each in await opened.objects(POD)]

    assert names == ["web-1", "b", "c"]
    assert [each["metadata"]["name"] for each in await opened.objects(POD, "shop")] == ["web-1", "c"]


async def test_a_kind_that_was_not_recorded_is_blind_and_an_empty_list_is_none(tmp_path: Path) -> None:
    empty = "apiVersion: v1\nkind: List\nitems: []\n"
    opened = open_case(folder(tmp_path, objects__services_yaml=empty))

    assert await opened.objects(SERVICE) == ()
    with pytest.raises(Blind, match=f"pods are {NOT_RECORDED}"):
        await opened.objects(POD)


async def test_calicos_network_policies_are_not_taken_for_the_standard_ones(tmp_path: Path) -> None:
    calico = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: c, namespace: shop}\n"
    opened = open_case(folder(tmp_path, objects__all_yaml=calico))

    assert len(await opened.objects(CALICO_NETWORK_POLICY)) == 1
    with pytest.raises(Blind):
        await opened.objects(NETWORK_POLICY)


@pytest.mark.parametrize("name", sorted(each.name for each in CASES.iterdir() if each.is_dir()))
async def test_every_recorded_case_opens_and_holds_its_target(name: str) -> None:
    recorded = case(name)
    target = target_of(recorded)

    pods = await recorded.objects(POD, target.namespace)

    assert target.pod in [each["metadata"]["name"] for each in pods]
    assert {each for each in KINDS if each.plural in recorded.recorded.recorded} >= {POD, SERVICE, NETWORK_POLICY}
    with pytest.raises(Blind):
        await recorded.objects(ADMIN_NETWORK_POLICY)


# -- files -------------------------------------------------------------------------------------------------------------


async def test_files_of_the_pod_and_its_node_are_read_as_they_are() -> None:
    recorded = case("web-to-catalog")
    target = target_of(recorded)

    assert (await recorded.pod_file(target.namespace, target.pod, "resolv.conf")).startswith("search ")
    assert (await recorded.pod_file(target.namespace, target.pod, "net/snmp")).startswith("Ip: ")
    assert (await recorded.node_file("lab1", "nf_conntrack_max")).strip().isdigit()


async def test_a_log_is_its_last_lines() -> None:
    recorded = case("web-to-catalog")
    target = target_of(recorded)

    log = await recorded.log(target.namespace, target.pod, "web", lines=3)

    assert len(log.splitlines()) == 3


async def test_what_was_asked_inside_the_pod_comes_back_as_records() -> None:
    recorded = case("web-to-catalog")
    target = target_of(recorded)

    lookups = await recorded.lookups(target.namespace, target.pod, ["catalog"])
    connects = await recorded.connects(target.namespace, target.pod, [])
    mtus = await recorded.path_mtus(target.namespace, target.pod, [])

    assert isinstance(lookups[0], DnsLookup)
    assert connects[0] == Connect("catalog", 80, "tcp", "unreachable", "EPERM", "10.96.12.139", 0.5)
    assert mtus == (PathMtu("10.244.1.162", 1450, None, "icmp-echo-df", 1450),)


async def test_an_absent_file_is_blind_and_says_which() -> None:
    recorded = case("batch-new-worker")

    with pytest.raises(Blind, match=f"nodes/lab2/cilium/status.json is {NOT_RECORDED}"):
        await recorded.node_file("lab2", "cilium/status.json")
    with pytest.raises(Blind, match=NOT_RECORDED):
        await recorded.log("batch", "nobody", "app")


@pytest.mark.parametrize("words", ["{", "5", '["a"]', "[{}]", "[null]"])
async def test_a_probe_file_of_another_shape_is_blind_not_empty(tmp_path: Path, words: str) -> None:
    opened = open_case(folder(tmp_path, case_yaml="{}", pods__shop__web__dns_json=words))

    with pytest.raises(Blind, match=r"dns\.json is not the list it should be"):
        await opened.lookups("shop", "web", [])


@pytest.mark.parametrize("name", ["../../../secret", "/etc/hostname"])
async def test_a_name_that_leaves_the_case_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("x")
    opened = open_case(folder(tmp_path / "case", case_yaml="{}"))

    with pytest.raises(Blind, match="points outside the case"):
        await opened.node_file("..", name)


async def test_unknown_keys_in_a_probe_are_passed_over(tmp_path: Path) -> None:
    row = '[{"name": "a", "qtype": "A", "server": "s", "rcode": "NOERROR", "addresses": ["1.2.3.4"], "new": 1}]'
    opened = open_case(folder(tmp_path, case_yaml="{}", pods__shop__web__dns_json=row))

    assert await opened.lookups("shop", "web", []) == (DnsLookup("a", "A", "s", "NOERROR", None, ("1.2.3.4",)),)


@pytest.mark.parametrize("name", ["case.yaml", "objects/pods.yaml", "flows.jsonl"])
def test_a_file_that_is_a_link_out_of_the_case_is_refused(tmp_path: Path, name: str) -> None:
    case, outside = tmp_path / "case", tmp_path / "outside"
    (case / "objects").mkdir(parents=True)
    outside.write_text("")
    (case / name).symlink_to(outside)

    with pytest.raises(BadCase, match=f"{name} points outside the case"):
        open_case(case)


# -- files of somebody who means no good -------------------------------------------------------------------------------


def test_a_fifo_in_place_of_flows_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "flows.jsonl")

    with pytest.raises(BadCase, match=r"flows\.jsonl: it is not a regular file"):
        open_case(tmp_path)


def test_flows_larger_than_a_recording_are_refused_by_their_size(tmp_path: Path) -> None:
    with (tmp_path / "flows.jsonl").open("wb") as stream:
        stream.truncate(1 << 30)

    with pytest.raises(BadCase, match=r"flows\.jsonl: larger \(1024 MiB\)"):
        open_case(tmp_path)


async def test_a_fifo_in_place_of_a_log_is_blind(tmp_path: Path) -> None:
    place = folder(tmp_path, case_yaml="{}") / "logs" / "shop" / "web"
    place.mkdir(parents=True)
    os.mkfifo(place / "app.log")

    with pytest.raises(Blind, match="not a regular file"):
        await open_case(tmp_path).log("shop", "web", "app")


def test_only_the_beginning_of_the_flows_is_read_to_open_a_case(tmp_path: Path) -> None:
    line = b'{"flow":{"time":"2026-01-01T00:00:00Z","verdict":"FORWARDED","node_name":"n"}}\n'
    (tmp_path / "flows.jsonl").write_bytes(line * (2 * LOOK_AT // len(line)) + b"garbage\n" * 5000)

    assert open_case(tmp_path).path == tmp_path


async def test_a_kind_whose_file_is_empty_is_blind_by_the_name_of_the_file(tmp_path: Path) -> None:
    opened = open_case(folder(tmp_path, objects__pods_yaml=POD_YAML, objects__networkpolicies_yaml=""))

    with pytest.raises(Blind, match=r"objects/networkpolicies\.yaml is empty"):
        await opened.objects(NETWORK_POLICY)
    assert len(await opened.objects(POD)) == 1


async def test_only_what_takes_longer_than_a_thread_needs_to_begin_is_read_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("small", "large")
    place = tmp_path / "nodes" / "lab1"
    place.mkdir(parents=True)
    for name, size in zip(names, (READ_AT_ONCE, READ_AT_ONCE + 1), strict=True):
        (place / name).write_text("x" * size)
    opened, in_threads = open_case(tmp_path), list[str]()

    async def to_thread(read: Callable[..., str], *parts: str) -> str:
        in_threads.append(parts[-1])
        return read(*parts)

    monkeypatch.setattr(asyncio, "to_thread", to_thread)

    assert [len(await opened.node_file("lab1", name)) for name in names] == [READ_AT_ONCE, READ_AT_ONCE + 1]
    assert in_threads == ["large"]
