"""Would this connection be allowed, by which policy, and what is the smallest thing in its way?

A pure library: policies and pods come in as the plain dicts the API server returns, nothing is read or written, and
nothing outside the standard library is used.

    world = World.of(objects, profile=CILIUM)
    judgement = world.judge(Traffic(source, destination, "TCP", 8080))
    print(judgement_in_words(judgement))
    diff = difference_of(world, world.with_objects([patched_policy]))
"""

from flows.policy.closest import Mistake, distance, mistake_of, mistake_of_rule, slips
from flows.policy.difference import difference_of
from flows.policy.model import (
    Decision,
    Diff,
    Direction,
    Endpoint,
    Judgement,
    Miss,
    MissKind,
    Opening,
    PolicyParty,
    PolicyRef,
    PolicyVerdict,
    PolicyWalk,
    RuleWalk,
    Traffic,
)
from flows.policy.profile import (
    AWS_VPC_CNI,
    CALICO_IPTABLES,
    CILIUM,
    UNKNOWN_PROFILE,
    Datapath,
    Enforcement,
    Profile,
)
from flows.policy.wording import diff_in_words, judgement_in_words
from flows.policy.world import PolicyWorld

__all__ = [
    "AWS_VPC_CNI",
    "CALICO_IPTABLES",
    "CILIUM",
    "UNKNOWN_PROFILE",
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
    "PolicyParty",
    "PolicyRef",
    "PolicyVerdict",
    "PolicyWalk",
    "PolicyWorld",
    "Profile",
    "RuleWalk",
    "Traffic",
    "diff_in_words",
    "difference_of",
    "distance",
    "judgement_in_words",
    "mistake_of",
    "mistake_of_rule",
    "slips",
]
