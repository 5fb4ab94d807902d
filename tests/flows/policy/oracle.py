"""Verdicts that documentation and other projects' tests fix, as one compact table.

Each case is a small cluster and questions with their answers: True allowed, False denied, None undecidable. Transcribed
in our own words from the sources named; the mutation test breaks the evaluator and expects this table to notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flows.policy import CALICO_IPTABLES, CILIUM, UNKNOWN_PROFILE, PolicyWorld, Profile, judgement_in_words
from flows.policy.profile import cilium
from tests.flows.policy.builders import Json, admin, ask, cnp, named, netpol, pod, space

Answer = tuple[str, str, str, bool | None]  # source, destination, port, allowed


@dataclass(frozen=True)
class Case:
    name: str
    source: str
    policies: list[Json]
    answers: list[Answer]
    profile: Profile = CILIUM
    extra: tuple[Json, ...] = ()


# x, y, z with pods a, b, c each: the cluster of the upstream NetworkPolicy conformance tests and of cyclonus.
SPACES = [space(name, ns=name) for name in "xyz"]
PODS = [
    pod(f"{ns}/{name}", f"10.0.{i}.{j}", {"http": 80 + j, "admin": 9000}, pod=name)
    for i, ns in enumerate("xyz")
    for j, name in enumerate("abc", 1)
]
CLUSTER = [*SPACES, *PODS, pod("x/node-agent", "172.16.0.1", host=True, pod="a")]

PEER_B_OF_Y = [{"namespaceSelector": {"matchLabels": {"ns": "y"}}, "podSelector": {"matchLabels": {"pod": "b"}}}]
PEER_B_OR_Y = [{"podSelector": {"matchLabels": {"pod": "b"}}}, {"namespaceSelector": {"matchLabels": {"ns": "y"}}}]
EVERYWHERE: Json = {"namespaces": {}}
BOTH = ["Ingress", "Egress"]
ANP = CALICO_IPTABLES.with_options(cluster_network_policy=True, admin_network_policy=True)


def _np(name: str, policy: Json | list[Json], *answers: Answer, **options: Any) -> Case:
    listed = policy if isinstance(policy, list) else [policy]
    return Case(name, "NetworkPolicy API reference; cyclonus and upstream e2e", listed, list(answers), **options)


KUBERNETES = [
    _np("no policy allows everything", [], ("x/a", "y/b", "TCP 80", True), ("203.0.113.1", "x/a", "UDP 1", True)),
    _np(
        "an empty list of rules denies",
        netpol("x/n", {"pod": "a"}, ["Ingress"], ingress=[]),
        ("x/b", "x/a", "TCP 80", False),
        ("x/a", "x/b", "TCP 80", True),
        ("x/b", "x/c", "TCP 80", True),
    ),
    _np("an absent list of rules denies", netpol("x/n", {"pod": "a"}, ["Ingress"]), ("x/b", "x/a", "TCP 80", False)),
    _np(
        "an empty rule admits everything",
        netpol("x/n", {"pod": "a"}, ["Ingress"], ingress=[{}]),
        ("x/b", "x/a", "TCP 80", True),
        ("203.0.113.1", "x/a", "SCTP 7", True),
        ("x/b", "x/a", "ICMP 8", True),
    ),
    _np(
        "empty peers and empty ports restrict nothing",
        netpol("x/n", {"pod": "a"}, ["Ingress"], ingress=[{"from": [], "ports": []}]),
        ("z/c", "x/a", "UDP 53", True),
        ("203.0.113.1", "x/a", "TCP 80", True),
    ),
    _np(
        "policyTypes Ingress says nothing about egress",
        netpol("x/n", {"pod": "a"}, ["Ingress"], egress=[]),
        ("x/a", "y/b", "TCP 80", True),
        ("y/b", "x/a", "TCP 80", False),
    ),
    _np(
        "policyTypes Egress isolates egress only",
        netpol("x/n", {"pod": "a"}, ["Egress"]),
        ("x/a", "y/b", "TCP 80", False),
        ("y/b", "x/a", "TCP 80", True),
    ),
    _np(
        "without policyTypes egress counts only if it has rules",
        [netpol("x/n", {"pod": "a"}, egress=[]), netpol("y/n", {"pod": "a"}, egress=[{"ports": [{"port": 80}]}])],
        ("x/a", "z/b", "TCP 80", True),
        ("z/b", "x/a", "TCP 80", False),
        ("y/a", "z/b", "TCP 80", True),
        ("y/a", "z/b", "TCP 81", False),
        ("z/b", "y/a", "TCP 81", False),
    ),
    _np(
        "both selectors in one peer are ANDed",
        netpol("x/n", {"pod": "a"}, ["Ingress"], ingress=[{"from": PEER_B_OF_Y}]),
        ("y/b", "x/a", "TCP 80", True),
        ("y/a", "x/a", "TCP 80", False),
        ("x/b", "x/a", "TCP 80", False),
        ("z/b", "x/a", "TCP 80", False),
    ),
    _np(
        "two peers are ORed, and a bare podSelector stays in its namespace",
        netpol("x/n", {"pod": "a"}, ["Ingress"], ingress=[{"from": PEER_B_OR_Y}]),
        ("y/a", "x/a", "TCP 80", True),
        ("x/b", "x/a", "TCP 80", True),
        ("z/b", "x/a", "TCP 80", False),
        ("x/c", "x/a", "TCP 80", False),
    ),
    _np(
        "NotIn and DoesNotExist also match pods without the label",
        [
            netpol(
                "x/n",
                {"pod": "a"},
                ["Ingress"],
                ingress=[
                    {
                        "from": [
                            {
                                "namespaceSelector": {},
                                "podSelector": {
                                    "matchExpressions": [
                                        {"key": "tier", "operator": "NotIn", "values": ["back"]},
                                        {"key": "gone", "operator": "DoesNotExist"},
                                        {"key": "pod", "operator": "Exists"},
                                        {"key": "pod", "operator": "In", "values": ["b", "c"]},
                                    ]
                                },
                            }
                        ]
                    }
                ],
            )
        ],
        ("x/b", "x/a", "TCP 80", True),
        ("z/c", "x/a", "TCP 80", True),
        ("z/a", "x/a", "TCP 80", False),
    ),
    _np(
        "ports: default TCP, ranges, whole protocols",
        netpol(
            "x/n",
            {"pod": "a"},
            ["Ingress"],
            ingress=[{"ports": [{"port": 80}, {"port": 8000, "endPort": 8010}, {"protocol": "SCTP"}]}],
        ),
        ("y/b", "x/a", "TCP 80", True),
        ("y/b", "x/a", "UDP 80", False),
        ("y/b", "x/a", "TCP 8000", True),
        ("y/b", "x/a", "TCP 8005", True),
        ("y/b", "x/a", "TCP 8010", True),
        ("y/b", "x/a", "TCP 8011", False),
        ("y/b", "x/a", "SCTP 4242", True),
        ("y/b", "x/a", "ICMP 8", False),
        ("y/b", "x/a", "TCP", None),
    ),
    _np(
        "a named port is each pod's own number",
        netpol("x/n", types=["Ingress"], ingress=[{"ports": [{"port": "http"}, {"port": "nobody-has-it"}]}]),
        ("y/b", "x/a", "TCP 81", True),
        ("y/b", "x/b", "TCP 82", True),
        ("y/b", "x/b", "TCP 81", False),
    ),
    _np(
        "a named port of egress is the destination's",
        netpol("x/n", types=["Egress"], egress=[{"ports": [{"port": "http"}]}]),
        ("x/a", "y/b", "TCP 82", True),
        ("x/a", "y/b", "TCP 81", False),
    ),
    _np(
        "rules and policies add up",
        [
            netpol("x/deny", types=BOTH),
            netpol("x/one", {"pod": "a"}, ["Ingress"], ingress=[{"from": PEER_B_OF_Y, "ports": [{"port": 80}]}]),
            netpol("x/two", {"pod": "a"}, ["Ingress"], ingress=[{"ports": [{"port": 81}]}]),
        ],
        ("y/b", "x/a", "TCP 80", True),
        ("y/c", "x/a", "TCP 80", False),
        ("y/c", "x/a", "TCP 81", True),
        ("x/a", "y/b", "TCP 80", False),
    ),
    _np(
        "both sides must allow",
        [
            netpol("x/out", types=["Egress"], egress=[{"to": [{"namespaceSelector": named("y")}]}]),
            netpol("y/in", {"pod": "b"}, ["Ingress"], ingress=[{"from": [{"namespaceSelector": named("z")}]}]),
        ],
        ("x/a", "y/a", "TCP 80", True),
        ("x/a", "y/b", "TCP 80", False),
        ("z/a", "y/b", "TCP 80", True),
        ("x/a", "z/a", "TCP 80", False),
    ),
    _np(
        "an ipBlock is about addresses outside, with holes",
        netpol(
            "x/n",
            types=["Egress"],
            egress=[{"to": [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.64/26"]}}]}],
        ),
        ("x/a", "203.0.113.1", "TCP 443", True),
        ("x/a", "203.0.113.65", "TCP 443", False),
        ("x/a", "198.51.100.1", "TCP 443", False),
        ("x/a", "2001:db8::1", "TCP 443", False),
    ),
    _np(
        "iptables datapaths compare pod addresses with an ipBlock",
        netpol("x/n", types=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "10.0.1.0/24"}}]}]),
        ("x/a", "y/b", "TCP 80", True),
        ("x/a", "z/b", "TCP 80", False),
        profile=CALICO_IPTABLES,
    ),
    _np(
        "an unknown datapath leaves an ipBlock over pods open",
        netpol("x/n", types=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "10.0.1.0/24"}}]}]),
        ("x/a", "y/b", "TCP 80", None),
        ("x/a", "z/b", "TCP 80", False),
        ("x/a", "203.0.113.1", "TCP 80", False),
        profile=UNKNOWN_PROFILE,
    ),
    _np(
        "what is not understood is undecidable, not skipped",
        [
            netpol("x/odd", {"pod": "a"}, ["Ingress"], ingress=[{"from": [{"podSelektor": {}}]}]),
            netpol("y/odd", {"pod": "a"}, ["Sideways"]),
            netpol(
                "z/odd", {"pod": "a"}, ["Ingress"], ingress=[{"ports": [{"port": 80}]}, {"ports": [{"protocol": "X"}]}]
            ),
        ],
        ("x/b", "x/a", "TCP 80", None),
        ("x/a", "x/b", "TCP 80", True),
        ("y/b", "y/a", "TCP 80", None),
        ("y/b", "y/c", "TCP 80", None),
        ("z/b", "z/a", "TCP 80", True),
        ("z/b", "z/a", "TCP 81", None),
    ),
]

_DOC = "Cilium Documentation/security/policy and examples/policies; recorded flows"


def _cilium(name: str, policy: Json | list[Json], *answers: Answer, **options: Any) -> Case:
    return Case(name, _DOC, policy if isinstance(policy, list) else [policy], list(answers), **options)


DNS_RULE = {
    "toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "z"}}],
    "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}], "rules": {"dns": [{"matchPattern": "*"}]}}],
}
CILIUM_CASES = [
    _cilium(
        "an ipBlock never matches pods or nodes, not even the whole world",
        netpol("x/n", types=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]),
        ("x/a", "y/b", "TCP 80", False),
        ("x/a", "entity:host", "TCP 6443", False),
        ("x/a", "entity:kube-apiserver+remote-node", "TCP 6443", False),
        ("x/a", "203.0.113.1", "TCP 80", True),
    ),
    _cilium(
        "match modes of CIDRs change that",
        netpol("x/n", types=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": "10.0.1.0/24"}}]}]),
        ("x/a", "y/b", "TCP 80", True),
        profile=CILIUM.with_options(cidr_matches_pods=True),
    ),
    _cilium(
        "an empty egress rule isolates and admits nobody",
        cnp("x/n", {"pod": "a"}, egress=[{}]),
        ("x/a", "y/b", "TCP 80", False),
        ("x/a", "203.0.113.1", "TCP 80", False),
        ("y/b", "x/a", "TCP 80", True),
    ),
    _cilium(
        "an empty list of rules isolates nothing, and a policy of nothing else is not applied",
        [
            cnp("x/n", {"pod": "a"}, ingress=[], egress=[{"toEntities": ["cluster"]}]),
            cnp("y/n", {"pod": "a"}, ingress=[], egress=[]),
            cnp("z/n", {"pod": "a"}, ingress=[{}], enableDefaultDeny={"egress": True}),
        ],
        ("y/b", "x/a", "TCP 80", True),
        ("x/a", "203.0.113.1", "TCP 80", False),
        ("y/b", "y/a", "TCP 80", True),
        ("z/a", "y/b", "TCP 80", True),
        ("y/b", "z/a", "TCP 80", False),
    ),
    _cilium(
        "an empty list of peers is nobody, a missing one everybody",
        [
            cnp("x/n", {"pod": "a"}, egress=[{"toEndpoints": []}]),
            cnp("x/m", {"pod": "b"}, egress=[{"toPorts": [{"ports": [{"port": "80", "protocol": "TCP"}]}]}]),
        ],
        ("x/a", "x/c", "TCP 80", False),
        ("x/b", "x/c", "TCP 80", True),
        ("x/b", "203.0.113.1", "TCP 80", True),
        ("x/b", "x/c", "TCP 81", False),
    ),
    _cilium(
        "a selector without a namespace means the policy's own",
        cnp("x/n", {"pod": "a"}, ingress=[{"fromEndpoints": [{"matchLabels": {"pod": "b"}}]}]),
        ("x/b", "x/a", "TCP 80", True),
        ("y/b", "x/a", "TCP 80", False),
    ),
    _cilium(
        "a selector may name a namespace or its labels",
        cnp(
            "x/n",
            {"k8s:pod": "a"},
            ingress=[
                {
                    "fromEndpoints": [
                        {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "y", "any:pod": "b"}},
                        {"matchLabels": {"io.cilium.k8s.namespace.labels.ns": "z", "pod": "c"}},
                    ]
                }
            ],
        ),
        ("y/b", "x/a", "TCP 80", True),
        ("z/c", "x/a", "TCP 80", True),
        ("x/b", "x/a", "TCP 80", False),
        ("z/b", "x/a", "TCP 80", False),
    ),
    _cilium(
        "cluster-wide: an empty selector is every pod, but no node",
        cnp("n", {"pod": "a"}, ingress=[{"fromEndpoints": [{}]}]),
        ("z/c", "x/a", "TCP 80", True),
        ("203.0.113.1", "x/a", "TCP 80", False),
        ("entity:remote-node", "x/a", "TCP 80", False),
    ),
    _cilium(
        "deny beats every allow, however narrow",
        cnp(
            "x/n",
            {"pod": "a"},
            egress=[{"toEntities": ["all"]}],
            egressDeny=[{"toEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "y"}}]}],
        ),
        ("x/a", "y/b", "TCP 80", False),
        ("x/a", "z/b", "TCP 80", True),
        ("x/a", "203.0.113.1", "TCP 80", True),
    ),
    _cilium(
        "a deny-only policy isolates too, unless it says no",
        [
            cnp("x/n", {"pod": "a"}, egressDeny=[{"toCIDR": ["203.0.113.0/24"]}]),
            cnp(
                "x/m",
                {"pod": "b"},
                egressDeny=[{"toCIDR": ["203.0.113.0/24"]}],
                enableDefaultDeny={"egress": False, "ingress": False},
            ),
        ],
        ("x/a", "198.51.100.1", "TCP 80", False),
        ("x/b", "198.51.100.1", "TCP 80", True),
        ("x/b", "203.0.113.9", "TCP 80", False),
        ("x/a", "203.0.113.9", "TCP 80", False),
    ),
    _cilium(
        "entities",
        [
            cnp("x/n", {"pod": "a"}, egress=[{"toEntities": ["kube-apiserver", "world"]}]),
            cnp("x/m", {"pod": "b"}, egress=[{"toEntities": ["cluster"]}]),
        ],
        ("x/a", "entity:host+kube-apiserver", "TCP 6443", True),
        ("x/a", "entity:remote-node", "TCP 10250", False),
        ("x/a", "203.0.113.1", "TCP 80", True),
        ("x/a", "x/c", "TCP 80", False),
        ("x/b", "x/c", "TCP 80", True),
        ("x/b", "entity:remote-node", "TCP 10250", True),
        ("x/b", "203.0.113.1", "TCP 80", False),
    ),
    _cilium(
        "CIDR sets, with exceptions",
        cnp("x/n", {"pod": "a"}, egress=[{"toCIDRSet": [{"cidr": "203.0.113.0/24", "except": ["203.0.113.7/32"]}]}]),
        ("x/a", "203.0.113.1", "TCP 80", True),
        ("x/a", "203.0.113.7", "TCP 80", False),
        ("x/a", "10.0.0.2", "TCP 80", False),
    ),
    _cilium(
        "ports as text, ranges, all, named, any protocol",
        cnp(
            "x/n",
            {"pod": "a"},
            ingress=[
                {
                    "toPorts": [
                        {"ports": [{"port": "53", "protocol": "ANY"}, {"port": "0", "protocol": "SCTP"}]},
                        {"ports": [{"port": "8000", "endPort": 8010, "protocol": "TCP"}, {"port": "http"}]},
                    ]
                }
            ],
        ),
        ("y/b", "x/a", "UDP 53", True),
        ("y/b", "x/a", "SCTP 999", True),
        ("y/b", "x/a", "TCP 8010", True),
        ("y/b", "x/a", "TCP 81", True),
        ("y/b", "x/a", "TCP 80", False),
        ("y/b", "x/a", "ICMP 8", False),
    ),
    _cilium(
        "before 1.16 a range is its first port",
        netpol("x/n", {"pod": "a"}, ["Ingress"], ingress=[{"ports": [{"port": 8000, "endPort": 8010}]}]),
        ("y/b", "x/a", "TCP 8000", True),
        ("y/b", "x/a", "TCP 8005", False),
        profile=CILIUM.with_options(end_port=False),
    ),
    _cilium(
        "ICMP needs its own rule",
        cnp("x/n", {"pod": "a"}, ingress=[{"icmps": [{"fields": [{"type": "EchoRequest"}, {"type": 3}]}]}]),
        ("y/b", "x/a", "ICMP 8", True),
        ("y/b", "x/a", "ICMP 3", True),
        ("y/b", "x/a", "ICMP 0", False),
        ("y/b", "x/a", "TCP 80", False),
    ),
    _cilium(
        "names match exactly or by pattern, outside only, and need a DNS rule",
        [
            cnp(
                "x/n",
                {"pod": "a"},
                egress=[DNS_RULE, {"toFQDNs": [{"matchName": "api.example.com"}, {"matchPattern": "*.example.net"}]}],
            ),
        ],
        ("x/a", "name:api.example.com", "TCP 443", True),
        ("x/a", "name:api.example.com.", "TCP 443", True),
        ("x/a", "name:www.example.net", "TCP 443", True),
        ("x/a", "name:example.net", "TCP 443", False),
        ("x/a", "name:a.b.example.net", "TCP 443", False),
        ("x/a", "203.0.113.1", "TCP 443", None),
        ("x/a", "y/b", "TCP 443", False),
        ("x/a", "z/b", "UDP 53", True),
    ),
    _cilium(
        "without a DNS rule a matching name is never known",
        cnp("x/n", {"pod": "a"}, egress=[{"toFQDNs": [{"matchName": "api.example.com"}]}]),
        ("x/a", "name:api.example.com", "TCP 443", False),
    ),
    _cilium(
        "policies of both dialects add up",
        [netpol("x/deny", types=BOTH), cnp("x/n", {"pod": "a"}, egress=[{"toEntities": ["world"]}])],
        ("x/a", "203.0.113.1", "TCP 443", True),
        ("x/b", "203.0.113.1", "TCP 443", False),
        ("x/a", "y/b", "TCP 443", False),
    ),
    _cilium(
        "an invalid policy is not applied",
        {
            **cnp("x/n", {"pod": "a"}, egress=[{}]),
            "status": {"conditions": [{"type": "Valid", "status": "False", "message": "no"}]},
        },
        ("x/a", "y/b", "TCP 80", True),
    ),
    _cilium(
        "what is not modelled is undecidable; certain denies still deny, certain admissions still admit",
        [
            cnp("x/n", {"pod": "a"}, egress=[{"toGroups": [{"aws": {}}]}, {"toEntities": ["kube-apiserver"]}]),
            cnp("y/n", {"pod": "a"}, egress=[{"toEntities": ["all"]}], egressDeny=[{"toGroups": [{}]}]),
            cnp("z/n", {"pod": "a"}, egress=[{"toEntities": ["all"]}], egressDeny=[{"toCIDR": ["203.0.113.0/24"]}]),
            cnp("z/m", {"pod": "a"}, egress=[{"toWhoever": []}]),
        ],
        ("x/a", "203.0.113.1", "TCP 80", None),
        ("x/a", "entity:kube-apiserver+remote-node", "TCP 6443", True),
        ("x/a", "y/b", "TCP 80", False),
        ("y/a", "203.0.113.1", "TCP 80", None),
        ("z/a", "203.0.113.1", "TCP 80", False),
        ("z/a", "198.51.100.1", "TCP 80", True),
    ),
    _cilium(
        "a node reaches its own pods; its host-network pods are nodes",
        [netpol("x/n", types=["Ingress"])],
        ("entity:host", "x/a", "TCP 80", True),
        ("entity:remote-node", "x/a", "TCP 80", False),
        ("x/node-agent", "y/a", "TCP 80", True),
        ("y/a", "x/node-agent", "TCP 80", True),
    ),
    _cilium(
        "labels Cilium leaves out of identities match nothing",
        netpol("x/n", {"pod-template-hash": "h"}, ["Ingress"]),
        ("y/b", "x/hashed", "TCP 80", True),
        extra=(pod("x/hashed", "10.0.0.9", **{"pod-template-hash": "h"}),),
    ),
    _cilium(
        "a Service stands for its pods",
        cnp("x/n", {"pod": "a"}, egress=[{"toServices": [{"k8sService": {"serviceName": "s", "namespace": "y"}}]}]),
        ("x/a", "y/b", "TCP 80", True),
        ("x/a", "y/c", "TCP 80", False),
        profile=cilium("1.20.2"),
        extra=(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "s", "namespace": "y"},
                "spec": {"selector": {"pod": "b"}, "ports": [{"port": 80}]},
            },
        ),
    ),
]

_TABLE = "kube-network-policies' tables and network-policy-api's conformance tests"


def _admin(name: str, policies: list[Json], *answers: Answer, **options: Any) -> Case:
    return Case(name, _TABLE, policies, list(answers), **{"profile": ANP, **options})


def _old(kind: str, priority: int | None, **rules: Any) -> Json:
    spec = {"subject": EVERYWHERE, **rules, **({"priority": priority} if priority is not None else {})}
    head = {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": kind}
    return {**head, "metadata": {"name": "default" if priority is None else f"p{priority}"}, "spec": spec}


FROM_Y = [{"namespaces": {"matchLabels": {"ns": "y"}}}]
TCP_80 = [{"tcp": {"destinationPort": {"number": 80}}}]
DENY_Y: Json = {"action": "Deny", "from": FROM_Y}
ADMIN = [
    _admin(
        "Deny in the Admin tier beats a NetworkPolicy that admits",
        [admin("d", "Admin", 10, EVERYWHERE, ingress=[DENY_Y]), netpol("x/n", types=["Ingress"], ingress=[{}])],
        ("y/a", "x/a", "TCP 80", False),
        ("z/a", "x/a", "TCP 80", True),
    ),
    _admin(
        "Accept in the Admin tier beats a NetworkPolicy that isolates",
        [
            admin("a", "Admin", 10, EVERYWHERE, ingress=[{"action": "Accept", "from": FROM_Y, "protocols": TCP_80}]),
            netpol("x/n", types=["Ingress"]),
        ],
        ("y/a", "x/a", "TCP 80", True),
        ("y/a", "x/a", "TCP 81", False),
        ("z/a", "x/a", "TCP 80", False),
    ),
    _admin(
        "Pass hands on to the NetworkPolicy, and skips later Admin rules",
        [
            admin("p", "Admin", 10, EVERYWHERE, ingress=[{"action": "Pass", "from": FROM_Y}]),
            admin("d", "Admin", 20, EVERYWHERE, ingress=[DENY_Y]),
            netpol("x/n", {"pod": "a"}, ["Ingress"]),
        ],
        ("y/a", "x/a", "TCP 80", False),
        ("y/a", "x/b", "TCP 80", True),
    ),
    _admin(
        "the smaller priority goes first, the first rule wins",
        [
            admin("late", "Admin", 20, EVERYWHERE, ingress=[{"action": "Accept", "from": FROM_Y}]),
            admin("early", "Admin", 5, EVERYWHERE, ingress=[DENY_Y, {"action": "Accept", "from": FROM_Y}]),
        ],
        ("y/a", "x/a", "TCP 80", False),
    ),
    _admin(
        "equal priorities that disagree are undecidable, that agree are not",
        [
            admin("one", "Admin", 5, EVERYWHERE, ingress=[{"action": "Accept", "from": FROM_Y, "protocols": TCP_80}]),
            admin("two", "Admin", 5, EVERYWHERE, ingress=[DENY_Y]),
        ],
        ("y/a", "x/a", "TCP 80", None),
        ("y/a", "x/a", "TCP 81", False),
        ("z/a", "x/a", "TCP 80", True),
    ),
    _admin(
        "the Baseline tier speaks only where no NetworkPolicy isolates",
        [
            admin("b", "Baseline", 0, EVERYWHERE, ingress=[DENY_Y]),
            netpol("x/n", {"pod": "a"}, ["Ingress"], ingress=[{"ports": [{"port": 80}]}]),
        ],
        ("y/a", "x/a", "TCP 80", True),
        ("y/a", "x/a", "TCP 81", False),
        ("y/a", "x/b", "TCP 80", False),
        ("z/a", "x/b", "TCP 80", True),
    ),
    _admin(
        "egress: networks, named ports, ranges",
        [
            admin(
                "e",
                "Admin",
                1,
                {
                    "pods": {
                        "namespaceSelector": {"matchLabels": {"ns": "x"}},
                        "podSelector": {"matchLabels": {"pod": "a"}},
                    }
                },
                egress=[
                    {"action": "Accept", "to": [EVERYWHERE], "protocols": [{"destinationNamedPort": "http"}]},
                    {
                        "action": "Deny",
                        "to": [{"networks": ["0.0.0.0/0"]}],
                        "protocols": [{"tcp": {"destinationPort": {"range": {"start": 80, "end": 90}}}}, {"udp": {}}],
                    },
                ],
            )
        ],
        ("x/a", "y/b", "TCP 82", True),
        ("x/a", "y/b", "TCP 81", False),
        ("x/a", "203.0.113.1", "TCP 90", False),
        ("x/a", "203.0.113.1", "TCP 91", True),
        ("x/a", "203.0.113.1", "UDP 5", False),
        ("x/b", "203.0.113.1", "UDP 5", True),
    ),
    _admin(
        "v1alpha1: Allow, Deny and the one baseline",
        [
            _old(
                "AdminNetworkPolicy",
                5,
                ingress=[
                    {"action": "Allow", "from": FROM_Y, "ports": [{"portNumber": {"protocol": "TCP", "port": 80}}]}
                ],
            ),
            _old("BaselineAdminNetworkPolicy", None, ingress=[{"action": "Deny", "from": [EVERYWHERE]}]),
        ],
        ("y/a", "x/a", "TCP 80", True),
        ("y/a", "x/a", "TCP 81", False),
        ("203.0.113.1", "x/a", "TCP 81", True),
    ),
    _admin(
        "where they are not implemented they change nothing",
        [admin("d", "Admin", 10, EVERYWHERE, ingress=[DENY_Y])],
        ("y/a", "x/a", "TCP 80", True),
        profile=CILIUM,
    ),
    _admin(
        "where that is not known they are undecidable",
        [admin("d", "Admin", 10, EVERYWHERE, ingress=[DENY_Y])],
        ("y/a", "x/a", "TCP 80", None),
        profile=CALICO_IPTABLES,
    ),
    Case(
        "Calico's own policies isolate what they select, and one without a word is about ingress",
        "projectcalico.org/v3",
        [{"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": {"name": "c", "namespace": "x"}}],
        [("y/a", "x/a", "TCP 80", False), ("x/a", "y/a", "TCP 80", True), ("y/a", "z/a", "TCP 80", True)],
        CALICO_IPTABLES,
    ),
]

CASES = [*KUBERNETES, *CILIUM_CASES, *ADMIN]


def wrong_answers(case: Case) -> Iterator[str]:
    """Where the simulator says something else than the case does."""
    world = PolicyWorld.of([*CLUSTER, *case.extra, *case.policies], case.profile)
    for source, destination, port, expected in case.answers:
        judgement = world.judge(ask(world, source, destination, port))
        if judgement.allowed is not expected:
            yield f"{case.name}: expected {expected}: {judgement_in_words(judgement)}"


def disagreements() -> list[str]:
    return [wrong for case in CASES for wrong in wrong_answers(case)]
