"""The ways to admit a connection: what a small policy of our own must never be the first to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.denials.judged import judged_connections
from flows.fixes.admit import drafts
from flows.fixes.build import build
from flows.model import AdmitTraffic, Case, Component, Fix
from flows.rules.policy_ingress_denied import RULE as DENIED
from tests.flows.fixes.recorded import recorded
from tests.flows.rules.policies import with_objects
from tests.flows.variants.running import diagnose
from tests.kit.cases import case_of


def drafts_for_a_refused_egress(case: Case) -> list[str]:
    """Kinds of what is changed or made, as if the datapath refused egress, whatever the policies say."""
    (one,) = case.once(judged_connections)
    denied = replace(one.judgement, egress=replace(one.judgement.egress, allowed=False))
    found = drafts(AdmitTraffic((denied,), ()), case)
    return ["new" if change.before is None else "changed" for draft in found for change in draft.changes]


def test_a_new_policy_is_never_what_isolates_the_pod() -> None:
    """With the first egress policy of a pod all its other egress would be cut."""

    def ingress_only(thing: dict[str, Any]) -> None:
        if thing["kind"] == "NetworkPolicy":
            thing["spec"] = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}

    case = with_objects(recorded("port-of-another-peer"), ingress_only)

    assert "new" not in drafts_for_a_refused_egress(case)


def test_where_the_pod_is_isolated_already_a_small_policy_is_among_the_ways() -> None:
    assert "new" in drafts_for_a_refused_egress(recorded("port-of-another-peer"))


def test_a_policy_that_selects_nobody_isolates_nobody() -> None:
    def elsewhere(thing: dict[str, Any]) -> None:
        if thing["kind"] == "NetworkPolicy":
            thing["spec"]["podSelector"] = {"matchLabels": {"app": "nobody"}}

    assert "new" not in drafts_for_a_refused_egress(with_objects(recorded("port-of-another-peer"), elsewhere))


# -- a policy of Calico's own ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["80-calico-gnp-v3", "80b-calico-gnp-crd"])
def test_beside_a_policy_of_calico_s_own_stands_one_of_ours_and_theirs_is_never_edited(name: str) -> None:
    case = case_of(name)
    root = diagnose(case).findings[0][0]
    offered = build(root, case)

    assert root.component == Component("GlobalNetworkPolicy", "", "deny-app-traffic")
    assert offered
    assert {change.target.kind for each in offered for change in (each, *each.also)} == {"NetworkPolicy"}
    assert all(each.proof and each.proof.holds for each in offered)


def refused_node(**notes: str) -> Case:
    """A client on the host network of one node that a policy refuses, with these annotations on every node."""

    def elsewhere(thing: dict[str, Any]) -> None:
        if thing["kind"] == "NetworkPolicy":
            thing["spec"]["ingress"][0]["from"] = [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
        if thing["kind"] == "Node":
            thing["metadata"]["annotations"] = notes

    return with_objects(case_of("11e-hostnet-tunnel-address"), elsewhere)


def offered(case: Case) -> Fix:
    (finding,) = DENIED.of(case)
    return build(finding, case)[0]


ADDRESS, TUNNEL = "projectcalico.org/IPv4Address", "projectcalico.org/IPv4IPIPTunnelAddr"


def test_a_fix_that_lists_a_node_says_that_an_unknown_tunnel_s_address_must_be_added() -> None:
    (unread, plain, overlay) = (
        offered(refused_node()),
        offered(refused_node(**{ADDRESS: "172.16.0.21/24"})),
        offered(refused_node(**{ADDRESS: "172.16.0.21/24", TUNNEL: "10.244.1.7"})),
    )

    assert any("with the address of its tunnel, which is not known here" in note for note in unread.notes)
    assert not any("tunnel" in note for note in plain.notes)  # Calico says where a node has a tunnel
    assert not any("tunnel" in note for note in overlay.notes)
    assert overlay.newly_allowed == ("10.244.1.7/32 -> mall/Deployment shopfront TCP 8080",)


def test_a_fix_for_a_daemon_set_on_the_host_network_names_it_so_and_is_for_a_person() -> None:
    fix = offered(refused_node())

    assert "from every process of each node of edge/ingress-ctl (a DaemonSet) on TCP 8080" in fix.title
    assert "it lists the nodes of now: a node that joins later has to be added" in fix.notes
    assert not fix.automatic


# -- a policy for everybody --------------------------------------------------------------------------------------------


def test_a_policy_that_selects_whatever_pods_there_are_is_left_alone_and_ours_names_this_workload() -> None:
    """Only oven runs in bakery now; a rule in its default deny would hold for every pod that comes later."""
    case = case_of("oven-to-flour")

    fix, *others = build(diagnose(case).findings[0][0], case)

    assert fix.kind == "manifest"
    assert fix.automatic
    assert fix.patch[0]["spec"]["podSelector"] == {"matchLabels": {"app": "oven"}}
    amended = next(each for each in others if each.kind == "json-patch")
    assert not amended.automatic
    assert any("those yet to come" in note for note in amended.notes)


def test_a_policy_that_names_the_workload_is_amended() -> None:
    case = case_of("basket-to-pricing")

    fix = build(diagnose(case).findings[0][0], case)[0]

    assert fix.kind == "json-patch"
    assert fix.automatic
