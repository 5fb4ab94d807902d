"""The pod asks the DNS cache on its own node (169.254.20.10 or the like), and that cache does not answer.

Proof: resolv.conf names a link-local address, no server answers, CoreDNS itself is well, and the node-local cache is
missing or not ready. Not to be mistaken for CoreDNS being down, nor for a policy that drops packets to the cache.
"""

from __future__ import annotations

from flows.belief import DOUBTED, EVIDENT, PARTIAL
from flows.model import Case, Component, Finding, Rule
from flows.symptoms.dns import dropped_questions, is_link_local, is_serving, resolvers, shown_by, told
from flows.symptoms.owner import owner
from sensors.dns_coredns_health import CoreDns, DnsWorkload
from sensors.dns_lookup import Lookups
from sensors.k8s_pod import PodFacts


def judge(case: Case) -> Finding | None:
    """Speaks when the cache on the pod's node is silent and the DNS servers behind it are not to blame."""
    lookups, dns = case[Lookups], case[CoreDns]
    local = [each for each in resolvers(case) if is_link_local(each)]
    if not local or not lookups.bursts or not lookups.no_server_answers or is_serving(dns) is False:
        return None
    cache = dns.node_local
    place = f"its node{_node(case)} at {local[0]}"
    return Finding(
        cause_class="dns.nodelocal",
        cause=f"{case.target} asks the DNS cache of {place}, and that does not answer: {_state(cache)}",
        component=_component(cache, case),
        belief=_belief(case, cache),
        because=f"resolv.conf names {', '.join(local)}; {told(case)}; {dns.summary()}; {_state(cache)}",
        shown_by=shown_by(case, Lookups, CoreDns),
        recommendation=(
            f"Look at the node-local-dns pod of node{_node(case)} first; an egress policy of the pod must also admit "
            f"{local[0]} on port 53, which no pod selector can."
        ),
    )


def _node(case: Case) -> str:
    pod = case.get(PodFacts)
    return f" {pod.node}" if pod and pod.node else ""


def _is_short(cache: DnsWorkload | None) -> bool:
    return cache is None or (cache.desired is not None and cache.ready < cache.desired)


def _state(cache: DnsWorkload | None) -> str:
    if cache is None:
        return "there is no node-local-dns in the cluster"
    return f"{cache} has {cache.ready} of {cache.desired if cache.desired is not None else '?'} pods ready"


def _component(cache: DnsWorkload | None, case: Case) -> Component:
    if cache is not None:
        return Component(cache.kind, cache.namespace, cache.name)
    node = _node(case).strip()
    return Component("Node", "", node) if node else owner(case)


def _belief(case: Case, cache: DnsWorkload | None) -> float:
    if dropped_questions(case):
        return DOUBTED
    return EVIDENT if _is_short(cache) else PARTIAL


RULE = Rule(id="dns-nodelocal", judge=judge, causes=("dns.nodelocal",), needs=(Lookups, CoreDns))
