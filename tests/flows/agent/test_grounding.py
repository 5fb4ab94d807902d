"""What does not stand in the evidence that a statement cites strikes it out."""

from __future__ import annotations

import pytest

from flows.agent.claims import Claim
from flows.agent.grounding import MAX_STATEMENT_CHARS, Ground, why_struck

GROUND = Ground(
    {
        "E1": "E1 hubble.capture_flows seen: 847 packets dropped (POLICY_DENIED, 133), 820 attempts, "
        "production/api-server-79fd8d4cc-jzc5m → kube-apiserver, remote-node (172.30.0.11) TCP/6443, last at 21:11:09",
        "E3": "E3 k8s.network_policies seen: 1 policy, 1 selects the pod: NetworkPolicy production/strict-egress",
        "E5": "E5 k8s.nodes seen: 2 of 2 nodes ready",
        "E7": "E7 dns.lookup seen: fd00:10::a: db.shop.svc.cluster.local = 10.96.7.4 (3.5 ms)",
        "E9": "E9 net.tcp_stats blind: not in the recording",
        "E11": "E11 net.mtu seen: pod route MTU 1450; no reply from 172.30.0.11 at any packet size",
    },
    blind=frozenset({"E9"}),
    asked="pod production/api-server-79fd8d4cc-jzc5m cannot reach 10.96.0.1:443",
)

CARRIED = (
    ("Hubble saw 847 packets dropped as POLICY_DENIED on the way to 172.30.0.11 on TCP 6443.", ["E1"]),
    ("The pod api-server-79fd8d4cc-jzc5m asks for 10.96.0.1:443.", ["E1"]),
    ("NetworkPolicy production/strict-egress selects the pod and isolates its egress.", ["E3"]),
    ("NetworkPolicy strict-egress is the only policy that selects the pod.", ["E3"]),
    ("The api-server pod reaches the kube-apiserver through a remote node on port 6443/TCP.", ["E1"]),
    ("The MTU of the pod's route is 1,450 bytes.", ["E11"]),
    ("The last drop was at 21:11:09 UTC.", ["E1"]),
    ("TCP counters were not measured, so retransmissions cannot be told.", ["E9"]),
    ("Pod-to-pod traffic is stopped by a default-deny policy, strict-egress.", ["E3"]),
    ("Both findings fit together: the policy and the drops.", ["E1", "E3"]),
    ("Two nodes are ready.", ["E5"]),
    ("The name db.shop.svc.cluster.local resolves to 10.96.7.4 after 3.5 ms at FD00:10::A.", ["E7"]),
    ("Evidence E1 shows 820 attempts.", ["E1"]),
    ("This is policy.egress_denied.", ["E1"]),
)


@pytest.mark.parametrize(("text", "cited"), CARRIED, ids=[text[:50] for text, _ in CARRIED])
def test_a_statement_that_its_evidence_carries_is_said(text: str, cited: list[str]) -> None:
    assert why_struck(Claim(text, tuple(cited)), GROUND) == ""


STRUCK = (
    ("848 packets were dropped.", ["E1"], "848"),
    ("847 packets were dropped.", ["E3"], "847"),
    ("847.5 packets were dropped.", ["E1"], "847.5"),
    ("Twelve packets were dropped.", ["E1"], "12"),
    ("All 100% of the attempts failed.", ["E1"], "100"),
    ("The drops went to 172.30.0.12.", ["E1"], "172.30.0.12"),
    ("The drops went to 172.30.0.0/16.", ["E1"], "172.30.0.0/16"),
    ("The drops went to fd00::1.", ["E1"], "fd00::1"),
    ("Port 6444 is blocked.", ["E1"], "6444"),
    ("The last drop was at 21:11:10 UTC.", ["E1"], "21:11:10"),
    ("Service redis has no endpoints.", ["E3"], "redis"),
    ("NetworkPolicy deny-all selects the pod.", ["E3"], "deny-all"),
    ("NetworkPolicy staging/strict-egress selects the pod.", ["E3"], "staging/strict-egress"),
    ("The pod web-7d4b9c is at fault.", ["E1"], "web-7d4b9c"),
    ("Traffic is dropped by istio.", ["E1"], "istio"),
    ("Istio drops the traffic.", ["E1"], "Istio"),
    ("The mesh is run by Acme here.", ["E1"], "Acme"),
    ("The log says `permission denied`.", ["E1"], "permission denied"),
    ("The host api.example.com is asked.", ["E7"], "api.example.com"),
    ("This is policy.egress_blocked.", ["E1"], "no cause of the closed list"),
    ("This is none.fine.", ["E1"], "none.fine"),
    ("The node fails.", ["E77"], "no evidence E77"),
    ("The node fails.", [], "cites no evidence"),
    ("", ["E1"], "says nothing"),
    ("x" * (MAX_STATEMENT_CHARS + 1), ["E1"], "longer than"),
    ("kubectl delete networkpolicy strict-egress", ["E3"], "command or a patch"),
    ("```\napiVersion: v1\n```", ["E3"], "command or a patch"),
    ("TCP is healthy.", ["E9"], "measured nothing"),
    ("The pod retransmits.", ["E9"], "measured nothing"),
    ("DNS is ruled out as the cause.", ["E7", "E9"], "measured nothing"),
)


@pytest.mark.parametrize(("text", "cited", "why"), STRUCK, ids=[f"{text[:40]} {cited}" for text, cited, _ in STRUCK])
def test_a_statement_is_struck_out_for_what_its_evidence_lacks(text: str, cited: list[str], why: str) -> None:
    assert why in why_struck(Claim(text, tuple(cited)), GROUND)
