"""The ledger: a pass is earned by a look, never by silence."""

from __future__ import annotations

import pytest

from flows.catalog import rules
from flows.causes import Layer
from flows.ledger import ledger
from flows.model import Case, Finding, LayerRow, LayerState, Missing
from flows.verdict import inconclusive, rank
from sensors.cni_health import CniHealth
from sensors.dns_coredns_health import CoreDns
from sensors.dns_lookup import Lookups
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_nodes import Nodes
from sensors.k8s_pod import PodFacts
from sensors.k8s_services import Services
from sensors.kit.catalog import sensors
from sensors.net_connect import Connects
from sensors.net_conntrack_usage import Conntrack
from sensors.net_mtu import Mtu
from sensors.net_tcp_stats import TcpStats
from tests.flows.denials.test_requested import OTHER, asked_at, keeping
from tests.kit.cases import case_of, without

ALL = (
    CniHealth, CoreDns, Lookups, HubbleFlows, Policies, Nodes, PodFacts, Services, Connects, Conntrack, Mtu, TcpStats,
)  # fmt: skip


def findings(case: Case) -> list[Finding]:
    said: list[Finding] = []
    for rule in rules().values():
        try:
            said += rule.of(case)
        except Missing:
            continue
    return rank(said)


def rows(case: Case) -> dict[Layer, LayerRow]:
    found = findings(case)
    root = found[0] if found else inconclusive(case, found, ())
    return {row.layer: row for row in ledger(case, sensors(), root, found, ())}


def state(case: Case, layer: Layer) -> LayerState:
    return rows(case)[layer].state


def test_the_guilty_layer_fails_and_names_its_evidence():
    row = rows(case_of("basket-to-pricing"))[Layer.POLICY]

    assert row.state is LayerState.FAIL
    assert row.evidence
    assert row.why.startswith("policy.wrong_port: ")


def test_a_later_fault_is_shown_as_standing_behind_the_first():
    row = rows(case_of("planner-to-roster"))[Layer.SERVICE]

    assert row.state is LayerState.FAIL
    assert row.why.startswith("service.no_ready_endpoints (behind node.not_ready): ")


def test_a_layer_behind_the_fault_is_open_and_says_why():
    row = rows(case_of("worker-to-queue"))[Layer.POD_NETWORK]
    application = rows(case_of("api-server-cannot-watch"))[Layer.APPLICATION]

    assert row.state is LayerState.PASS
    assert application.state is LayerState.INCONCLUSIVE
    assert application.why.endswith("; the traffic stops earlier (policy.egress_denied)")


@pytest.mark.parametrize(
    ("layer", "facts"),
    [
        (Layer.POD_NETWORK, (PodFacts, CniHealth)),
        (Layer.SERVICE, (Services,)),
        (Layer.POLICY, (Policies, HubbleFlows)),
        (Layer.DNS, (Lookups, CoreDns)),
        (Layer.CONNTRACK, (Conntrack,)),
        (Layer.NAT, (Connects,)),
        (Layer.PHYSICAL, (Nodes, Mtu)),
        (Layer.APPLICATION, (TcpStats, HubbleFlows, Connects)),
    ],
)
def test_a_layer_nobody_could_look_at_is_not_measured(layer, facts):
    assert state(without(case_of("search-to-index"), *facts), layer) is LayerState.NOT_MEASURED


@pytest.mark.parametrize("taken", ALL)
def test_taking_a_look_away_never_turns_doubt_into_a_pass(taken):
    whole = rows(case_of("search-to-index"))
    partial = rows(without(case_of("search-to-index"), taken))

    gained = [
        layer
        for layer in Layer
        if partial[layer].state is LayerState.PASS and whole[layer].state is not LayerState.PASS
    ]
    assert gained == []


def test_no_policy_is_called_harmless_when_the_datapath_was_not_seen():
    assert state(without(case_of("search-to-index"), HubbleFlows), Layer.POLICY) is LayerState.INCONCLUSIVE


def test_a_node_port_whose_way_is_not_decided_is_said_and_no_pass():
    decided, undecided = asked_at(OTHER), keeping(asked_at(OTHER))

    assert rows(undecided)[Layer.POLICY].state is LayerState.INCONCLUSIVE
    assert "externalTrafficPolicy Local" in rows(undecided)[Layer.POLICY].why
    assert "externalTrafficPolicy" not in rows(decided)[Layer.POLICY].why
