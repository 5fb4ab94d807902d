"""Laws that hold for every cluster, whatever the right verdicts are (the API reference promises each of them)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.policy import CALICO_IPTABLES, CILIUM, PolicyWorld
from flows.policy.reach import PortOutcome
from tests.flows.policy.builders import Json, admin
from tests.flows.policy.clusters import Chance, mixed_cluster
from tests.flows.policy.fuzz_nca import _policy, cluster
from tests.kit.sampling import examples

seeds = st.integers(0, 100_000)
laws = settings(max_examples=examples(40), deadline=None)


def reached(objects: list[Json], profile: Any = CILIUM) -> dict[tuple[Any, Any], PortOutcome]:
    world = PolicyWorld.of(objects, profile)
    pods = world.inventory.pods
    return {(a, b): world.reach(pods[a], pods[b]) for a in pods for b in pods if a != b}


def is_policy(item: Json) -> bool:
    return item["kind"].endswith("Policy")


@laws
@given(seeds)
def test_the_order_of_objects_does_not_matter(seed: int) -> None:
    objects = mixed_cluster(seed)

    assert reached(objects) == reached(objects[::-1])


@laws
@given(seeds)
def test_another_rule_never_takes_away_what_was_admitted(seed: int) -> None:
    objects = cluster(Chance(seed))
    old = next(item for item in objects if is_policy(item))
    spec = dict(old["spec"])
    for kind, key in (("Ingress", "ingress"), ("Egress", "egress")):
        if kind in spec["policyTypes"]:
            spec[key] = [*spec.get(key, []), *_policy(0, Chance(seed + 1))["spec"].get(key, [])]

    before, after = reached(objects), reached([{**o, "spec": spec} if o is old else o for o in objects])

    assert all(not before[pair].allowed - after[pair].allowed for pair in before)


@laws
@given(seeds)
def test_a_policy_may_be_cut_into_one_policy_per_rule(seed: int) -> None:
    objects = cluster(Chance(seed))
    cut = [piece for item in objects for piece in (pieces(item) if is_policy(item) else [item])]

    assert reached(objects) == reached(cut)


def pieces(policy: Json) -> list[Json]:
    bare = {key: value for key, value in policy["spec"].items() if key not in ("ingress", "egress")}
    rules = [(key, rule) for key in ("ingress", "egress") for rule in policy["spec"].get(key, [])]
    parts = [{**bare}, *({**bare, key: [rule]} for key, rule in rules)]
    name = policy["metadata"]["name"]
    return [
        {**policy, "metadata": {**policy["metadata"], "name": f"{name}-{n}"}, "spec": part}
        for n, part in enumerate(parts)
    ]


@laws
@given(seeds)
def test_renaming_a_label_everywhere_changes_nothing(seed: int) -> None:
    objects = cluster(Chance(seed))

    assert reached(objects) == reached(renamed(objects))


def renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {"role" if key == "app" else key: renamed(v) for key, v in value.items()}
    if isinstance(value, list):
        return [renamed(item) for item in value]
    return "role" if value == "app" else value


@laws
@given(seeds)
def test_without_policies_everything_is_allowed(seed: int) -> None:
    objects = [item for item in mixed_cluster(seed) if not is_policy(item)]

    assert not any(outcome.may_deny for outcome in reached(objects).values())


@laws
@given(seeds)
def test_passing_everything_at_the_top_is_as_if_nothing_stood_in_the_admin_tier(seed: int) -> None:
    profile = CALICO_IPTABLES.with_options(cluster_network_policy=True)
    objects = mixed_cluster(seed)
    everyone: Json = {"namespaces": {}}
    passing = {"action": "Pass"}
    top = admin(
        "top", "Admin", -1, everyone, ingress=[{**passing, "from": [everyone]}], egress=[{**passing, "to": [everyone]}]
    )
    bare = [item for item in objects if item.get("spec", {}).get("tier") != "Admin"]

    assert reached([*objects, top], profile) == reached(bare, profile)


@laws
@given(seeds)
def test_the_same_policy_twice_is_the_policy_once(seed: int) -> None:
    objects = mixed_cluster(seed)
    twins = [
        {**o, "metadata": {**o["metadata"], "name": "twin-" + o["metadata"]["name"]}} for o in objects if is_policy(o)
    ]

    assert reached(objects) == reached([*objects, *twins])
