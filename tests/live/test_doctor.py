from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from bot.commands.doctor import clusters, told
from bot.doctor import Check, CheckState, exit_code
from bot.doctor.claude import NEAR, claude, model_check
from bot.doctor.examine import Patient, examine
from bot.doctor.rights import RequiredRight, grant, rights_needed
from flows.agent.clients import models
from flows.agent.settings import USUAL_MODEL
from sensors.access.environment import SERVICE_CIDR
from sensors.access.live import LiveSettings
from sensors.kit import Blind
from sensors.kit.kinds import KINDS, POD
from tests.live.front import says
from tests.live.world import CASES, QUICK, World, recorded_nodes, world_of

KEY = {"ANTHROPIC_API_KEY": "sk-s3cr3t"}
PATIENT = replace(QUICK, greeting=10.0)
"""A busy machine begins a gRPC channel in more than a second."""


async def examined(world: World, environ: Mapping[str, str] = KEY, node: str = "") -> tuple[Check, ...]:
    async with world.cluster(LiveSettings(), PATIENT) as cluster:
        return await examine(Patient(cluster, environ, node))


def missing(checks: tuple[Check, ...]) -> list[str]:
    return [each.name for each in checks if each.state is CheckState.MISSING]


async def test_where_everything_is_there_the_doctor_has_nothing_to_say(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        checks = await examined(world)

    assert (missing(checks), exit_code(checks)) == ([], 0)
    assert list(told(checks))[-1] == "All there."
    assert not any("s3cr3t" in line for line in told(checks))


async def test_of_three_missing_things_exactly_those_three_are_named(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path, probes=False) as world:
        world.front.refused.add("events")
        await world.relay.stop()
        checks = await examined(world)
    lines = list(told(checks))

    assert missing(checks) == ["right: list events", "hubble relay", "probe"]
    assert (exit_code(checks), lines[-1]) == (1, "3 missing: right: list events, hubble relay, probe")
    assert sum(line.startswith("         to mend it: ") for line in lines) == 3
    assert all(each.without and each.mend for each in checks if each.state is CheckState.MISSING)


async def test_each_cluster_of_the_settings_is_tried(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        (tmp_path / "config.yaml").write_text(
            f"clusters: {{eu: {{kubeconfig: {world.kubeconfig}}}, us: {{kubeconfig: /nowhere}}}}"
        )
        eu, us = await clusters({"KAI_CONFIG": str(tmp_path / "config.yaml")})

    assert (eu.name, eu.state) == ("cluster eu", CheckState.OK)
    assert (us.name, us.state, us.mend) == ("cluster us", CheckState.MISSING, "kai doctor --cluster us")
    assert "/nowhere" in us.found


async def test_without_clusters_in_the_settings_nothing_is_said_of_them(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{}")

    assert await clusters({"KAI_CONFIG": str(tmp_path / "config.yaml")}) == ()


async def test_each_node_that_the_relay_does_not_reach_is_named(tmp_path: Path) -> None:
    nodes = recorded_nodes(CASES / "checkout-to-bank")
    nodes[1].is_connected = False

    async with world_of("checkout-to-bank", tmp_path, nodes=nodes) as world:
        checks = await examined(world)

    assert missing(checks) == ["hubble on node lab2"]


async def test_a_probe_is_missing_on_the_node_that_has_none(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        for pods in world.front.extra.values():
            pods[:] = [each for each in pods if each["metadata"]["name"] != "probe-on-lab2"]
        everywhere, here = await examined(world), await examined(world, node="lab1")

    assert (missing(everywhere), missing(here)) == (["probe on node lab2"], [])


@pytest.mark.parametrize(
    ("mood", "words"),
    [("killed", "breaks off or is garbled"), ("reset", "it broke the connection off"), ("json", "answered 406")],
)
async def test_a_probe_that_runs_and_does_not_answer_is_missing(mood: str, words: str, tmp_path: Path) -> None:
    """Both pods are ready, and the rights are there: only a question shows it."""
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.probe_mood = mood
        checks = await examined(world)

    assert missing(checks) == ["probe"]
    assert words in next(each.found for each in checks if each.name == "probe")


async def test_a_network_plug_in_without_its_definitions_is_told(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        recorded = world.front.case.recorded
        fewer = replace(recorded, recorded=recorded.recorded - {"ciliumnetworkpolicies"})
        object.__setattr__(world.front.case, "recorded", fewer)
        checks = await examined(world)

    assert missing(checks) == ["definition: ciliumnetworkpolicies.cilium.io"]


async def test_a_clock_that_is_wrong_is_told(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.headers["Date"] = "Mon, 23 Nov 2026 00:00:00 GMT"
        checks = await examined(world)

    assert missing(checks) == ["clock"]


@pytest.mark.parametrize(
    ("environ", "state"), [({}, CheckState.OFF), ({"ANTHROPIC_API_KEY": " "}, CheckState.MISSING), (KEY, CheckState.OK)]
)
async def test_no_key_is_a_choice_and_an_empty_one_a_mistake(
    environ: dict[str, str], state: CheckState, tmp_path: Path
) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        checks = {each.name: each for each in await examined(world, environ)}

    assert checks["Claude key"].state is state
    assert checks["Claude model"].state is (CheckState.OK if environ is KEY else CheckState.OFF)


TODAY = date(2026, 11, 27)


async def test_a_settings_file_with_an_unknown_word_is_no_fault_of_the_key(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("alert: {}")

    checks = await claude({"KAI_CONFIG": str(tmp_path / "config.yaml")}, TODAY)

    assert {each.state for each in checks} == {CheckState.UNKNOWN}


@pytest.mark.parametrize(
    ("model", "state", "words"),
    [
        ("claude-mythos-preview", CheckState.MISSING, "claude-mythos-preview ended on 2026-06-30"),
        ("claude-sonnet-4-5", CheckState.MISSING, "claude-sonnet-4-5 ends on 2026-11-30, in 3 days"),
        ("claude-opus-5-5", CheckState.OK, "announces no end of life"),
        ("claude-made-up", CheckState.MISSING, "no price is known for claude-made-up"),
        ("", CheckState.OK, f"{USUAL_MODEL}; anthropic "),
    ],
)
async def test_a_model_near_its_end_of_life_is_missing_already(
    model: str, state: CheckState, words: str, tmp_path: Path
) -> None:
    """The two that have no price of ours get one: what counts here is what the SDK says of their end."""
    file = tmp_path / "config.yaml"
    price = "{input: 1, output: 5, cache_write: 1.25, cache_read: 0.1}"
    file.write_text(f"claude: {{prices: {{claude-mythos-preview: {price}, claude-sonnet-4-5: {price}}}}}")

    key, found = await claude({**KEY, "KAI_MODEL": model, "KAI_CONFIG": str(file)}, TODAY)

    assert (key.state, found.name, found.state) == (CheckState.OK, "Claude model", state)
    assert words in found.found
    assert bool(found.mend) is (state is CheckState.MISSING)


async def test_a_model_is_replaced_in_time_and_not_long_before() -> None:
    """What ends when is read from the installed SDK, not from a table of ours."""
    known = await models()
    model, ends = next(iter(known.ends.items()))

    assert [model_check(model, ends - timedelta(days=each), known).state for each in (NEAR + 1, NEAR, 0, -1)] == [
        CheckState.OK,
        CheckState.MISSING,
        CheckState.MISSING,
        CheckState.MISSING,
    ]
    assert USUAL_MODEL in known.names
    assert model_check("claude-made-up", TODAY, known).state is CheckState.UNKNOWN


async def test_agents_that_are_not_asked_are_an_extra_and_said_to_be_off(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        plain = {each.name: each for each in await examined(world)}
        async with world.cluster(LiveSettings(exec_in_agents=True), PATIENT) as cluster:
            asked = {each.name: each for each in await examine(Patient(cluster, KEY))}

    assert (plain["Cilium agents"].state, asked["Cilium agents"].state) == (CheckState.OFF, CheckState.OK)
    assert "cni.health" in plain["Cilium agents"].without
    assert asked["right: get pods/exec in kube-system"].state is CheckState.OK
    assert "right: get pods/exec in kube-system" not in plain


def with_metrics(world: World) -> None:
    for each in (pod for pod in world.front.extra[POD] if "cilium-on" in pod["metadata"]["name"]):
        each["spec"]["containers"][0]["ports"] = [{"name": "prometheus", "containerPort": 9962}]


async def test_agents_that_serve_metrics_need_the_right_to_get_them(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        with_metrics(world)
        may = {each.name: each for each in await examined(world)}
        world.front.refused.add("pods/proxy")
        may_not = {each.name: each for each in await examined(world)}

    assert (may["Cilium agents"].state, may_not["Cilium agents"].state) == (CheckState.OK, CheckState.OFF)
    assert may_not["Cilium agents"].found == "not asked: no right to get pods/proxy in kube-system"
    assert "--verb=get --resource=pods/proxy" in may_not["Cilium agents"].mend


def test_the_range_of_services_is_a_right_where_the_cluster_tells_it() -> None:
    old, new = rights_needed(frozenset(KINDS), "kai"), rights_needed(frozenset({*KINDS, SERVICE_CIDR}), "kai")

    assert [each.name for each in new if each not in old] == ["right: list servicecidrs.networking.k8s.io"]


def acts_as(verb: str, *names: str, resource: str = "users") -> dict[str, list[str]]:
    return {"verbs": [verb], "apiGroups": [""], "resources": [resource], "resourceNames": list(names)}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([], {"approvals": "KAI may act in no person's name"}),
        ([acts_as("list", resource="pods")], {"approvals": "KAI may act in no person's name"}),
        ([acts_as("impersonate:user-info", "bob", "alice")], {"approvals": "in the name of alice, bob"}),
        (
            [acts_as("impersonate", "alice")],
            {
                "approvals": "in the name of alice",
                "limits of approvals": "WARNING: nothing limits what KAI does as alice",
            },
        ),
        (
            [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            {
                "approvals": "in the name of anybody",
                "limits of approvals": "WARNING: nothing limits what KAI does as anybody",
            },
        ),
    ],
)
async def test_as_whom_kai_may_act_is_told_with_a_warning_where_nothing_limits_it(
    rules: list[dict[str, list[str]]], said: dict[str, str], tmp_path: Path
) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.rules = rules
        checks = await examined(world)

    assert {each.name: each.found for each in checks if "approvals" in each.name} == said
    assert missing(checks) == []
    assert all(each.without and each.mend for each in checks if each.state is CheckState.OFF)


async def test_a_right_that_cannot_be_asked_for_is_unknown_and_not_missing(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.faults["/selfsubjectaccessreviews"] = says(500, "no")
        checks = await examined(world)

    assert missing(checks) == []
    assert {each.state for each in checks if each.name.startswith("right: ")} == {CheckState.UNKNOWN}


async def test_an_api_server_that_says_nothing_useful_cannot_be_looked_at(tmp_path: Path) -> None:
    async with world_of("checkout-to-bank", tmp_path) as world:
        world.front.faults["/version"] = says(403, "no")
        with pytest.raises(Blind, match="the version could not be read"):
            await examined(world)


@pytest.mark.parametrize(
    ("right", "user", "command"),
    [
        (
            RequiredRight("list", "events"),
            "system:serviceaccount:kai:kai",
            "kubectl create clusterrole kai-list-events --verb=list --resource=events && kubectl create "
            "clusterrolebinding kai-list-events --clusterrole=kai-list-events --serviceaccount=kai:kai",
        ),
        (
            RequiredRight("get", "pods", "", "exec", "kai"),
            "jane o'hara",
            "kubectl create role kai-get-pods-exec -n kai --verb=get --resource=pods/exec && kubectl create "
            "rolebinding kai-get-pods-exec -n kai --role=kai-get-pods-exec '--user=jane o'\"'\"'hara'",
        ),
    ],
)
def test_the_command_gives_exactly_the_missing_right(right: RequiredRight, user: str, command: str) -> None:
    assert grant(right, user) == command
