"""Looks at everything an investigation needs, all at once; each thing that cannot be looked at says so by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from bot.doctor.agents import agents
from bot.doctor.check import Check, CheckState
from bot.doctor.claude import claude
from bot.doctor.impersonation import impersonation
from bot.doctor.rights import RequiredRight, check_of, rights_needed
from sensors.access.environment import SERVICE_CIDR
from sensors.access.kube import Kube
from sensors.access.kube.failure import plural_of, resource_of
from sensors.access.kube.lists import BUILT_IN
from sensors.access.live import LiveCluster
from sensors.access.live.whoami import whoami
from sensors.access.probe.client import ProbeRequest
from sensors.kit import Blind
from sensors.kit.kinds import (
    CILIUM_CLUSTERWIDE_NETWORK_POLICY,
    CILIUM_ENDPOINT,
    CILIUM_NETWORK_POLICY,
    KINDS,
    NODE,
    POD,
    SERVICE,
    Kind,
)
from sensors.kit.model import Absent
from sensors.kit.objects import name_of, named
from sensors.kit.reading import if_readable

MOST_SKEW = 5.0
"""Seconds: events, flows and our own clock are compared to about so much."""

RELAY_SERVICE = "hubble-relay"
NEEDED_BY = {"cilium": (CILIUM_NETWORK_POLICY, CILIUM_CLUSTERWIDE_NETWORK_POLICY, CILIUM_ENDPOINT)}
QUESTION = ProbeRequest(node_files=("links.json",), budget_ms=3000)
INSTALL_PROBE = (
    "helm upgrade --install kai helm/kai -n kai --create-namespace --set image.repository=IMAGE --set bot.enabled=false"
)
LOOK_AT_PROBES = "kubectl -n {} get pods -l app.kubernetes.io/name=kai-probe -o wide"
ENABLE_RELAY = "helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set hubble.relay.enabled=true"
FORWARD = "cilium hubble port-forward"


@dataclass(frozen=True, slots=True)
class Patient:
    """Subject of the examination: the cluster, and the node of the pod in question (empty: every node)."""

    cluster: LiveCluster
    environ: Mapping[str, str]
    node: str = ""

    @property
    def kube(self) -> Kube:
        return self.cluster.kube


async def examine(patient: Patient) -> tuple[Check, ...]:
    """Every prerequisite, in the order of the way. Raises `Blind` when the API server does not answer."""
    server = await _api_server(patient)
    installed = await _installed(patient.kube)
    rights, relay, probes, clock, told, approvals = await asyncio.gather(
        _rights(patient, installed),
        _relay(patient),
        _probes(patient),
        _clock(patient),
        agents(patient.cluster),
        impersonation(patient.kube),
    )
    return (
        server,
        *rights,
        *await _policy_kinds(patient, installed),
        *relay,
        *probes,
        *told,
        *approvals,
        clock,
        *await claude(patient.environ, (await patient.cluster.now()).date()),
    )


async def _api_server(patient: Patient) -> Check:
    place = patient.kube.place
    return Check("API server", CheckState.OK, f"{await patient.kube.version()} at {place.server} ({place.name})")


# -- rights ------------------------------------------------------------------------------------------------------------


async def _installed(kube: Kube) -> frozenset[Kind]:
    """The kinds this cluster serves, whatever their version; a group that cannot be asked for counts as there."""
    groups = sorted({each.group for each in (*KINDS, SERVICE_CIDR)} - BUILT_IN | {SERVICE_CIDR.group})
    served = dict(zip(groups, await asyncio.gather(*(_served(kube, each) for each in groups)), strict=True))
    there = (each for each in KINDS if each.group in BUILT_IN or plural_of(each) in served[each.group])
    newer = {SERVICE_CIDR} if plural_of(SERVICE_CIDR) in served[SERVICE_CIDR.group] else set()  # Kubernetes 1.33
    return frozenset(there) | newer


async def _served(kube: Kube, group: str) -> frozenset[str]:
    versions, _ = await if_readable(kube.lists.serving(group))
    if versions is None:
        return frozenset(plural_of(each) for each in KINDS if each.group == group)
    return frozenset(name for names in versions.values() for name in names)


async def _rights(patient: Patient, installed: frozenset[Kind]) -> list[Check]:
    user, _ = await if_readable(whoami(patient.kube))
    settings = patient.cluster.settings
    by_hand = settings.probe_namespace if settings.probe_tls is None else ""
    needed = rights_needed(installed, by_hand, with_agents=settings.exec_in_agents)
    return list(await asyncio.gather(*(_right(patient.kube, each, user or "") for each in needed)))


async def _right(kube: Kube, right: RequiredRight, user: str) -> Check:
    asking = kube.self_subject_access_review(
        right.verb, right.resource, right.group, right.subresource, right.namespace
    )
    allowed, why = await if_readable(asking)
    return check_of(right, allowed, user, why)


async def _policy_kinds(patient: Patient, installed: frozenset[Kind]) -> list[Check]:
    """The network plug-in's own policies: without their definitions it does not enforce any of them."""
    cni = (await patient.cluster.environment()).cni or ""
    return [_policy_kind(each, each in installed, cni) for each in NEEDED_BY.get(cni, ())]


def _policy_kind(kind: Kind, is_there: bool, cni: str) -> Check:
    name = f"definition: {resource_of(kind)}"
    if is_there:
        return Check(name, CheckState.OK)
    mend = f"kubectl -n kube-system logs deploy/{cni}-operator  # the operator installs it at its start"
    return Check(name, CheckState.MISSING, "not installed", f"{cni} policies of this kind are not read", mend)


# -- hubble ------------------------------------------------------------------------------------------------------------


async def _relay(patient: Patient) -> list[Check]:
    """The relay itself, and each node that it does not reach."""
    without = "no dropped packet is seen: no proof, no blame of a policy by what really happened"
    if patient.cluster.relay is None:
        return [Check("hubble relay", CheckState.MISSING, "none configured", without, ENABLE_RELAY)]
    try:
        status = await patient.cluster.relay.status()
    except Blind as why:
        return [Check("hubble relay", CheckState.MISSING, str(why), without, await _reach_relay(patient))]
    return [Check("hubble relay", CheckState.OK, status.summary()), *map(_node_away, status.unavailable)]


def _node_away(node: str) -> Check:
    mend = f"kubectl -n kube-system get pods -l k8s-app=cilium --field-selector spec.nodeName={node.rpartition('/')[2]}"
    without = "flows of this node are missing; pods there are judged with less confidence"
    return Check(f"hubble on node {node}", CheckState.MISSING, "the relay does not reach it", without, mend)


async def _reach_relay(patient: Patient) -> str:
    """A relay that is installed needs a way to it; one that is not must be installed first."""
    services, _ = await if_readable(patient.cluster.objects(SERVICE))
    return FORWARD if named(services or (), RELAY_SERVICE) else ENABLE_RELAY


# -- probes, clocks ---------------------------------------------------------------------------------------------------


async def _probes(patient: Patient) -> list[Check]:
    """One line where the probes of all nodes, or none, answer a question; else one for each node whose does not."""
    namespace = patient.cluster.settings.probe_namespace
    pods, why = await if_readable(patient.cluster.objects(POD))
    nodes, why_not = ((), "") if patient.node else await if_readable(patient.cluster.objects(NODE))
    if pods is None or nodes is None:
        return [Check("probe", CheckState.UNKNOWN, why or why_not)]
    wanted = [patient.node] if patient.node else sorted(map(name_of, nodes))
    said = await asyncio.gather(*(_asked(patient.cluster, each) for each in wanted))
    lacking = {node: why for node, why in zip(wanted, said, strict=True) if why}
    if not lacking:
        return [Check("probe", CheckState.OK, f"{len(wanted)} of {len(wanted)} nodes answer, namespace {namespace}")]
    without = "nothing is measured from inside pods (counters, DNS, connections, MTU, connection tracking)"
    if len(lacking) == len(wanted):
        mend = INSTALL_PROBE if "no probe in" in next(iter(lacking.values())) else LOOK_AT_PROBES.format(namespace)
        return [Check("probe", CheckState.MISSING, next(iter(lacking.values())), without, mend)]
    look = LOOK_AT_PROBES.format(namespace)
    return [Check(f"probe on node {node}", CheckState.MISSING, why, without, look) for node, why in lacking.items()]


async def _asked(cluster: LiveCluster, node: str) -> str:
    """The reason why the probe of a node gave no answer, or cannot see its node; empty where all is well.

    A pod that runs proves nothing: the question is asked over the way that an investigation takes.
    """
    try:
        answer = await cluster.ask_probe(node, QUESTION)
        answer.node_file(QUESTION.node_files[0])
    except (Blind, Absent) as why:
        return str(why)
    return ""


async def _clock(patient: Patient) -> Check:
    try:
        skew = await patient.kube.clock_skew()
    except (Blind, Absent) as why:
        return Check("clock", CheckState.UNKNOWN, str(why))
    found = f"the API server is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine"
    if abs(skew) <= MOST_SKEW:
        return Check("clock", CheckState.OK, f"{abs(skew):.1f} s apart")
    without = "ages are wrong, and what happened just before the trouble cannot be told"
    return Check(
        "clock", CheckState.MISSING, found, without, "sudo timedatectl set-ntp true  # on the machine that is wrong"
    )
