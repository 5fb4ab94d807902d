"""Diagnoses made by hand, so that the words of a report can be judged without a sensor, a rule or a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from flows.causes import Layer
from flows.model import (
    NO_FIX,
    Component,
    Diagnosis,
    Doubt,
    Finding,
    JsonPatchFix,
    LayerRow,
    LayerState,
    ManifestFix,
    Proof,
    Provenance,
    RecordedCase,
)
from sensors.kit import Evidence, Sight, Target

MOMENT = datetime(2026, 11, 23, 21, 11, 11, tzinfo=UTC)
RECORDED = Provenance(MOMENT, RecordedCase("api-server-cannot-watch", MOMENT), "cilium 1.17.4, Kubernetes 1.33.1")
LIVE = Provenance(MOMENT)
POLICY = Component("NetworkPolicy", "production", "strict-egress")


@dataclass(frozen=True, slots=True)
class Drops:
    connections: int
    packets: int
    first: datetime
    raw: tuple[str, ...] = field(default=(), metadata={"report": False})

    def summary(self) -> str:
        return (
            f"{self.connections} connections to kube-apiserver:6443 dropped in {self.packets} packets (POLICY_DENIED)"
        )


@dataclass(frozen=True, slots=True)
class Said:
    text: str

    def summary(self) -> str:
        return self.text


PATCH = (
    """kubectl patch networkpolicy strict-egress -n production --type=json """
    """-p='[{"op":"add","path":"/spec/egress/-","value":{"to":[{"podSelector":{}}],"""
    """"ports":[{"port":6443,"protocol":"TCP"}]}}]'"""
)
UNDO = (
    "kubectl patch networkpolicy strict-egress -n production --type=json "
    """-p='[{"op":"remove","path":"/spec/egress/2"}]'"""
)

ROOT = Finding(
    cause_class="policy.egress_denied",
    cause="NetworkPolicy production/strict-egress does not let production/api-server reach kube-apiserver on 6443/TCP",
    component=POLICY,
    belief=0.97,
    because="its egress rules admit DNS and postgres only, and it is the only policy that isolates the pod's egress",
    shown_by=(Drops,),
    recommendation="Let production/api-server reach kube-apiserver on 6443/TCP.",
)
BEHIND = Finding(
    cause_class="service.no_ready_endpoints",
    cause="Service shop/tax has no ready endpoint",
    component=Component("Service", "shop", "tax"),
    belief=0.8,
    because="0 of 2 pods are ready",
    shown_by=(Said,),
)
SUSPECTED = Finding(
    cause_class="conntrack.insert_race",
    cause="Connections race for one conntrack entry on lab1",
    component=Component("Node", "", "lab1"),
    belief=0.2,
    because="3 failed inserts since boot",
    shown_by=(Said,),
)

FIX = JsonPatchFix(
    target=POLICY,
    title="Add an egress rule to NetworkPolicy production/strict-egress",
    patch=({"op": "add", "path": "/spec/egress/-", "value": {"ports": [{"port": 6443, "protocol": "TCP"}]}},),
    inverse=({"op": "remove", "path": "/spec/egress/2"},),
    kubectl=PATCH,
    undo=UNDO,
    proof=Proof(847, 847, 847, 0, ("egress[2] admits them",)),
    newly_allowed=("production/api-server → kube-apiserver on 6443/TCP",),
    automatic=True,
    owner="Argo CD application prod",
)

NEW = ManifestFix(
    target=Component("CiliumNetworkPolicy", "production", "api-server-kai"),
    manifest={"kind": "CiliumNetworkPolicy", "metadata": {"namespace": "production", "name": "api-server-kai"}},
)

CALM = Finding(
    cause_class="none.healthy",
    cause="No fault is visible now: everything that was measured passes",
    component=None,
    belief=0.9,
    because="",
    shown_by=(),
)

EVIDENCE = {
    "E1": Evidence("k8s.pod", Sight.SEEN, Said("production/api-server is Running, ready, on lab2"), took_ms=1.5),
    "E2": Evidence(
        "hubble.capture_flows",
        Sight.SEEN,
        Drops(847, 2541, datetime(2026, 11, 23, 21, 9, 47, tzinfo=UTC), ("kept for the rules",)),
        took_ms=210.4,
    ),
    "E3": Evidence("kube_proxy.health", Sight.ABSENT, why="no kube-proxy: Cilium replaces it", took_ms=2.0),
    "E4": Evidence(
        "net.mtu", Sight.BLIND, why="pods/production/api-server/pmtu.json is not in the recording", took_ms=0.4
    ),
}

LAYERS = (
    LayerRow(Layer.POD_NETWORK, LayerState.PASS, ("E1",), "the pod runs and has an address"),
    LayerRow(Layer.SERVICE, LayerState.PASS, ("E1",), "default/kubernetes has an endpoint"),
    LayerRow(Layer.POLICY, LayerState.FAIL, ("E2",), "strict-egress denies the connection"),
    LayerRow(Layer.DNS, LayerState.PASS, (), "names resolve"),
    LayerRow(Layer.CONNTRACK, LayerState.INCONCLUSIVE, (), "3 failed inserts since boot"),
    LayerRow(Layer.NAT, LayerState.PASS, (), "Cilium translates"),
    LayerRow(Layer.PHYSICAL, LayerState.NOT_MEASURED, ("E4",), "net.mtu was blind"),
)

DENIED = Diagnosis(
    investigation_id="1f00baa5e77e",
    flow="flow.k8s_network_debug",
    target=Target("api-server", "production", "10.96.0.1", 443),
    confidence=0.94,
    coverage=0.94,
    decided_by="rules",
    reasoning=ROOT.because,
    evidence=EVIDENCE,
    layers=LAYERS,
    findings=((ROOT, ("E2",)), (BEHIND, ("E1",)), (SUSPECTED, ())),
    fix=FIX,
    alternatives=(
        ManifestFix(
            target=NEW.target,
            manifest=NEW.manifest,
            title="A new CiliumNetworkPolicy",
            kubectl="kubectl apply -f rule.yaml",
        ),
    ),
    doubts=(
        Doubt("mtu_mismatch", "no Mtu: pmtu.json is not in the recording"),
        Doubt("path_loss", "no Mtu: pmtu.json is not in the recording"),
    ),
    total_ms=412.3,
    hubble_command="hubble observe --pod production/api-server --last 1000 --port 443",
    provenance=RECORDED,
)

HEALTHY = Diagnosis(
    investigation_id="0123456789ab",
    flow="flow.k8s_network_debug",
    target=Target("web", "shop"),
    confidence=0.9,
    coverage=1.0,
    decided_by="rules",
    reasoning="",
    evidence={"E1": EVIDENCE["E1"]},
    layers=(),
    findings=((CALM, ()),),
    fix=NO_FIX,
    alternatives=(),
    doubts=(),
    total_ms=80.0,
    hubble_command="hubble observe --pod shop/web --last 1000",
    provenance=LIVE,
)


def with_root(it: Diagnosis, **fields: Any) -> Diagnosis:
    """The diagnosis with its root cause changed."""
    return replace(it, findings=((replace(it.root, **fields), it.shown_by), *it.others))
