"""Semantics of the datapath in front of us where the Kubernetes API leaves them open.

The API says of ipBlock that it is meant for addresses outside the cluster, and leaves undefined whether it sees an
address before or after the rewriting of a Service; host-network pods are undefined too. A ``Profile`` states each of
these; ``None`` means "not known", and makes every verdict that depends on it undecidable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

_SHOWN = ("io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels", "app.kubernetes.io")
_HIDDEN = re.compile(
    r"io\.kubernetes|kubernetes\.io|k8s\.io|.*beta\.kubernetes\.io|annotation|etcd_node"
    r"|statefulset\.kubernetes\.io/pod-name|apps\.kubernetes\.io/pod-index|batch\.kubernetes\.io/job-completion-index"
    r"|pod-template-generation|pod-template-hash|controller-revision-hash"
)


class Datapath(StrEnum):
    CILIUM = "cilium"
    CALICO_IPTABLES = "calico-iptables"
    AWS_VPC_CNI = "aws-vpc-cni"
    UNKNOWN = "unknown"


class Enforcement(StrEnum):
    """Cilium's ``policy-enforcement`` option; other datapaths know the default only."""

    DEFAULT = "default"
    ALWAYS = "always"  # every endpoint is isolated, policy or not
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Profile:
    """One datapath's answers. Sources: Cilium ``Documentation/security/policy/layer3.rst`` and
    ``pkg/ipcache/metadata.go``; projectcalico/calico#5129 and #8049; ``amazon-network-policy-controller-k8s``."""

    datapath: Datapath = Datapath.UNKNOWN
    version: str = ""
    cidr_matches_pods: bool | None = None
    cidr_matches_nodes: bool | None = None
    sees_service_address: bool | None = None  # policy is evaluated before a Service address is rewritten
    host_network_is_node: bool | None = None  # True: a host-network pod is a node to policies; False: an ordinary pod
    hairpin_allowed: bool | None = None  # a pod that reaches itself through its Service
    local_node_allowed: bool = True  # a node always reaches its own pods (kubelet probes)
    cilium_policies: bool | None = None  # implements CiliumNetworkPolicy and its cluster-wide sister
    cluster_network_policy: bool | None = None  # policy.networking.k8s.io/v1alpha2
    admin_network_policy: bool | None = None  # policy.networking.k8s.io/v1alpha1
    filters_labels: bool = False  # drops labels such as pod-template-hash from identities
    end_port: bool = True  # False: Cilium up to 1.15 takes a range as its first port
    denies_own_node: bool = False  # a deny rule also stops the node a pod runs on, which no isolation does
    labels_alone: bool = False  # selectors are asked of nodes and addresses, too; without labels they meet every NotIn
    rules_name_types: bool = False  # a NetworkPolicy's rules count although policyTypes leaves their direction out
    refuses_no_rules: bool = True  # Cilium from 1.17 refuses a policy without any rule; before, it does nothing
    default_deny_options: bool = True  # reads enableDefaultDeny (Cilium from 1.16)
    services_by_selector: bool | None = None  # toServices reaches the pods behind a Service (Cilium from 1.17)
    local_cluster_only: bool | None = None  # a selector that names no cluster means this one (Cilium from 1.19)
    names_of_each_pod: bool | None = True  # an egress port name means each pod's own number (Cilium from 1.20)
    enforcement: Enforcement = Enforcement.DEFAULT
    cluster_name: str = "default"

    def hides(self, key: str) -> bool:
        """True if a pod label stays out of identities, so that no selector can match it (Cilium's default filter,
        ``pkg/labelsfilter/filter.go``: e.g. pod-template-hash, statefulset.kubernetes.io/pod-name)."""
        return self.filters_labels and _hidden(key)

    def with_options(self, **options: object) -> Profile:
        """The same datapath with other settings, e.g. ``cidr_matches_nodes=True`` for policy-cidr-match-mode=nodes."""
        return replace(self, **options)  # type: ignore[arg-type]  # names and types are those of the fields


@lru_cache(maxsize=4096)
def _hidden(key: str) -> bool:
    return not key.startswith(_SHOWN) and bool(_HIDDEN.match(key))


CILIUM = Profile(
    datapath=Datapath.CILIUM,
    cidr_matches_pods=False,
    cidr_matches_nodes=False,
    sees_service_address=False,
    host_network_is_node=True,
    hairpin_allowed=True,
    cilium_policies=True,
    cluster_network_policy=False,  # from 1.20 behind k8sClusterNetworkPolicy.enabled, off by default
    admin_network_policy=False,
    filters_labels=True,
    denies_own_node=True,
    labels_alone=True,
    rules_name_types=True,
)
CALICO_IPTABLES = Profile(
    datapath=Datapath.CALICO_IPTABLES,
    cidr_matches_pods=True,
    cidr_matches_nodes=True,
    sees_service_address=False,
    host_network_is_node=True,
    hairpin_allowed=True,
    cilium_policies=False,
)
AWS_VPC_CNI = Profile(
    datapath=Datapath.AWS_VPC_CNI,
    cidr_matches_pods=True,
    cidr_matches_nodes=True,
    sees_service_address=True,
    host_network_is_node=True,
    cilium_policies=False,
)
UNKNOWN_PROFILE = Profile()


def cilium(version: str = "", **options: object) -> Profile:
    """Cilium of one version ("1.15.4"). What changed, and when (each read in the sources of both versions):

    1.16 endPort (commit 036ecab321) and enableDefaultDeny; 1.17 toServices for Services with a selector, and no policy
    without rules (``pkg/policy/api/rule_validation.go``); 1.19 ``policy-default-local-cluster`` on by default; 1.20
    port names (``named_ports``). An unknown version is taken for a current one, except where an older one would decide
    otherwise: that is not known.
    """
    minor = _minor(version)
    current = {
        "end_port": minor >= 16,
        "default_deny_options": minor >= 16,
        "refuses_no_rules": minor >= 17,
        "services_by_selector": minor >= 17 if version else None,
        "local_cluster_only": minor >= 19 if version else None,
        "names_of_each_pod": minor >= 20 if version else None,
    }
    return CILIUM.with_options(version=version, **{**current, **options})


def _minor(version: str) -> int:
    """The minor version; a large number where it is unknown."""
    found = re.match(r"v?1\.(\d+)", version)
    return int(found[1]) if found else 99
