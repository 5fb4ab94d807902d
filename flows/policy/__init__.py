"""Would this connection be allowed, by which policy, and what is the smallest thing in its way?

A pure library: policies and pods come in as the plain dicts the API server returns, nothing is read or written, and
nothing outside the standard library is used.

    world = World.of(objects, profile=CILIUM)
    judgement = world.judge(Traffic(source, destination, "TCP", 8080))
    print(judgement.words())
    diff = world.newly_allowed(world.with_objects([patched_policy]))
"""

from flows.policy.closest import Mistake, distance, mistake_of, mistake_of_rule, slips
from flows.policy.model import (
    Decision,
    Diff,
    Direction,
    Endpoint,
    Judgement,
    Miss,
    MissKind,
    Opening,
    Party,
    PolicyRef,
    PolicyWalk,
    RuleWalk,
    Traffic,
    Verdict,
)
from flows.policy.profile import (
    AWS_VPC_CNI,
    CALICO_IPTABLES,
    CILIUM,
    UNKNOWN,
    Datapath,
    Enforcement,
    Profile,
)
from flows.policy.world import World

__all__ = [
    "AWS_VPC_CNI",
    "CALICO_IPTABLES",
    "CILIUM",
    "UNKNOWN",
    "Datapath",
    "Decision",
    "Diff",
    "Direction",
    "Endpoint",
    "Enforcement",
    "Judgement",
    "Miss",
    "MissKind",
    "Mistake",
    "Opening",
    "Party",
    "PolicyRef",
    "PolicyWalk",
    "Profile",
    "RuleWalk",
    "Traffic",
    "Verdict",
    "World",
    "distance",
    "mistake_of",
    "mistake_of_rule",
    "slips",
]
