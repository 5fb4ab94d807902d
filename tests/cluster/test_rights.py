"""The chart's reader role is what KAI needs: all of it, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from sensors.access.kube import Kube, connect
from sensors.access.kube.failure import resource_of
from sensors.kit.catalog import sensors
from sensors.kit.kinds import CONFIG_MAP, KINDS, Kind
from sensors.kit.model import Absent, Blind, Evidence, Sight
from sensors.kit.observe import observe
from tests.cluster import chart
from tests.cluster.apiserver import CORE, ApiServer, api_server
from tests.cluster.binaries import Binaries
from tests.cluster.live import live
from tests.kit.cases import CASES, case, target_of

pytestmark = pytest.mark.cluster

INCIDENT = "checkout-to-bank"
LISTED = [resource_of(kind) for kind in KINDS]
SPACES = ("checkout", "kube-system", "kai", "kai-probe")
STORED = tuple(f"{each}.crd.projectcalico.org" for each in ("networkpolicies", "globalnetworkpolicies", "ippools"))
"""Calico's policies where its own API server is not installed."""

WRITES = ("create", "update", "patch", "delete", "deletecollection")


@pytest.fixture(scope="module")
def server(programs: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A cluster with a recorded incident in it, and every kind that KAI knows installed."""
    with api_server(programs, tmp_path_factory.mktemp("rights")) as running:
        running.load_case(CASES / INCIDENT)
        running.install(*(kind for kind in KINDS if kind.api not in CORE))
        yield running


@pytest.fixture(scope="module")
def reader(server: ApiServer) -> str:
    """The token of a ServiceAccount with the chart's reader role."""
    return server.service_account(chart.NAMESPACE, chart.ACCOUNT, chart.reader_manifests())


async def look(kube: Kube) -> dict[str, Evidence]:
    """What every sensor sees of the incident."""
    recorded = case(INCIDENT)
    cluster, target = live(recorded, kube), target_of(recorded)
    seen = await asyncio.gather(*(observe(each, target, cluster) for each in sensors().values()))  # type: ignore[arg-type]
    return {each.sensor: each for each in seen}


# -- enough ------------------------------------------------------------------------------------------------------------


async def test_with_the_role_every_sensor_sees_what_an_administrator_sees(server: ApiServer, reader: str) -> None:
    async with connect(server.kubeconfig(reader)) as kube, connect(server.kubeconfig()) as admin:
        ours, theirs = await look(kube), await look(admin)

    assert {name: (each.sight, each.why, each.facts) for name, each in ours.items()} == {
        name: (each.sight, each.why, each.facts) for name, each in theirs.items()
    }
    assert {name for name, each in ours.items() if each.sight is Sight.BLIND} == set()


@pytest.mark.parametrize("kind", [each for each in KINDS if each is not CONFIG_MAP], ids=resource_of)
async def test_the_role_lists_every_kind_in_all_namespaces(kind: Kind, server: ApiServer, reader: str) -> None:
    async with connect(server.kubeconfig(reader)) as kube:
        assert isinstance(await kube.list(kind), tuple)


async def test_the_role_reads_logs(server: ApiServer, reader: str) -> None:
    async with connect(server.kubeconfig(reader)) as kube:
        with pytest.raises(Absent, match="not found"):
            await kube.log("checkout", "no-such-pod", "app")


# -- not more ----------------------------------------------------------------------------------------------------------


async def test_the_role_changes_nothing_reads_no_secret_and_runs_no_program(server: ApiServer, reader: str) -> None:
    async with connect(server.kubeconfig(reader)) as kube:
        may = kube.self_subject_access_review
        granted = [
            *[(verb, kind.name) for kind in KINDS for verb in WRITES if await may(verb, *_named(kind))],
            *[(verb, "secrets") for verb in ("get", "list", "watch") if await may(verb, "secrets")],
            *[(verb, "secrets there") for verb in ("get", "list") if await may(verb, "secrets", namespace="kai")],
            *[("exec", each) for each in (*SPACES, "") if await may("get", "pods", "", "exec", each)],
            *[(verb, "users") for verb in ("impersonate",) if await may(verb, "users")],
            *[(each, "tokens") for each in ("kai",) if await may("create", "serviceaccounts", "", "token", each)],
        ]

    assert granted == []


async def test_config_maps_of_applications_are_not_for_us(server: ApiServer, reader: str) -> None:
    async with connect(server.kubeconfig(reader)) as kube:
        assert await kube.list(CONFIG_MAP, chart.SYSTEM)
        with pytest.raises(Blind, match="no right to list configmaps in namespace checkout"):
            await kube.list(CONFIG_MAP, "checkout")


def test_the_role_has_no_verb_but_those_that_are_used() -> None:
    rules = [rule for each in chart.reader_manifests() for rule in each.get("rules", ())]

    assert {chart.resource_of(rule): tuple(rule["verbs"]) for rule in rules} == {
        **dict.fromkeys(LISTED, ("list",)),
        **dict.fromkeys(STORED, ("list",)),
        "servicecidrs.networking.k8s.io": ("list",),  # no sensor's: which addresses are Services' is the environment
        "pods/log": ("get",),
    }


def _named(kind: Kind) -> tuple[str, str]:
    return resource_of(kind).partition(".")[0], kind.group


# -- each rule counts --------------------------------------------------------------------------------------------------

BLINDED = {
    "pods": {"k8s.pod", "kube_proxy.health"},
    "services": {"k8s.services"},
    "nodes": {"k8s.nodes"},
    "networkpolicies.networking.k8s.io": {"k8s.network_policies"},
}
"""The sensors that can say nothing at all without a right; the others go on and name what they could not read."""


@pytest.mark.parametrize("resource", LISTED)
async def test_without_one_rule_exactly_that_is_blind(resource: str, server: ApiServer) -> None:
    token = _without(server, resource)

    async with connect(server.kubeconfig(token)) as kube:
        unread = {resource_of(kind) for kind in KINDS if await _is_blind(kube, kind)}
        seen = await look(kube)

    assert unread == {resource}
    blind = {name: each.why for name, each in seen.items() if each.sight is Sight.BLIND}
    assert set(blind) == BLINDED.get(resource, set())
    assert all(f"no right to list {resource} " in why for why in blind.values())


@pytest.mark.parametrize("resource", [resource_of(kind) for kind in KINDS if "polic" in kind.plural][1:])
async def test_a_policy_kind_that_must_not_be_read_stands_among_the_unreadable(
    resource: str, server: ApiServer
) -> None:
    async with connect(server.kubeconfig(_without(server, resource))) as kube:
        seen = (await look(kube))["k8s.network_policies"]

    assert [f"no right to list {resource} " in each for each in seen.facts.unreadable.values()] == [True]


async def _is_blind(kube: Kube, kind: Kind) -> bool:
    try:
        await kube.list(kind, chart.SYSTEM if kind is CONFIG_MAP else None)
    except Blind as why:
        return f"no right to list {resource_of(kind)} in " in str(why)
    return False


def _without(server: ApiServer, resource: str) -> str:
    """The token of a reader that lacks one right; made once for each."""
    name = f"no-{resource.replace('.', '-')}"[:53].rstrip("-")
    return server.service_account(name, name, chart.without_rule(chart.reader_manifests(name), resource))
