"""The verdict of one direction and the walk behind it."""

from __future__ import annotations

from flows.policy import CALICO_IPTABLES, CILIUM, Decision, PolicyRef, PolicyVerdict, PolicyWorld, Traffic
from tests.flows.policy.builders import Json, admin, ask, cnp, named, netpol, pod, space

PODS = [space("x"), space("y"), pod("x/a", "10.0.0.1", app="a"), pod("y/b", "10.0.0.2", app="b")]
EVERYONE: Json = {"namespaces": {}}


def egress(*policies: Json, port: str = "TCP 80") -> PolicyVerdict:
    world = PolicyWorld.of([*PODS, *policies], CILIUM)
    return world.judge(ask(world, "x/a", "y/b", port)).egress


def test_no_policy_is_not_applicable_and_allowed() -> None:
    verdict = egress()

    assert (verdict.allowed, verdict.decision, verdict.walk) == (True, Decision.NOT_APPLICABLE, ())


def test_an_admission_names_the_admitting_policies_and_the_isolating_ones() -> None:
    admits = netpol("x/yes", types=["Egress"], egress=[{"to": [{"namespaceSelector": named("y")}]}])

    verdict = egress(netpol("x/no", types=["Egress"]), admits)

    assert (verdict.allowed, verdict.decision) == (True, Decision.ADMITS)
    assert verdict.admitted_by == (PolicyRef("NetworkPolicy", "x", "yes"),)
    assert verdict.isolated_by == (PolicyRef("NetworkPolicy", "x", "no"), PolicyRef("NetworkPolicy", "x", "yes"))


def test_only_policies_that_select_the_endpoint_are_walked() -> None:
    others = [netpol("x/other", {"app": "z"}, ["Egress"]), netpol("y/elsewhere", types=["Egress"])]

    verdict = egress(*others, netpol("x/mine", {"app": "a"}, ["Egress"]), netpol("x/in", types=["Ingress"]))

    assert [walk.ref.name for walk in verdict.walk] == ["mine"]


def test_a_port_that_is_not_known_is_said() -> None:
    verdict = egress(netpol("x/n", types=["Egress"], egress=[{"ports": [{"port": 80}]}]), port="TCP")

    assert verdict.allowed is None
    assert "the port" in verdict.undecidable_because[0]


def test_a_protocol_no_policy_speaks_of_is_undecidable_only_under_policies() -> None:
    assert egress(port="GRE").allowed is True
    assert egress(netpol("x/n", types=["Egress"], egress=[{}]), port="GRE").allowed is None


def test_the_first_tier_that_decides_is_the_one_named() -> None:
    rule = {"action": "Deny", "to": [EVERYONE]}
    profile = CALICO_IPTABLES.with_options(cluster_network_policy=True)
    both = [admin("top", "Admin", 1, EVERYONE, egress=[rule]), admin("base", "Baseline", 1, EVERYONE, egress=[rule])]
    world = PolicyWorld.of([*PODS, *both], profile)

    verdict = world.judge(ask(world, "x/a", "y/b", "TCP 80")).egress

    assert (verdict.decision, [ref.name for ref in verdict.denied_by]) == (Decision.DENIES, ["top"])


def test_equal_priorities_that_disagree_are_said() -> None:
    rules = [{"action": action, "to": [EVERYONE]} for action in ("Deny", "Accept")]
    both = [admin(f"p{n}", "Admin", 1, EVERYONE, egress=[rule]) for n, rule in enumerate(rules)]
    world = PolicyWorld.of([*PODS, *both], CILIUM.with_options(cluster_network_policy=True))

    verdict = world.judge(ask(world, "x/a", "y/b", "TCP 80")).egress

    assert verdict.undecidable_because == ("policies of the same priority disagree, which the API leaves undefined",)


def test_an_explicit_deny_hides_what_else_is_undecidable() -> None:
    verdict = egress(cnp("x/n", egress=[{"toGroups": [{}]}], egressDeny=[{"toEntities": ["cluster"]}]))

    assert (verdict.allowed, verdict.decision, verdict.undecidable_because) == (False, Decision.DENIES, ())


def test_the_sides_are_judged_apart() -> None:
    world = PolicyWorld.of([*PODS, netpol("x/n", types=["Egress"]), netpol("y/n", types=["Ingress"])], CILIUM)

    judgement = world.judge(ask(world, "x/a", "y/b", "TCP 80"))

    assert (judgement.egress.allowed, judgement.ingress.allowed, judgement.allowed) == (False, False, False)
    assert isinstance(judgement.traffic, Traffic)
