"""Looks up names from inside a pod, as its C library and CoreDNS would: search list, Services, and names outside.

A server that refuses at once ends the look-up, and so does silence. Names outside the cluster are answered from the
recording; one that nobody recorded is not made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flows.policy import Traffic
from lab.cluster.dataplane import Dataplane, PacketOutcome
from lab.cluster.recording import PodName
from lab.cluster.shift import Shift

DOMAIN = "cluster.local"
OPEN_OUTCOME = PacketOutcome("open")


@dataclass(frozen=True, slots=True)
class ResolverQuery:
    """One question on the wire. `rcode` if answered; `error` if not; neither where the lab cannot tell (`why`)."""

    name: str
    server: str
    rcode: str = ""
    error: str = ""
    addresses: tuple[str, ...] = ()
    outcome: PacketOutcome = OPEN_OUTCOME
    traffic: Traffic | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class LabResolvConf:
    servers: tuple[str, ...]
    search: tuple[str, ...]
    ndots: int = 5


def resolv_conf(dataplane: Dataplane, pod: PodName) -> LabResolvConf:
    """The pod's own, else what the kubelet writes for ClusterFirst."""
    text = dataplane.recording.pod_file(dataplane.ancestor(pod), "resolv.conf", Shift(0)) or ""
    words = [line.split() for line in text.splitlines() if line.split()]
    servers = tuple(each[1] for each in words if each[0] == "nameserver" and len(each) > 1)
    search = tuple(name for each in words if each[0] == "search" for name in each[1:])
    options = [word for each in words if each[0] == "options" for word in each[1:] if word.startswith("ndots:")]
    ndots = int(options[-1][6:]) if options and options[-1][6:].isdecimal() else 1 if words else 5
    usual = (f"{pod[0]}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN)
    return LabResolvConf(servers or _cluster_dns(dataplane), search if words else usual, ndots)


def _cluster_dns(dataplane: Dataplane) -> tuple[str, ...]:
    service = dataplane.things.get(("v1", "Service", "kube-system", "kube-dns"))
    return (service["spec"]["clusterIP"],) if service else ()


def look_up(dataplane: Dataplane, pod: PodName, name: str, qtype: str = "A") -> list[ResolverQuery]:
    """Every question that goes out, in order; the last one is the answer."""
    source, conf = dataplane.source(pod), resolv_conf(dataplane, pod)
    if source is None or not conf.servers:
        return []
    found: list[ResolverQuery] = []
    for candidate in _candidates(name, conf):
        outcome, traffic = dataplane.query(source, conf.servers[0])
        asked = _ask(dataplane, candidate, qtype, conf.servers[0], outcome, traffic)
        found.append(asked)
        if asked.error or asked.addresses or not asked.rcode:
            break
    if found and found[-1].addresses:
        _remember(dataplane, pod, found[-1])
    return found


def _candidates(name: str, conf: LabResolvConf) -> Iterator[str]:
    if name.endswith("."):
        yield name.rstrip(".")
        return
    if name.count(".") >= conf.ndots:
        yield name
    yield from (f"{name}.{each}" for each in conf.search)
    if name.count(".") < conf.ndots:
        yield name


def _ask(
    dataplane: Dataplane, name: str, qtype: str, server: str, outcome: PacketOutcome, traffic: Traffic | None
) -> ResolverQuery:
    if outcome.result == "unreachable":
        return ResolverQuery(name, server, error="Operation not permitted", outcome=outcome)
    if outcome.result != "open":
        return ResolverQuery(name, server, error="timeout", outcome=outcome, traffic=traffic)
    rcode, addresses, why = _answer(dataplane, name)
    told = addresses if qtype == "A" else ()
    return ResolverQuery(name, server, rcode, "", told, outcome, traffic, why)


def _answer(dataplane: Dataplane, name: str) -> tuple[str, tuple[str, ...], str]:
    if name == DOMAIN or name.endswith(f".{DOMAIN}"):
        addresses = _of_service(dataplane, name)
        return ("NXDOMAIN", (), "") if addresses is None else ("NOERROR", addresses, "")
    known = dataplane.recording.names.get(name)
    if known is None:
        return "", (), f"{name} is not in the recording"
    return ("NOERROR", known, "") if known else ("NXDOMAIN", (), "")


def _of_service(dataplane: Dataplane, name: str) -> tuple[str, ...] | None:
    """`service.namespace.svc.cluster.local`; a headless Service leads to its ready endpoints."""
    parts = name.removesuffix(f".{DOMAIN}").split(".")
    if len(parts) != 3 or parts[2] != "svc":
        return None
    service = dataplane.things.get(("v1", "Service", parts[1], parts[0]))
    if service is None:
        return None
    address = service["spec"].get("clusterIP")
    if address and address != "None":
        return (str(address),)
    ports = service["spec"].get("ports") or [{}]
    found = dataplane.backends(parts[1], parts[0], ports[0].get("name", ""))
    return tuple(dict.fromkeys(ip for ip, _ in found)) or None


def _remember(dataplane: Dataplane, pod: PodName, asked: ResolverQuery) -> None:
    """The DNS proxy's cache: FQDN rules hold for addresses that a name led to."""
    if not asked.name.endswith(DOMAIN):
        seen = dataplane.recording.seen_names.setdefault(pod, {})
        for address in asked.addresses:
            seen[address] = tuple(dict.fromkeys((*seen.get(address, ()), asked.name)))
