"""A fix takes nothing away: not from clients outside, not from another peer of the same rule, seen in use or not."""

from __future__ import annotations

from typing import Any

import pytest

from flows.denials.judged import judged_connections
from flows.denials.policy_world import world_of
from flows.fixes.build import build
from flows.fixes.change import applied
from flows.fixes.closing import is_nobody_s, taken_away, used
from flows.fixes.proof import try_out
from flows.model import Case, Fix
from flows.policy import Opening, PolicyParty, PolicyWorld, Traffic
from sensors.k8s_network_policies import Policies
from tests.flows.fixes.recorded import policy_findings, recorded
from tests.flows.policy.builders import who
from tests.flows.rules.policies import with_objects
from tests.kit.cases import case_of


def fixes_of(case: Case) -> tuple[Fix, ...]:
    return build(policy_findings(case)[0], case)


def allowed(case: Case, fix: Fix | None, source: str, destination: str, port: int) -> bool | None:
    objects = case[Policies].objects if fix is None else applied(case[Policies].objects, fix)
    world = PolicyWorld.of(objects, case.once(world_of).profile)
    return world.judge(Traffic(who(world, source), who(world, destination), "TCP", port)).allowed


DB, API = "shop/db-5d4f9c7b8-x22", "shop/api-5d4f9c7b8-x23"


def test_clients_outside_whom_a_block_around_the_pods_admits_keep_their_way() -> None:
    """10.0.0.0/8 holds the pods (10.244.0.0/16), and the VPN and the branch offices, too."""
    case = recorded("corporate-addresses")
    assert allowed(case, None, "10.9.9.9", DB, 5432) is True

    for fix in (each for each in fixes_of(case) if not each.refused):
        assert allowed(case, fix, "data/web-5d4f9c7b8-x21", DB, 5432) is True
        assert allowed(case, fix, "10.9.9.9", DB, 5432) is True, fix.title


def test_the_way_that_opens_least_is_offered() -> None:
    """The policy selects every pod of shop: a peer more in it would open api as well."""
    case = recorded("corporate-addresses")

    first, *others = fixes_of(case)

    assert first.automatic
    assert first.kind == "manifest"
    assert first.newly_allowed == ("data/Deployment web -> shop/Deployment db TCP 5432",)
    assert {each.automatic for each in others} == {False}
    assert all(any("also selects shop/Deployment api" in note for note in each.notes) for each in others)


WEB, WORKER, DATABASE = "pay/web-5d4f9c7b8-x11", "pay/worker-5d4f9c7b8-x12", "pay/db-5d4f9c7b8-x13"


def test_a_port_that_another_peer_of_the_rule_serves_stays() -> None:
    case = recorded("port-of-another-peer")
    assert allowed(case, None, WEB, DATABASE, 5432) is True

    for fix in (each for each in fixes_of(case) if not each.refused):
        assert allowed(case, fix, WEB, WORKER, 80) is True
        assert allowed(case, fix, WEB, DATABASE, 5432) is True, fix.title


def test_the_fix_that_would_take_it_says_so_and_is_refused() -> None:
    fixes = fixes_of(recorded("port-of-another-peer"))

    (refused,) = (each for each in fixes if each.refused)

    way = "pay/Deployment web -> pay/Deployment db TCP 5432 (0 recorded connections used it)"
    assert refused.title.startswith("Correct the port from 5432 to 80")
    assert refused.refused == f"it closes {way}"
    assert way in refused.newly_denied
    assert not refused.automatic
    assert fixes[0] is not refused


def test_a_port_served_by_another_workload_that_the_policy_selects_stays() -> None:
    """The same at the receiver: one policy for worker and db, and its port is right for db."""

    def turned(thing: dict[str, Any]) -> None:
        if thing["kind"] == "NetworkPolicy":
            rule = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]}
            selector = {"matchLabels": {"tier": "back"}}
            thing["spec"] = {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [rule]}

    case = with_objects(recorded("port-of-another-peer"), turned)

    for fix in (each for each in fixes_of(case) if not each.refused):
        assert allowed(case, fix, WEB, DATABASE, 5432) is True, fix.title


def test_a_port_that_nobody_serves_is_given_up_and_told() -> None:
    case = case_of("basket-to-pricing")

    first = fixes_of(case)[0]

    assert first.title.startswith("Correct the port from 80 to 8080")
    assert first.refused is None
    assert first.newly_denied == (
        "retail/Deployment basket -> retail/Deployment pricing TCP 80 (0 recorded connections used it)",
    )


@pytest.mark.parametrize("serves", ["declared", "probed", "targeted"])
def test_a_port_is_served_by_whoever_declares_it_is_probed_on_it_or_gets_a_service_s_traffic_there(serves: str) -> None:
    def serving(thing: dict[str, Any]) -> None:
        if thing["metadata"].get("labels", {}).get("app") == "pricing" and thing["kind"] == "Pod":
            container = thing["spec"]["containers"][0]
            if serves == "declared":
                container["ports"] = [{"containerPort": 80}]
            elif serves == "probed":
                container["readinessProbe"] = {"httpGet": {"port": 80}}
        if thing["kind"] == "Service" and thing["metadata"]["name"] == "pricing" and serves == "targeted":
            thing["spec"]["ports"].append({"name": "old", "port": 81, "targetPort": 80, "protocol": "TCP"})

    first = fixes_of(with_objects(case_of("basket-to-pricing"), serving))[0]

    assert first.title.startswith("Add TCP 8080 to the ports")
    assert first.newly_denied == ()


def test_how_often_a_way_was_used_is_counted_in_connections() -> None:
    case = case_of("search-to-index")
    party = PolicyParty("workload", "search", "Deployment search")
    world = case.once(world_of)
    (index,) = {each.workload for each in world.inventory.pods.values() if each.workload.endswith(" index")}

    there = PolicyParty("workload", "search", index)
    ports = {each.traffic.port for each in denied_or_not(case, there)}

    assert sum(used(case, Opening(party, there, "TCP", ((port, port),))) for port in ports) > 0
    assert used(case, Opening(party, there, "TCP", ((1, 1),))) == 0
    assert used(case, Opening(there, party, "TCP", ((0, 65535),))) == 0


def denied_or_not(case: Case, there: PolicyParty) -> list[Any]:

    return [
        each for each in case.once(judged_connections) if each.traffic.destination.workload == there.name and each.seen
    ]


@pytest.mark.parametrize(
    ("cidr", "nobody"),
    [
        ("10.244.1.0/24", True),
        ("10.244.1.128/25", True),
        ("10.96.0.0/16", True),
        ("10.244.0.0/15", False),
        ("10.0.0.0/8", False),
        ("203.0.113.0/24", False),
        ("fd00::/64", False),
        ("no address", False),
    ],
)
def test_nobody_outside_has_an_address_inside_the_cluster_s_own_ranges(cidr: str, nobody: bool) -> None:
    assert is_nobody_s(recorded("corporate-addresses"), cidr) is nobody


def test_a_removed_rule_takes_away_whatever_it_admitted() -> None:
    case = recorded("port-of-another-peer")
    (policy,) = (each for each in case[Policies].objects if each["kind"] == "NetworkPolicy")
    bare = {**policy, "spec": {**policy["spec"], "egress": []}}

    closed = taken_away(case, try_out(case, [bare]).diff.closed, {5432})

    assert {(str(each.destination), each.ports) for each in closed} == {("pay/Deployment db", ((5432, 5432),))}
