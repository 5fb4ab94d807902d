"""The index never hides a policy that selects an endpoint."""

from __future__ import annotations

from flows.policy import CILIUM, PolicyWorld
from flows.policy.policy_index import PolicyIndex
from tests.flows.policy.clusters import mixed_cluster


def test_the_index_finds_every_policy_that_selects_in_the_order_given() -> None:
    for seed in range(60):
        world = PolicyWorld.of(mixed_cluster(seed), CILIUM.with_options(cluster_network_policy=True))
        index = PolicyIndex(world.policies)
        for endpoint in world.inventory.pods.values():
            wanted = [policy for policy in world.policies if policy.selects(endpoint, world.profile) is not False]

            found = [p for p in index.candidates(endpoint) if p.selects(endpoint, world.profile) is not False]

            assert found == wanted
