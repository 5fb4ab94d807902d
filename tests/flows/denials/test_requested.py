"""Where the asked peer really is: a node port is another matter on the pod's own node than on the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from flows.denials.judged import judged_connections
from flows.denials.policy_world import world_of
from flows.denials.requested import asked_peers, node_port_doubt
from flows.model import Case
from flows.policy import Traffic
from sensors.access.casefolder import open_case
from sensors.k8s_services import Services
from sensors.kit.catalog import sensors
from sensors.kit.observe import observe
from sensors.kube_proxy_health import KubeProxy
from tests.kit.cases import case, target_of, with_facts

OWN, OTHER = "172.16.0.21", "172.16.0.22"


@cache
def asked_at(node: str) -> Case:
    """The same Service by its node port at a node's address (Calico, kube-proxy); the pod is on the first one."""
    return asyncio.run(_asked_at(node))


async def _asked_at(node: str) -> Case:
    folder = open_case(case("04d-ipblock-nodeport-own-node").path)
    target = replace(target_of(folder), to_host=node)
    seen = await asyncio.gather(*(observe(each, target, folder) for each in sensors().values()))
    evidence = {f"E{number}": each for number, each in enumerate(seen, start=1)}
    return Case(target, await folder.environment(), await folder.now(), evidence)


def ways(seen: Case) -> list[Traffic]:
    return list(asked_peers(replace(seen, derived={})).values())


def ends(seen: Case) -> list[tuple[str, str, int | None]]:
    return [(each.source.pod or each.source.ip, each.destination.ip, each.port) for each in ways(seen)]


def replaced(seen: Case, value: bool | None) -> Case:
    """With another word on who translates."""
    return with_facts(seen, replace(seen[KubeProxy], replaced=value))


def test_at_the_pod_s_own_node_policies_see_the_pod_behind() -> None:
    (one,) = ways(asked_at(OWN))

    assert (one.source.pod, one.destination.is_pod) == ("crane-7f9c6d5b4-cc333", True)
    assert one.port != 31443


def test_at_another_node_the_first_policies_see_the_node_and_those_behind_see_it_as_the_client() -> None:
    seen = asked_at(OTHER)
    (backend,) = ways(asked_at(OWN))

    assert ends(seen) == [
        ("crane-7f9c6d5b4-cc333", OTHER, 31443),
        (OTHER, backend.destination.ip, backend.port),
    ]


def test_the_rule_for_nodes_that_does_not_help_on_the_own_node_helps_on_the_next() -> None:
    """`ipBlock 172.16.0.0/24` on 31443: what was written for node ports."""
    own, other = asked_at(OWN), asked_at(OTHER)

    assert own.once(world_of).judge(ways(own)[0]).allowed is False
    assert other.once(world_of).judge(ways(other)[0]).allowed is True


def test_where_something_else_translates_every_node_is_as_good_as_the_own_one() -> None:
    assert ends(replaced(asked_at(OTHER), True)) == ends(asked_at(OWN))


def keeping(seen: Case) -> Case:
    """With a Service that keeps the client's address."""
    services = seen[Services]
    local = tuple(replace(each, external_traffic_policy="Local") for each in services.services)
    return with_facts(seen, replace(services, services=local))


def untold(seen: Case) -> Case:
    """Nobody says who translates, and no kube-proxy is seen."""
    proxy = replace(seen[KubeProxy], replaced=None, pods=())
    return with_facts(replace(seen, environment=replace(seen.environment, kube_proxy_replacement=None)), proxy)


def test_where_the_client_s_address_is_kept_only_the_way_to_the_node_is_decided() -> None:
    """What the pods behind see hangs on whether the pod's network hides it from other nodes."""
    seen = keeping(asked_at(OTHER))

    assert ends(seen) == [("crane-7f9c6d5b4-cc333", OTHER, 31443)]
    assert node_port_doubt(seen).startswith("with externalTrafficPolicy Local, Service edge-in/")
    assert ends(keeping(asked_at(OWN))) == ends(asked_at(OWN))


def test_where_nobody_says_who_translates_nothing_is_judged_and_it_is_said() -> None:
    seen = untold(asked_at(OTHER))

    assert ends(seen) == []
    assert "is not known" in node_port_doubt(seen)
    assert ends(untold(asked_at(OWN))) == ends(asked_at(OWN))


@pytest.mark.parametrize("change", [keeping, untold])
def test_no_policy_is_blamed_for_what_is_not_decided(change: Callable[[Case], Case]) -> None:
    seen = change(asked_at(OTHER))
    own = change(asked_at(OWN))

    assert [each for each in judged_connections(seen) if each.judgement.allowed is False] == []
    assert [each.judgement.allowed for each in judged_connections(own)] == [False]  # there it is decided


@pytest.mark.parametrize(
    "change", [lambda seen: seen, lambda seen: replaced(seen, True), lambda seen: replaced(seen, False)]
)
def test_a_node_port_that_is_decided_leaves_no_doubt(change: Callable[[Case], Case]) -> None:
    assert node_port_doubt(change(asked_at(OTHER))) == node_port_doubt(change(asked_at(OWN))) == ""


def test_under_cilium_the_next_node_is_no_address_that_a_block_could_name() -> None:
    """A node is `remote-node` there: the block that helps under Calico does not, whoever translates."""
    seen = asked_at(OTHER)
    cilium = replace(seen, environment=replace(seen.environment, cni="cilium", cni_version="1.18.0"), derived={})
    first, second = ways(cilium)

    world = cilium.once(world_of)
    assert world.judge(first).allowed is not True
    assert (second.source.ip, second.source.is_pod) == (OTHER, False)
