"""Checks whether the policies let CoreDNS ask the DNS server that it forwards to."""

from __future__ import annotations

from flows.denials.connection import DNS_PORT
from flows.denials.policy_world import world_of
from flows.model import Case
from flows.policy import Judgement, Traffic
from sensors.dns_coredns_health import CoreDns
from sensors.k8s_network_policies import Policies
from sensors.kit.addresses import as_ip


def kept_from(case: Case, dns: CoreDns, upstream: str) -> Judgement | None:
    """The policies do not let the first DNS server ask the upstream; None where they do, or nobody can tell."""
    if case.get(Policies) is None or not dns.pods or as_ip(upstream) is None:
        return None
    world, server = case.once(world_of), dns.pods[0]
    source = world.endpoint_of_pod(server.namespace, server.name)
    if source is None:
        return None
    judged = world.judge(Traffic(source, world.endpoint_at(upstream), "UDP", DNS_PORT))
    return judged if judged.egress.allowed is False else None
