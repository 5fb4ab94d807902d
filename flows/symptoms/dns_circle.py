"""Finds where CoreDNS's forward line leads back to CoreDNS: to itself, to its own Service, to a resolv.conf that does.

No rule of its own. Every name from outside then goes round until memory or patience ends; only the `loop` plugin says
so in the log, and many Corefiles do not load it.
"""

from __future__ import annotations

from sensors.dns_coredns_health import CoreDns
from sensors.kit.addresses import as_ip

DNS_PORT = 53


def circle(dns: CoreDns) -> str:
    """Circle of the forward line for the outside, in words; empty where there is none, or it is unknown."""
    for forward in dns.corefile.forwards if dns.corefile else ():
        if forward.zone == ".":
            found = next((words for each in forward.upstreams if (words := _back(each, dns))), "")
            if found:
                return f"`forward . {' '.join(forward.upstreams)}` leads back to CoreDNS: {found}"
    return ""


def _back(upstream: str, dns: CoreDns) -> str:
    if upstream.startswith("/"):
        return _by_file(upstream, dns)
    host, port = _split(upstream)
    return _by_address(host, dns) if port in _listens_on(dns) else ""


def _by_file(path: str, dns: CoreDns) -> str:
    """A resolv.conf, as the servers' own pods have it."""
    for pod in dns.pods:
        if not pod.host_network and pod.dns_policy == "ClusterFirst":
            return f"with dnsPolicy ClusterFirst, {path} of {pod.name} names the cluster's DNS Service"
        if found := next((words for each in pod.nameservers if (words := _by_address(each, dns))), ""):
            return f"{path} of {pod.name} says nameserver {', '.join(pod.nameservers)}; {found}"
    return ""


def _by_address(host: str, dns: CoreDns) -> str:
    address = as_ip(host)
    if address is None:
        return ""
    if address.is_loopback:
        inside = dns.pods and not any(each.host_network for each in dns.pods)
        return f"{address} is the loopback of its own pod" if inside else ""
    if dns.service is not None and str(address) in dns.service.cluster_ips:
        return f"{address} is the address of its own Service {dns.service.namespace}/{dns.service.name}"
    own = next((each for each in dns.pods if each.address == str(address)), None)
    return f"{address} is its own pod {own.name}" if own and not own.host_network else ""


def _split(upstream: str) -> tuple[str, int]:
    """`tls://1.1.1.1`, `10.0.0.1:5353`, `[::1]:53`: the host and its port, 53 where none is said."""
    scheme, _, rest = upstream.rpartition("://")
    host, colon, port = rest.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")) or not port.isdecimal():
        host, port = rest, "853" if scheme == "tls" else "53"
    return host.strip("[]"), int(port)


def _listens_on(dns: CoreDns) -> set[int]:
    """The ports of the Corefile's server blocks; another port on the loopback is a process beside CoreDNS."""
    said = (zone.rpartition(":")[2] for each in (dns.corefile.zones if dns.corefile else ()) for zone in each.split())
    ports = {int(each) for each in said if each.isdecimal()}
    return ports or {DNS_PORT}
