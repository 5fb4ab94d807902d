"""Every denied pair of workloads of a namespace, by the rule that is missing, the newest change of a policy first.

It asks no pod: what Hubble saw dropped from and to the namespace is replayed through all policies. Without Hubble
nothing is measured, and nothing is said to be clear.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flows.denials.affected import blamed, denials_among, workload_name
from flows.denials.attribution import Denial
from flows.denials.connection import POLICY_DROPS, policy_drops
from flows.denials.findings import named, plain_port, who
from flows.denials.policy_world import world_of
from flows.engine import WalkTools, Watcher, ignore, look
from flows.load import Flow
from flows.model import Case, Component, Missing
from flows.policy import Direction, Endpoint, PolicyRef
from sensors.hubble.outcomes import Connection
from sensors.hubble_capture_flows import DropTotal, HubbleFlows
from sensors.k8s_recent_changes import RecentChange, changes_of
from sensors.kit import Cluster, Sensor, Target
from sensors.kit.nearest import did_you_mean
from sensors.text import counted

POLICY_DROPS_FLOW = "flow.k8s_policy_drops"
HUBBLE, POLICIES = "hubble.capture_flows", "k8s.network_policies"


class NoSuchNamespace(ValueError):
    """There is no namespace of that name. The message is one line and says what is nearest."""


@dataclass(frozen=True, slots=True)
class DeniedPair:
    """From whom to whom, on which port, and how much of it was dropped. `pod` and `peer` are one example to look at."""

    source: str
    destination: str
    port: str
    packets: int
    attempts: int
    first: datetime | None
    last: datetime | None
    pod: Target

    @property
    def look(self) -> str:
        """The command that looks further."""
        to = ["--to", self.pod.to] if self.pod.to else []
        return shlex.join(["kai", "netdebug", self.pod.pod, "-n", self.pod.namespace, *to])


@dataclass(frozen=True, slots=True)
class MissingRule:
    """One rule that is missing (or denies), the pairs it would let through, and the newest change of its policies."""

    cause_class: str
    component: Component | None
    direction: str
    what: str
    pairs: tuple[DeniedPair, ...]
    changed: RecentChange | None = None

    @property
    def packets(self) -> int:
        return sum(each.packets for each in self.pairs)

    @property
    def since(self) -> datetime | None:
        return min((each.first for each in self.pairs if each.first), default=None)


@dataclass(frozen=True, slots=True)
class NamespaceDrops:
    """Drops by policies from and to a namespace.

    `cluster`: what people call it. `not_measured`: why Hubble could not be asked; then `rules` say nothing. `doubts`:
    what may hide more drops.
    `others`: packets that were dropped for other reasons than a policy.
    """

    namespace: str
    flow: str
    at: datetime
    rules: tuple[MissingRule, ...] = ()
    others: tuple[DropTotal, ...] = ()
    doubts: tuple[str, ...] = ()
    not_measured: str = ""
    looked_back_s: float | None = None
    cluster: str = ""

    @property
    def packets(self) -> int:
        return sum(each.packets for each in self.rules)

    @property
    def pairs(self) -> int:
        return sum(len(each.pairs) for each in self.rules)


# -- looking ---------------------------------------------------------------------------------------------------------


def of_namespace(flow: Flow, sensors: Mapping[str, Sensor]) -> Flow:
    """The flow without the steps that need a pod; other pods are the namespace's own here."""
    steps = (each for each in flow.steps if each.type != "sensor" or not sensors[each.ref].needs_pod)
    return replace(flow, steps=tuple(steps)).asking(HUBBLE, others=False)


async def look_at_namespace(
    flow: Flow, namespace: str, cluster: Cluster, tools: WalkTools, watcher: Watcher = ignore
) -> NamespaceDrops:
    """Look and replay. Raises `NoSuchNamespace`."""
    case = await look(of_namespace(flow, tools.sensors), Target("", namespace), cluster, tools, watcher)
    return replace(namespace_drops(case, flow.id), cluster=case.environment.name or "")


# -- thinking --------------------------------------------------------------------------------------------------------


def namespace_drops(case: Case, flow: str = POLICY_DROPS_FLOW) -> NamespaceDrops:
    """Result of a look at a namespace. Raises `NoSuchNamespace`."""
    _check(case)
    flows, space = case.get(HubbleFlows), case.target.namespace
    if flows is None:
        return NamespaceDrops(space, flow, case.at, not_measured=_why_blind(case, HUBBLE))
    others = tuple(each for each in flows.drop_reasons if each.number not in POLICY_DROPS)
    back = max((each.seconds for each in flows.memory), default=None)
    try:
        found = denials_among(case, flows.dropped)
    except Missing:
        unread = f"the policies could not be read: {_why_blind(case, POLICIES)}"
        return NamespaceDrops(space, flow, case.at, _unexplained(flows), others, (unread,), looked_back_s=back)
    doubts = tuple(_doubts(flows))
    return NamespaceDrops(space, flow, case.at, missing_rules(case, found), others, doubts, looked_back_s=back)


def missing_rules(case: Case, found: Iterable[Denial]) -> tuple[MissingRule, ...]:
    """The denials by the rule they miss, the newest change first."""
    groups: dict[tuple[object, ...], list[Denial]] = {}
    for each in found:
        groups.setdefault((each.cause_class, each.component, each.direction, _what(each)), []).append(each)
    return newest_first(_rule(case, group) for group in groups.values())


def newest_first(rules: Iterable[MissingRule]) -> tuple[MissingRule, ...]:
    """Rules by the newest change of their policies, then by the packets dropped; those without a known change last."""
    return tuple(sorted(rules, key=lambda each: (each.changed.ago_s if each.changed else float("inf"), -each.packets)))


def _rule(case: Case, group: Sequence[Denial]) -> MissingRule:
    head = group[0]
    changes = [change for ref in head.guilty for change in _changes(case, ref)]
    newest = min(changes, key=lambda each: each.ago_s, default=None)
    return MissingRule(
        head.cause_class, head.component, head.direction.value, _what(head), tuple(_pairs(group)), newest
    )


def _changes(case: Case, ref: PolicyRef) -> tuple[RecentChange, ...]:
    policy = case.once(world_of).policy_object(ref)
    return changes_of(policy, case.at) if policy is not None else ()


def _what(denial: Denial) -> str:
    """The rule in words: `NetworkPolicy shop/strict has no rule for egress to shop/payments on TCP 8080`."""
    traffic = denial.connection.traffic
    way = "egress to" if denial.direction is Direction.EGRESS else "ingress from"
    passage = f"{way} {who(denial.peer)} on {plain_port(traffic)}"
    match denial.cause_class:
        case "policy.explicit_deny":
            return f"{named(denial.component, denial)} denies {passage}"
        case "cilium.auth_required":
            return f"{named(denial.component, denial)} asks for authentication on {passage}"
        case "policy.both_sides_denied":
            policies = " and ".join(sorted(map(str, blamed(denial))))
            ends = f"{who(traffic.source)} → {who(traffic.destination)}"
            return f"{policies} have no rule for {ends} on {plain_port(traffic)}"
    if denial.component is None:
        return f"{named(None, denial)} denies {passage}"
    near = f" ({denial.miss.why})" if denial.miss is not None else ""
    return f"{denial.guilty[0] if denial.guilty else denial.component} has no rule for {passage}{near}"


def _pairs(group: Iterable[Denial]) -> list[DeniedPair]:
    """One for each two workloads, the most dropped first."""
    found: dict[tuple[str, str, str], list[Denial]] = {}
    for each in group:
        traffic = each.connection.traffic
        key = (_name(traffic.source), _name(traffic.destination), plain_port(traffic))
        found.setdefault(key, []).append(each)
    pairs = (
        _pair(*key, [each.connection.seen for each in them if each.connection.seen]) for key, them in found.items()
    )
    return sorted(pairs, key=lambda each: (-each.packets, each.source))


def _name(end: Endpoint) -> str:
    return workload_name(end) if end.is_pod else who(end)


def _pair(source: str, destination: str, port: str, seen: Sequence[Connection]) -> DeniedPair:
    newest = max(seen, key=lambda each: (each.last_drop is not None, each.last_drop))
    return DeniedPair(
        source,
        destination,
        port,
        sum(each.packets_dropped for each in seen),
        sum(each.dropped for each in seen),
        min((each.first_drop for each in seen if each.first_drop), default=None),
        max((each.last_drop for each in seen if each.last_drop), default=None),
        _to_look_at(newest),
    )


def _to_look_at(one: Connection) -> Target:
    """The sender with its peer; a receiver whose sender is no pod."""
    if not one.source.pod:
        return Target(one.destination.pod, one.destination.namespace)
    protocol = None if one.protocol == "TCP" else one.protocol
    return Target(one.source.pod, one.source.namespace, one.destination.ip, one.port or None, protocol)


# -- what was not seen -----------------------------------------------------------------------------------------------


def _unexplained(flows: HubbleFlows) -> tuple[MissingRule, ...]:
    """The drops as the datapath reports them, where nobody knows the policies."""
    dropped = [each for each in flows.dropped if policy_drops(each) and not each.only_probed]
    pairs = [_pair(str(each.source), str(each.destination), f"{each.protocol} {each.port}", [each]) for each in dropped]
    what = "A policy denies it; which one is not known"
    return (MissingRule("policy.unknown", None, "", what, tuple(pairs)),) if pairs else ()


def _doubts(flows: HubbleFlows) -> Iterable[str]:
    if not flows.flows:
        yield "Hubble holds no flow of this namespace"
    if pings := sum(each.packets_dropped for each in flows.dropped if each.icmp and policy_drops(each)):
        yield f"{counted(pings, 'packet')} of ICMP dropped by policies, not replayed"
    yield from flows.doubts()


def _why_blind(case: Case, sensor: str) -> str:
    return next((each.why for each in case.evidence.values() if each.sensor == sensor), "the flow does not look at it")


def _check(case: Case) -> None:
    try:
        there = case.once(world_of).inventory.namespaces
    except Missing:
        return
    space = case.target.namespace
    if there and space not in there:
        raise NoSuchNamespace(f'no namespace "{space}"{did_you_mean(space, there)}')
