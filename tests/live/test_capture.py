from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from bot.capture import ClusterRecorder, NotEmpty, claim, redacted, write_case
from bot.capture.lines import lines_of
from sensors.access.casefolder import open_case
from sensors.hubble.lines import FlowQuestion, FlowReading, Http, HubbleFlow, HubbleMessage, read_flow_lines
from sensors.hubble.pb.cilium.observer.observer_pb2 import GetFlowsResponse
from tests.live.world import CASES, World, diagnosed, verdict, world_of

INCIDENTS = ("checkout-to-bank", "agent-to-collector", "mobile-to-gateway")
EVERY_FLOW = FlowQuestion(last=0)


async def captured(world: World, folder: Path, *, redact: bool = False) -> dict[str, Any]:
    """The diagnosis that was made while the case was written."""
    async with world.cluster() as cluster:
        seen, at = ClusterRecorder(cluster), await cluster.now()
        said = await diagnosed(world.target, seen)
        await seen.read_all_kinds()
        write_case(folder, world.target, seen, at, await cluster.environment(), redact=redact)
    return said


def comparable(said: dict[str, Any]) -> dict[str, Any]:
    """The published JSON without times and ids."""
    return {
        key: value
        for key, value in said.items()
        if key not in ("investigation_id", "timings", "recorded", "provenance")
    }


@pytest.mark.parametrize("name", INCIDENTS)
async def test_a_capture_is_diagnosed_as_the_cluster_was(name: str, tmp_path: Path) -> None:
    async with world_of(name, tmp_path) as world:
        live = await captured(world, tmp_path / "case")

    again = await diagnosed(world.target, open_case(tmp_path / "case"))

    assert comparable(again) == comparable(live)


async def test_a_case_says_what_was_asked_when_of_which_cluster_and_what_is_missing(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.refused.add("events")
        await captured(world, tmp_path / "case")
    original, case = open_case(CASES / "checkout-to-bank").header, open_case(tmp_path / "case").header

    assert (case.target, case.recorded_at) == (original.target, original.recorded_at)
    assert (case.environment.cni, case.environment.cni_version) == ("cilium", original.environment.cni_version)
    assert [each for each in case.missing if "events" in each] == [
        "objects/events.yaml: no right to list events in all namespaces: somebody needs a ClusterRole "
        "with the verb list on events"
    ]
    assert not (tmp_path / "case" / "objects" / "events.yaml").exists()


async def test_a_case_without_secrets_still_gives_the_verdict(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        live = await captured(world, tmp_path / "case", redact=True)
        asked = "".join(world.front.asked)
    again = await diagnosed(world.target, open_case(tmp_path / "case"))
    written = "".join(each.read_text() for each in (tmp_path / "case").rglob("*") if each.is_file())

    assert verdict(again) == verdict(live)
    assert "/secrets" not in asked
    assert not (tmp_path / "case" / "logs").exists()
    assert "last-applied-configuration" not in written.replace("f:kubectl.kubernetes.io/last-applied-configuration", "")
    assert "redacted: true" in (tmp_path / "case" / "case.yaml").read_text()


def test_environment_values_arguments_and_tokens_are_gone_and_names_stay() -> None:
    pod = {
        "metadata": {"name": "web", "annotations": {"a/b": "s3cr3t", "meta.helm.sh/release-name": "shop"}},
        "spec": {
            "containers": [
                {
                    "name": "app",
                    "args": ["--password=s3cr3t"],
                    "env": [{"name": "KEY", "value": "s3cr3t"}, {"name": "REF", "valueFrom": {"secretKeyRef": {}}}],
                    "livenessProbe": {"exec": {"command": ["curl", "-u", "me:s3cr3t"]}},
                    "readinessProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "X-Key", "value": "s3cr3t"}]}},
                }
            ]
        },
        "status": {
            "message": "dial postgres://me:s3cr3t@db:5432 failed",
            "containerStatuses": [{"lastState": {"terminated": {"exitCode": 1, "message": "key s3cr3t refused"}}}],
        },
    }

    clean = redacted(pod)

    assert "s3cr3t" not in json.dumps(clean)
    assert clean["metadata"] == {"name": "web", "annotations": {"meta.helm.sh/release-name": "shop"}}
    assert clean["spec"]["containers"][0]["env"] == [
        {"name": "KEY", "value": "[redacted]"},
        {"name": "REF", "valueFrom": {"secretKeyRef": {}}},
    ]


@pytest.mark.parametrize(
    ("name", "stays"), [("cilium-config", True), ("rke2-coredns-rke2-coredns", True), ("vault-agent", False)]
)
def test_of_config_maps_only_the_networks_own_keep_what_they_hold(name: str, stays: bool) -> None:
    settings = {"kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "value"}, "binaryData": {"b": "eA=="}}

    clean = redacted(settings)

    assert clean["metadata"] == {"name": name}
    assert ("data" in clean, "binaryData" in clean) == (stays, stays)


def test_a_folder_that_holds_something_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")

    with pytest.raises(NotEmpty, match="is not empty; name a new folder"):
        claim(tmp_path)


def test_a_name_that_would_leave_the_folder_is_not_written(tmp_path: Path) -> None:
    seen = ClusterRecorder(open_case(CASES / "checkout-to-bank"))
    seen.texts = {("logs", "..", "..", "evil.log"): "x", ("logs", "shop", "web", "app.log"): "y"}

    from bot.capture.folder import _write

    for parts, text in seen.texts.items():
        _write(tmp_path / "case", parts, text)

    assert [each.name for each in tmp_path.rglob("*.log")] == ["app.log"]


# -- flows -------------------------------------------------------------------------------------------------------------


def messages_of(path: Path) -> list[HubbleMessage]:
    return [each for batch in read_flow_lines(path, EVERY_FLOW) for each in batch]


@pytest.mark.parametrize("name", sorted(each.name for each in CASES.iterdir() if (each / "flows.jsonl").is_file()))
def test_flows_come_back_as_they_were_and_are_hubbles_own_json(name: str, tmp_path: Path) -> None:
    told = messages_of(CASES / name / "flows.jsonl")

    lines = list(lines_of(told))
    (tmp_path / "flows.jsonl").write_text("".join(lines))

    for line in lines:
        json_format.ParseDict(json.loads(line), GetFlowsResponse())  # refuses unknown fields and enum values
    again = messages_of(tmp_path / "flows.jsonl")
    assert [each for each in again if not is_bare(each)] == told[:-1]
    assert reading_of(again).horizons == reading_of(told).horizons


def is_bare(message: HubbleMessage) -> bool:
    """A moment that only bounds a node's memory, and the reading."""
    return isinstance(message, FlowReading) or (isinstance(message, HubbleFlow) and not message.uuid)


def reading_of(messages: list[HubbleMessage]) -> FlowReading:
    assert isinstance(messages[-1], FlowReading)
    return messages[-1]


def test_a_request_is_written_with_its_host_and_path() -> None:
    flow = HubbleFlow(uuid="u", node="n", l7_type="REQUEST", http=Http("GET", "/a", "shop", 0), is_reply=False)

    (line,) = lines_of([flow])

    assert json.loads(line) == {
        "flow": {
            "uuid": "u",
            "node_name": "n",
            "is_reply": False,
            "l7": {"type": "REQUEST", "http": {"method": "GET", "url": "http://shop/a"}},
        },
        "node_name": "n",
    }
