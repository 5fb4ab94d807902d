"""Why a packet was dropped: what each of Cilium's drop numbers means, and where to look next.

Numbers are the truth: agents newer than us send numbers we do not know, and two names in `flow.proto` say something
else than what happened (136, 161; see `misnamed`). Sources: `bpf/lib/drop_reasons.h`, `pkg/monitor/api/drop.go` (the
text) and `api/v1/flow/flow.proto` (the enum) of Cilium 1.19; 206 and 207 from 1.21-dev. Meanings are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DropClass(StrEnum):
    """Which part of the datapath said no."""

    POLICY = "policy"
    CONNTRACK = "conntrack"
    NAT = "nat"
    SERVICE = "service"
    MTU = "mtu"
    ROUTE = "route"
    IDENTITY = "identity"
    ENCRYPTION = "encryption"
    PROXY = "proxy"
    AUTH = "auth"
    QOS = "qos"
    STARTUP = "startup"
    PACKET = "packet"
    FILTER = "filter"
    HARMLESS = "harmless"
    UNUSED = "unused"
    UNKNOWN = "unknown"


class Noise(StrEnum):
    """When a drop of this reason says nothing about a pod that cannot talk."""

    NEVER = "never"
    IPV6 = "ipv6"  # neighbour and multicast chatter of an IPv6 stack nobody uses
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class DropReason:
    """One drop number. `enum` is the name Hubble filters take, `name` the one to show, `text` Cilium's own words."""

    number: int
    enum: str
    text: str
    group: DropClass
    meaning: str
    check: str = ""
    noise: Noise = Noise.NEVER
    misnamed: str = ""  # the honest name, where the enum's is wrong

    @property
    def name(self) -> str:
        return self.misnamed or self.enum


_C = DropClass

_TABLE = (
    DropReason(130, "INVALID_SOURCE_MAC", "Invalid source mac", _C.UNUSED, "no longer emitted"),
    DropReason(131, "INVALID_DESTINATION_MAC", "Invalid destination mac", _C.UNUSED, "no longer emitted"),
    DropReason(
        132,
        "INVALID_SOURCE_IP",
        "Invalid source ip",
        _C.PACKET,
        "the pod sent from an address that is not its own",
        "a second address or interface in the pod, or a pod just moved; on IPv6 ordinary chatter",
        Noise.IPV6,
    ),
    DropReason(
        133,
        "POLICY_DENIED",
        "Policy denied",
        _C.POLICY,
        "a policy isolates the pod in this direction and no rule admits the packet",
        "the policies that select the pod; the identity the datapath used for the peer",
    ),
    DropReason(134, "INVALID_PACKET_DROPPED", "Invalid packet", _C.PACKET, "a malformed packet"),
    DropReason(
        135, "CT_TRUNCATED_OR_INVALID_HEADER", "CT: Truncated or invalid header", _C.PACKET, "a header cut short"
    ),
    DropReason(
        136,
        "CT_MISSING_TCP_ACK_FLAG",
        "Fragmentation needed",
        _C.MTU,
        "the packet is larger than the path carries and may not be fragmented",
        "MTU of pod, overlay and uplink; ICMP 'fragmentation needed' let through",
        misnamed="FRAGMENTATION_NEEDED",
    ),
    DropReason(
        137,
        "CT_UNKNOWN_L4_PROTOCOL",
        "CT: Unknown L4 protocol",
        _C.PACKET,
        "not TCP, UDP, ICMP or SCTP, and policy is on",
        "GRE, ESP or IGMP from the pod",
    ),
    DropReason(
        138,
        "CT_CANNOT_CREATE_ENTRY_FROM_PACKET",
        "CT: Can't create entry from packet",
        _C.UNUSED,
        "no longer emitted",
    ),
    DropReason(
        139,
        "UNSUPPORTED_L3_PROTOCOL",
        "Unsupported L3 protocol",
        _C.PACKET,
        "an address family the datapath does not carry, mostly IPv6 where it is off",
        "whether the program insists on IPv6",
        Noise.IPV6,
    ),
    DropReason(
        140,
        "MISSED_TAIL_CALL",
        "Missed tail call",
        _C.STARTUP,
        "the datapath program was being replaced",
        "an agent restart or upgrade at that moment",
    ),
    DropReason(
        141, "ERROR_WRITING_TO_PACKET", "Error writing to packet", _C.PACKET, "the packet could not be rewritten"
    ),
    DropReason(
        142,
        "UNKNOWN_L4_PROTOCOL",
        "Unknown L4 protocol",
        _C.PACKET,
        "a transport protocol the datapath does not know",
        "SCTP support, multicast",
    ),
    DropReason(143, "UNKNOWN_ICMPV4_CODE", "Unknown ICMPv4 code", _C.PACKET, "an ICMP message not provided for"),
    DropReason(144, "UNKNOWN_ICMPV4_TYPE", "Unknown ICMPv4 type", _C.PACKET, "an ICMP message not provided for"),
    DropReason(145, "UNKNOWN_ICMPV6_CODE", "Unknown ICMPv6 code", _C.PACKET, "an ICMPv6 message not provided for"),
    DropReason(146, "UNKNOWN_ICMPV6_TYPE", "Unknown ICMPv6 type", _C.PACKET, "an ICMPv6 message not provided for"),
    DropReason(
        147,
        "ERROR_RETRIEVING_TUNNEL_KEY",
        "Error retrieving tunnel key",
        _C.ENCRYPTION,
        "an overlay packet without a readable tunnel key",
        "tunnel mode equal on all nodes",
    ),
    DropReason(
        148, "ERROR_RETRIEVING_TUNNEL_OPTIONS", "Error retrieving tunnel options", _C.UNUSED, "no longer emitted"
    ),
    DropReason(149, "INVALID_GENEVE_OPTION", "Invalid Geneve option", _C.UNUSED, "no longer emitted"),
    DropReason(
        150,
        "UNKNOWN_L3_TARGET_ADDRESS",
        "Unknown L3 target address",
        _C.ROUTE,
        "an IPv6 neighbour nobody here is",
        noise=Noise.IPV6,
    ),
    DropReason(
        151,
        "STALE_OR_UNROUTABLE_IP",
        "Stale or unroutable IP",
        _C.ROUTE,
        "no endpoint has the destination address any more",
        "a pod just deleted, a client that keeps an old address, the other node's ipcache",
    ),
    DropReason(
        152,
        "NO_MATCHING_LOCAL_CONTAINER_FOUND",
        "No matching local container found",
        _C.UNUSED,
        "no longer emitted",
    ),
    DropReason(
        153,
        "ERROR_WHILE_CORRECTING_L3_CHECKSUM",
        "Error while correcting L3 checksum",
        _C.PACKET,
        "the packet could not be rewritten",
    ),
    DropReason(
        154,
        "ERROR_WHILE_CORRECTING_L4_CHECKSUM",
        "Error while correcting L4 checksum",
        _C.PACKET,
        "the packet could not be rewritten",
    ),
    DropReason(
        155,
        "CT_MAP_INSERTION_FAILED",
        "CT: Map insertion failed",
        _C.CONNTRACK,
        "the connection table had no room for a new entry",
        "cilium_bpf_map_pressure of the ct maps, collection interval, connection churn",
    ),
    DropReason(
        156, "INVALID_IPV6_EXTENSION_HEADER", "Invalid IPv6 extension header", _C.PACKET, "a malformed IPv6 packet"
    ),
    DropReason(
        157,
        "IP_FRAGMENTATION_NOT_SUPPORTED",
        "IP fragmentation not supported",
        _C.MTU,
        "an IP fragment, and fragment tracking is off",
        "packet sizes of the program; enable-ipv4-fragment-tracking",
    ),
    DropReason(
        158,
        "SERVICE_BACKEND_NOT_FOUND",
        "Service backend not found",
        _C.SERVICE,
        "the Service has no backend for this packet, or no such port",
        "EndpointSlices of the Service, its ports, its traffic policy",
    ),
    DropReason(159, "", "", _C.SERVICE, "the Service does not carry this protocol", "protocol of the Service's port"),
    DropReason(
        160,
        "NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT",
        "No tunnel/encapsulation endpoint (datapath BUG!)",
        _C.ENCRYPTION,
        "no tunnel to the destination's node is known",
        "CiliumNode objects, agent restarts",
    ),
    DropReason(
        161,
        "FAILED_TO_INSERT_INTO_PROXYMAP",
        "NAT 46/64 not enabled",
        _C.NAT,
        "translation between IPv4 and IPv6 is off",
        "address families of Service and backends",
        misnamed="NAT46_64_NOT_ENABLED",
    ),
    DropReason(
        162,
        "REACHED_EDT_RATE_LIMITING_DROP_HORIZON",
        "Reached EDT rate-limiting drop horizon",
        _C.QOS,
        "the pod sends more than its bandwidth annotation allows",
        "kubernetes.io/egress-bandwidth of the pod",
    ),
    DropReason(
        163,
        "UNKNOWN_CONNECTION_TRACKING_STATE",
        "Unknown connection tracking state",
        _C.CONNTRACK,
        "the connection is in a state the datapath does not know",
    ),
    DropReason(
        164, "LOCAL_HOST_IS_UNREACHABLE", "Local host is unreachable", _C.ROUTE, "the node itself could not be reached"
    ),
    DropReason(
        165,
        "NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION",
        "No configuration available to perform policy decision",
        _C.UNUSED,
        "no longer emitted",
    ),
    DropReason(
        166,
        "UNSUPPORTED_L2_PROTOCOL",
        "Unsupported L2 protocol",
        _C.HARMLESS,
        "a frame that is not IP, such as LLDP",
        noise=Noise.ALWAYS,
    ),
    DropReason(
        167,
        "NO_MAPPING_FOR_NAT_MASQUERADE",
        "No mapping for NAT masquerade",
        _C.NAT,
        "no free source port was left for this destination",
        "many short connections to one address; cilium_nat_endpoint_max_connection",
    ),
    DropReason(
        168,
        "UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE",
        "Unsupported protocol for NAT masquerade",
        _C.NAT,
        "a protocol that cannot be masqueraded",
    ),
    DropReason(
        169,
        "FIB_LOOKUP_FAILED",
        "FIB lookup failed",
        _C.ROUTE,
        "the node has no route or neighbour for the destination",
        "routes and neighbours of the node; can also hide an MTU problem",
    ),
    DropReason(
        170,
        "ENCAPSULATION_TRAFFIC_IS_PROHIBITED",
        "Encapsulation traffic is prohibited",
        _C.POLICY,
        "the pod sends VXLAN or Geneve itself",
    ),
    DropReason(171, "INVALID_IDENTITY", "Invalid identity", _C.IDENTITY, "an overlay packet with an illegal identity"),
    DropReason(
        172,
        "UNKNOWN_SENDER",
        "Unknown sender",
        _C.IDENTITY,
        "the sender's identity is not known",
        "agents of both nodes",
    ),
    DropReason(173, "NAT_NOT_NEEDED", "NAT not needed", _C.HARMLESS, "not a drop", noise=Noise.ALWAYS),
    DropReason(
        174,
        "IS_A_CLUSTERIP",
        "Is a ClusterIP",
        _C.SERVICE,
        "a client outside the cluster called a ClusterIP",
        "a LoadBalancer or NodePort, or bpf.lbExternalClusterIP",
    ),
    DropReason(
        175,
        "FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND",
        "First logical datagram fragment not found",
        _C.MTU,
        "a later fragment came without its first",
        "paths that split fragments; size of the fragment map",
    ),
    DropReason(
        176,
        "FORBIDDEN_ICMPV6_MESSAGE",
        "Forbidden ICMPv6 message",
        _C.HARMLESS,
        "router and multicast chatter",
        noise=Noise.ALWAYS,
    ),
    DropReason(
        177,
        "DENIED_BY_LB_SRC_RANGE_CHECK",
        "Denied by LB src range check",
        _C.POLICY,
        "the client is outside the Service's loadBalancerSourceRanges",
        "spec.loadBalancerSourceRanges",
    ),
    DropReason(
        178,
        "SOCKET_LOOKUP_FAILED",
        "Socket lookup failed",
        _C.PROXY,
        "the proxy's listener was not there",
        "Envoy and the DNS proxy on that node",
    ),
    DropReason(
        179,
        "SOCKET_ASSIGN_FAILED",
        "Socket assign failed",
        _C.PROXY,
        "the packet could not be handed to the proxy",
        "Envoy and the DNS proxy on that node",
    ),
    DropReason(
        180,
        "PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL",
        "Proxy redirection not supported for protocol",
        _C.PROXY,
        "an L7 rule on a protocol the proxy does not carry",
    ),
    DropReason(
        181,
        "POLICY_DENY",
        "Policy denied by denylist",
        _C.POLICY,
        "a deny rule names this traffic; no allow rule can outweigh it",
        "the policy named in denied_by",
    ),
    DropReason(
        182,
        "VLAN_FILTERED",
        "VLAN traffic disallowed by VLAN filter",
        _C.FILTER,
        "a VLAN that is not let through",
        "bpf.vlanBypass",
    ),
    DropReason(183, "INVALID_VNI", "Incorrect VNI from VTEP", _C.ENCRYPTION, "a tunnel packet of another network"),
    DropReason(
        184, "INVALID_TC_BUFFER", "Failed to update or lookup TC buffer", _C.PACKET, "an error inside the datapath"
    ),
    DropReason(185, "NO_SID", "No SID was found for the IP address", _C.ROUTE, "no SRv6 segment for the address"),
    DropReason(
        186, "MISSING_SRV6_STATE", "SRv6 state was removed during tail call", _C.ROUTE, "an error inside the datapath"
    ),
    DropReason(187, "NAT46", "L3 translation from IPv4 to IPv6 failed (NAT46)", _C.NAT, "translation to IPv6 failed"),
    DropReason(188, "NAT64", "L3 translation from IPv6 to IPv4 failed (NAT64)", _C.NAT, "translation to IPv4 failed"),
    DropReason(
        189,
        "AUTH_REQUIRED",
        "Authentication required",
        _C.AUTH,
        "mutual authentication has not happened yet, or failed",
        "whether it goes on: first packets drop normally; SPIRE",
    ),
    DropReason(190, "CT_NO_MAP_FOUND", "No conntrack map found", _C.CONNTRACK, "no connection table for that cluster"),
    DropReason(191, "SNAT_NO_MAP_FOUND", "No nat map found", _C.NAT, "no NAT table for that cluster"),
    DropReason(192, "INVALID_CLUSTER_ID", "Invalid ClusterID", _C.IDENTITY, "an identity of an unknown cluster"),
    DropReason(
        193,
        "UNSUPPORTED_PROTOCOL_FOR_DSR_ENCAP",
        "Unsupported packet protocol for DSR encapsulation",
        _C.SERVICE,
        "direct server return cannot carry this protocol",
    ),
    DropReason(
        194,
        "NO_EGRESS_GATEWAY",
        "No egress gateway found",
        _C.ROUTE,
        "an egress gateway policy selects no gateway node",
        "CiliumEgressGatewayPolicy and its nodes",
    ),
    DropReason(
        195,
        "UNENCRYPTED_TRAFFIC",
        "Traffic is unencrypted",
        _C.ENCRYPTION,
        "strict encryption is on and the packet was in clear",
    ),
    DropReason(196, "TTL_EXCEEDED", "TTL exceeded", _C.ROUTE, "the packet went round until it died", "a routing loop"),
    DropReason(
        197,
        "NO_NODE_ID",
        "No node ID found",
        _C.IDENTITY,
        "the other node is not known here yet",
        "agents of both nodes, CiliumNode objects",
    ),
    DropReason(
        198,
        "DROP_RATE_LIMITED",
        "Rate limited",
        _C.QOS,
        "the datapath limits its own ICMP answers",
        "a Service without backends that is called very often",
    ),
    DropReason(
        199, "IGMP_HANDLED", "IGMP handled", _C.HARMLESS, "taken care of by the datapath itself", noise=Noise.ALWAYS
    ),
    DropReason(
        200, "IGMP_SUBSCRIBED", "IGMP subscribed", _C.HARMLESS, "taken care of by the datapath", noise=Noise.ALWAYS
    ),
    DropReason(
        201, "MULTICAST_HANDLED", "Multicast handled", _C.HARMLESS, "taken care of by the datapath", noise=Noise.ALWAYS
    ),
    DropReason(
        202,
        "DROP_HOST_NOT_READY",
        "Host datapath not ready",
        _C.STARTUP,
        "the node's agent was still starting",
        "an agent restart at that moment",
    ),
    DropReason(
        203,
        "DROP_EP_NOT_READY",
        "Endpoint policy program not available",
        _C.STARTUP,
        "the pod's policy program was not loaded yet",
        "whether it goes on: at pod start it is normal",
    ),
    DropReason(
        204,
        "DROP_NO_EGRESS_IP",
        "No Egress IP configured",
        _C.ROUTE,
        "the egress gateway has no address to send from",
        "CiliumEgressGatewayPolicy",
    ),
    DropReason(
        205, "DROP_PUNT_PROXY", "Punt to proxy", _C.HARMLESS, "handed to a proxy, not a drop", noise=Noise.ALWAYS
    ),
    DropReason(206, "", "No device", _C.UNUSED, "in no release"),
    DropReason(
        207,
        "DROP_FRAG_NOT_FOUND_WORLD",
        "",
        _C.MTU,
        "a later fragment from outside came without its first",
        "paths that split fragments",
    ),
)

REASONS = {each.number: each for each in _TABLE}
_BY_NAME = {each.enum: each.number for each in _TABLE if each.enum}


def reason(number: int) -> DropReason:
    """What a drop number means; a number nobody told us of is of class `unknown`, with its digits as name."""
    known = REASONS.get(number)
    return known or DropReason(number, "", "", DropClass.UNKNOWN, "a reason newer than this program")


def number_of(said: str | int) -> int:
    """The number behind `drop_reason_desc`, whether written as enum name, number or digits; 0 = nobody can tell."""
    if isinstance(said, int):
        return said
    if said.isascii() and said.isdigit() and len(said) < 10:
        return int(said)
    return _BY_NAME.get(said, 0)


def name_of(number: int, said: str | int = "") -> str:
    """The honest name of a number; for one we do not know, what the emitter called it, else the digits."""
    known = REASONS.get(number)
    if known is not None and known.name:
        return known.name
    if isinstance(said, str) and said and not said.isdigit() and said != "DROP_REASON_UNKNOWN":
        return said
    return str(number) if number else ""
