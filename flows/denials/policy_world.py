"""The policy world of a case: all policies, endpoints and labels that were read, as its datapath compares them."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakValueDictionary

from flows.model import Case
from flows.policy import AWS_VPC_CNI, CALICO_IPTABLES, UNKNOWN_PROFILE, Enforcement, PolicyWorld, Profile
from flows.policy.profile import cilium
from sensors.cni_health import CniHealth
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies

NOT_ENFORCING = frozenset({"flannel", "bridge"})
"""Network plug-ins without any policy engine (flannel's own documentation; the CNI reference plug-in `bridge`)."""

_LOCAL = "policy-default-local-cluster"


_INDEXED: WeakValueDictionary[tuple[Profile, tuple[int, ...]], PolicyWorld] = WeakValueDictionary()
"""By what they were made of. A world keeps that, so that an id means the same object for as long as it is here."""


def world_of(case: Case) -> PolicyWorld:
    """The policy simulator over the objects that were read: one for all cases that read the very same objects.

    Raises `Missing` when policies could not be looked at.
    """
    objects, profile = case[Policies].objects, profile_of(case)
    key = profile, tuple(map(id, objects))
    if (known := _INDEXED.get(key)) is None:
        known = _INDEXED[key] = PolicyWorld.of(objects, profile)
    return known


def profile_of(case: Case) -> Profile:
    """Profile of the datapath in front of us: by the network plug-in and its own settings."""
    cni, version = case.environment.cni or "", case.environment.cni_version or ""
    health = case.get(CniHealth)
    if not cni and health is not None:
        cni, version = health.cni, health.version
    if not cni and case.get(HubbleFlows) is not None:
        cni = "cilium"  # nobody else sends hubble flows
    if cni == "cilium":
        return _cilium(version, health.config if health is not None else {})
    return {"calico": CALICO_IPTABLES, "aws-vpc-cni": AWS_VPC_CNI}.get(cni, UNKNOWN_PROFILE)


def _cilium(version: str, config: Mapping[str, str]) -> Profile:
    """Settings of the ConfigMap cilium-config. Source: Cilium `Documentation/cmdref/cilium-agent.md`."""
    modes = config.get("policy-cidr-match-mode", "").replace(",", " ").split()
    known = {each.value: each for each in Enforcement}
    return cilium(
        version,
        cidr_matches_nodes="nodes" in modes,
        cidr_matches_pods="pods" in modes,
        cluster_network_policy=config.get("enable-k8s-cluster-network-policy") == "true",
        filters_labels="labels" not in config,  # a filter of one's own replaces the default one; it is not read here
        local_node_allowed=config.get("allow-localhost") != "policy",
        enforcement=known.get(config.get("enable-policy", ""), Enforcement.DEFAULT),
        cluster_name=config.get("cluster-name") or "default",
        **({"local_cluster_only": config[_LOCAL] == "true"} if _LOCAL in config else {}),
        **({"default_deny_options": False} if config.get("enable-non-default-deny-policies") == "false" else {}),
    )


def only_audits(case: Case) -> bool:
    """Checks whether the datapath reports denials and lets the packets through (policy audit mode)."""
    health = case.get(CniHealth)
    return health is not None and health.config.get("policy-audit-mode") == "true"


def enforces(case: Case) -> bool:
    """False where the network plug-in is known to have no policy engine."""
    return (case.environment.cni or "") not in NOT_ENFORCING
