"""The closed list of root causes: a diagnosis names exactly one of these, and nothing else.

Each cause belongs to one layer of the ledger and one stage of the path. The earliest blocking stage explains the
later ones: a pod that does not run looks up no name, a name that does not resolve reaches no Service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Layer(StrEnum):
    """The seven layers people check by hand, and the application above them."""

    POD_NETWORK = "pod_network"
    SERVICE = "service"
    POLICY = "policy"
    DNS = "dns"
    CONNTRACK = "conntrack"
    NAT = "nat"
    PHYSICAL = "physical"
    APPLICATION = "application"


class Stage(IntEnum):
    """Stage of the path at which a cause blocks; a smaller number comes first and hides what follows."""

    TARGET = 10
    NODE = 20
    CNI = 25
    NODE_CONNTRACK = 30  # a full table on the target's node stops look-ups as well as connections
    DNS_POLICY = 38
    DNS = 40
    EGRESS_POLICY = 50
    SERVICE = 60
    NAT = 70
    PATH = 80
    INGRESS_POLICY = 90
    LISTENING = 100
    APPLICATION = 110
    NONE = 200


@dataclass(frozen=True, slots=True)
class Cause:
    """One class of the closed list: a rule of this version can prove each of them."""

    id: str
    layer: Layer | None
    stage: Stage


def _table() -> Mapping[str, Cause]:
    rows = {
        (Layer.POLICY, Stage.EGRESS_POLICY): (
            "policy.egress_denied policy.both_sides_denied policy.explicit_deny policy.l7_denied policy.fqdn_mismatch "
            "policy.cidr_never_matches policy.wrong_port policy.wrong_selector policy.not_enforced policy.hostnet_peer"
        ),
        (Layer.POLICY, Stage.INGRESS_POLICY): "policy.ingress_denied policy.snat_source control.webhook",
        (Layer.POLICY, Stage.DNS_POLICY): "policy.dns_blocked",
        (Layer.DNS, Stage.DNS): (
            "dns.coredns_oom dns.coredns_down dns.coredns_config dns.upstream_failure dns.nxdomain "
            "dns.search_amplification dns.pod_config dns.conntrack_race dns.loop dns.service_selector dns.nodelocal "
            "dns.overload"
        ),
        (Layer.SERVICE, Stage.SERVICE): (
            "service.no_endpoints service.no_ready_endpoints service.wrong_target_port service.wrong_port "
            "service.not_found service.external_traffic_local service.stale_address service.mixed_backends "
            "service.protocol service.lb_source_range service.hairpin service.rollout ip.family"
        ),
        (Layer.CONNTRACK, Stage.NODE_CONNTRACK): "conntrack.full",
        (Layer.CONNTRACK, Stage.NAT): "conntrack.insert_race nat.invalid_dropped nat.stale_udp",
        (Layer.NAT, Stage.NAT): "nat.port_exhaustion nat.kube_proxy_down nat.ephemeral_ports",
        (Layer.PHYSICAL, Stage.PATH): "mtu.mismatch external.unreachable path.checksum path.loss",
        (Layer.PHYSICAL, Stage.NODE): "node.not_ready",
        (Layer.PHYSICAL, Stage.CNI): "node.host_firewall",
        (Layer.POD_NETWORK, Stage.CNI): (
            "cni.agent_down cni.ip_exhaustion cni.route_missing cni.not_initialised cni.auth cni.ip_conflict "
            "cni.overlay_blocked cni.cidr_overlap cilium.identity_race cilium.auth_required"
        ),
        (Layer.APPLICATION, Stage.TARGET): "app.crash app.pending",
        (Layer.APPLICATION, Stage.LISTENING): "app.not_listening mesh.mtls mesh.authz mesh.sidecar",
        (Layer.APPLICATION, Stage.APPLICATION): "app.error app.slow app.client_config",
        (None, Stage.NONE): "none.healthy inconclusive",
    }
    return {name: Cause(name, layer, stage) for (layer, stage), names in rows.items() for name in names.split()}


CAUSES: Mapping[str, Cause] = _table()


def _explained() -> Mapping[str, frozenset[str]]:
    rows = {
        "cni.auth": "cni.agent_down",
        "cni.ip_exhaustion": "cni.agent_down",
        "cni.not_initialised": "node.not_ready cni.agent_down",
        "cni.overlay_blocked": "external.unreachable path.loss",
        "cni.route_missing": "service.stale_address external.unreachable path.loss",
        "conntrack.full": (
            "dns.coredns_down dns.conntrack_race dns.upstream_failure dns.nodelocal dns.overload external.unreachable "
            "conntrack.insert_race nat.port_exhaustion app.not_listening"
        ),
        "dns.coredns_config": "dns.nxdomain dns.upstream_failure",
        "dns.coredns_down": "dns.overload dns.nodelocal",
        "dns.coredns_oom": "dns.coredns_down dns.overload",
        "dns.loop": "dns.coredns_oom dns.coredns_down dns.overload dns.upstream_failure",
        "dns.pod_config": "dns.nxdomain dns.coredns_config dns.upstream_failure",
        "dns.service_selector": "dns.coredns_down service.no_endpoints",
        "node.host_firewall": "policy.ingress_denied",
        "policy.both_sides_denied": "policy.ingress_denied",
        "policy.dns_blocked": (
            "dns.upstream_failure dns.nxdomain dns.coredns_down dns.overload dns.conntrack_race app.error"
        ),
        "ip.family": "app.not_listening nat.ephemeral_ports",
        "mesh.authz": "app.error",
        "mesh.mtls": "app.error",
        "mesh.sidecar": "app.error app.not_listening ip.family",
        "nat.invalid_dropped": "app.error",
        "nat.stale_udp": "service.stale_address external.unreachable",
        "path.checksum": (
            "cni.overlay_blocked cni.route_missing dns.coredns_down dns.conntrack_race dns.upstream_failure "
            "dns.nodelocal dns.overload path.loss"
        ),
        "service.not_found": "external.unreachable",
        "service.protocol": "app.not_listening external.unreachable",
        "service.stale_address": "external.unreachable",
        "service.wrong_port": "external.unreachable",
    }
    return {cause: frozenset(named.split()) for cause, named in rows.items()}


EXPLAINS: Mapping[str, frozenset[str]] = _explained()
"""What each cause explains wherever it is true: findings of these classes are its consequences, not its rivals."""

BACKENDS_LOST = frozenset({"service.no_ready_endpoints", "service.external_traffic_local"})
"""What a cause explains, too, where it is shown to have taken a Service's last backends."""

DNS_SERVERS_LOST = frozenset({"dns.coredns_down"})
"""What a cause explains, too, where it is shown to have taken the cluster's last DNS servers."""
