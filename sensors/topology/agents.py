"""Labels of the agents that make a cluster's network."""

from __future__ import annotations

from collections.abc import Mapping

AGENTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "cilium": (("k8s-app", "cilium"),),
    "calico": (("k8s-app", "calico-node"), ("k8s-app", "canal")),
    "aws-vpc-cni": (("k8s-app", "aws-node"),),
    "flannel": (("app", "flannel"), ("k8s-app", "flannel")),
    "antrea": (("component", "antrea-agent"),),
    "kindnet": (("k8s-app", "kindnet"), ("app", "kindnet")),
    "kube-router": (("k8s-app", "kube-router"),),
    "weave": (("name", "weave-net"),),
    "ovn-kubernetes": (("app", "ovnkube-node"),),
    "azure-cni": (("k8s-app", "azure-cns"),),
}
"""Labels of the agents' pods, by CNI, from the projects' own manifests."""
