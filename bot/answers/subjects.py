"""Names that people give to layers and causes: `conntrack table`, `mtu`, `no endpoints`, `coredns`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from flows.causes import CAUSES, Layer

LAYERS: Mapping[Layer, str] = {
    Layer.DNS: r"dns|coredns|kube dns|core dns|name ?resolution|resolv\w*|look ?ups?|nameservers?",
    Layer.POLICY: r"(?:network |cilium )?polic(?:y|ies)|netpols?|networkpolic(?:y|ies)|cnps?|egress|ingress",
    Layer.SERVICE: r"services?|svc|endpoints?|endpointslices?|cluster ?ip|backends?",
    Layer.CONNTRACK: r"conntrack|connection (?:tracking|table)s?",
    Layer.NAT: r"d?s?nat|kube ?proxy|iptables|ipvs|masquerad\w*",
    Layer.PHYSICAL: r"physical|nodes?|hardware|cables?|overlay|vxlan|underlay",
    Layer.APPLICATION: r"applications?|app|mesh|istio|sidecar",
    Layer.POD_NETWORK: r"pod network|cni|cilium(?: agent)?|calico|flannel|veth|routes?|routing",
}
"""Layers by the words that mean one, as patterns over words without punctuation."""

CALLED: Mapping[str, str] = {
    "conntrack.full": r"conntrack (?:table )?(?:is )?full|full conntrack(?: table)?|table full|nf conntrack max",
    "conntrack.insert_race": r"insert (?:race|failed)",
    "mtu.mismatch": r"(?:path )?mtu|fragment\w*|jumbo|packet size|large packets",
    "path.loss": r"packet loss|lossy|loss|retransmit\w*",
    "path.checksum": r"checksums?",
    "external.unreachable": r"internet|gateway|external (?:network|host)|outside",
    "dns.coredns_oom": r"coredns (?:is )?(?:oom\w*|out of memory)",
    "dns.coredns_down": r"(?:coredns|dns) (?:is )?down",
    "dns.nxdomain": r"nxdomain|wrong (?:name|hostname)|typo in the name|name does not exist",
    "dns.search_amplification": r"ndots|search domains?",
    "dns.upstream_failure": r"upstream dns|servfail",
    "dns.overload": r"dns overload\w*|coredns overload\w*",
    "app.crash": r"crash\w*|crash ?loop\w*|oom ?kill\w*|restart(?:s|ed|ing)?",
    "app.pending": r"pending|not scheduled|unschedulable",
    "app.not_listening": r"not listening|nothing listens|listen(?:ing)?|wrong bind|connection refused|refused",
    "app.error": r"app(?:lication)? error\w*|http 500|50[0234]s?|5xx",
    "app.slow": r"slow (?:app|backend|server)|latency|timeouts? in the app",
    "mesh.mtls": r"m?tls|certificates?|certs?",
    "mesh.authz": r"authorization ?polic\w*|authz",
    "node.not_ready": r"node (?:is )?(?:down|not ready|dead)|dead node",
    "node.host_firewall": r"(?:host )?firewall|security groups?|nftables",
    "cni.agent_down": r"(?:cilium|cni) agent(?: is)?(?: down)?|agent down",
    "cni.ip_exhaustion": r"ip exhaustion|out of ips|no free ip\w*",
    "nat.port_exhaustion": r"(?:snat )?port exhaustion|out of ports",
    "nat.ephemeral_ports": r"ephemeral ports?",
    "nat.kube_proxy_down": r"kube ?proxy (?:is )?down",
    "service.no_endpoints": r"no endpoints?|empty service|endpoints? (?:is |are )?(?:empty|missing)",
    "service.no_ready_endpoints": r"readiness|not ready (?:pods?|endpoints?|backends?)",
    "service.not_found": r"service (?:does not exist|not found|missing)",
    "service.wrong_target_port": r"target ?port",
    "service.wrong_port": r"wrong (?:service )?port",
    "service.stale_address": r"stale (?:ip|address)|old (?:ip|address)",
    "service.hairpin": r"hairpin",
    "service.rollout": r"rollouts?|rolling update",
    "policy.explicit_deny": r"explicit deny|deny rule",
    "policy.ingress_denied": r"ingress (?:polic\w*|rule|denied)",
    "policy.egress_denied": r"egress (?:polic\w*|rule|denied)",
    "policy.fqdn_mismatch": r"fqdns?|to ?fqdns?",
    "policy.wrong_selector": r"(?:wrong |pod )?selectors?|labels?",
    "policy.dns_blocked": r"dns (?:is )?blocked|port 53",
    "policy.l7_denied": r"l7|http (?:rule|polic\w*)",
    "ip.family": r"ipv[46]|dual ?stack|ip family",
}
"""Causes by what people call them, besides the words of their class."""


@cache
def causes_named() -> Mapping[str, re.Pattern[str]]:
    """A pattern for each cause of the closed list."""
    return {
        each: re.compile(rf"\b(?:{'|'.join(_ways(each))})\b") for each in CAUSES if "." in each and each[:4] != "none"
    }


def _ways(cause: str) -> Iterator[str]:
    room, _, tail = cause.replace("_", " ").partition(".")
    yield re.escape(f"{room} {tail}")
    if " " in tail:
        yield re.escape(tail)
    if cause in CALLED:
        yield CALLED[cause]


@cache
def layers_named() -> Mapping[Layer, re.Pattern[str]]:
    """A pattern for each layer."""
    return {each: re.compile(rf"\b(?:{words})\b") for each, words in LAYERS.items()}
