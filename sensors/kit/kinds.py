"""The kinds of object KAI reads, as the API server names them.

Sources: the Kubernetes API reference (core/v1, apps/v1, networking.k8s.io/v1, discovery.k8s.io/v1), Cilium's CRDs
(cilium.io/v2), SIG-Network's policy.networking.k8s.io v1alpha1 and v1alpha2, Calico's projectcalico.org/v3, Istio's
security.istio.io/v1, Linkerd's policy.linkerd.io, Chaos Mesh's chaos-mesh.org/v1alpha1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource: `api` is group/version (core: `v1`), `plural` its name in URLs and in case folders."""

    name: str
    api: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        return self.api.rpartition("/")[0]

    def __str__(self) -> str:
        return self.name


POD = Kind("Pod", "v1", "pods")
NAMESPACE = Kind("Namespace", "v1", "namespaces", namespaced=False)
NODE = Kind("Node", "v1", "nodes", namespaced=False)
SERVICE = Kind("Service", "v1", "services")
CONFIG_MAP = Kind("ConfigMap", "v1", "configmaps")
EVENT = Kind("Event", "v1", "events")
ENDPOINT_SLICE = Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices")
DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments")
REPLICA_SET = Kind("ReplicaSet", "apps/v1", "replicasets")
STATEFUL_SET = Kind("StatefulSet", "apps/v1", "statefulsets")
DAEMON_SET = Kind("DaemonSet", "apps/v1", "daemonsets")
INGRESS = Kind("Ingress", "networking.k8s.io/v1", "ingresses")
NETWORK_POLICY = Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies")
CILIUM_NETWORK_POLICY = Kind("CiliumNetworkPolicy", "cilium.io/v2", "ciliumnetworkpolicies")
CILIUM_CLUSTERWIDE_NETWORK_POLICY = Kind(
    "CiliumClusterwideNetworkPolicy", "cilium.io/v2", "ciliumclusterwidenetworkpolicies", namespaced=False
)
CILIUM_ENDPOINT = Kind("CiliumEndpoint", "cilium.io/v2", "ciliumendpoints")
CILIUM_NODE = Kind("CiliumNode", "cilium.io/v2", "ciliumnodes", namespaced=False)
CILIUM_CIDR_GROUP = Kind("CiliumCIDRGroup", "cilium.io/v2", "ciliumcidrgroups", namespaced=False)
CLUSTER_NETWORK_POLICY = Kind(
    "ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2", "clusternetworkpolicies", namespaced=False
)
ADMIN_NETWORK_POLICY = Kind(
    "AdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1", "adminnetworkpolicies", namespaced=False
)
BASELINE_ADMIN_NETWORK_POLICY = Kind(
    "BaselineAdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1", "baselineadminnetworkpolicies", namespaced=False
)
CALICO_NETWORK_POLICY = Kind("NetworkPolicy", "projectcalico.org/v3", "networkpolicies.projectcalico.org")
CALICO_GLOBAL_NETWORK_POLICY = Kind(
    "GlobalNetworkPolicy", "projectcalico.org/v3", "globalnetworkpolicies.projectcalico.org", namespaced=False
)
CALICO_IP_POOL = Kind("IPPool", "projectcalico.org/v3", "ippools", namespaced=False)
PEER_AUTHENTICATION = Kind("PeerAuthentication", "security.istio.io/v1", "peerauthentications")
AUTHORIZATION_POLICY = Kind("AuthorizationPolicy", "security.istio.io/v1", "authorizationpolicies")
LINKERD_SERVER = Kind("Server", "policy.linkerd.io/v1beta3", "servers")
LINKERD_AUTHORIZATION = Kind(
    "AuthorizationPolicy", "policy.linkerd.io/v1alpha1", "authorizationpolicies.policy.linkerd.io"
)
NETWORK_CHAOS = Kind("NetworkChaos", "chaos-mesh.org/v1alpha1", "networkchaos")

KINDS: tuple[Kind, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Kind))
