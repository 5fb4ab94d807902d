"""A person's own change, tried on recorded traffic: the truth about the popular patch, and about ours."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import yaml

from flows.fixes.build import build
from flows.fixes.proof import MAX_NEWLY_ALLOWED
from flows.model import Case
from flows.policy import judgement_in_words
from flows.proposed import BadChange, ChangeHints, read_change, read_deletion
from flows.rules.policy_egress_denied import RULE
from flows.simulate import Simulation, as_json, can, look, objects_of, simulate
from sensors.hubble_capture_flows import HubbleFlows
from sensors.k8s_network_policies import Policies
from sensors.k8s_services import Services
from sensors.kit.catalog import sensors
from tests.flows.rules.facts import only
from tests.kit.cases import case, case_of, expected, target_of, with_facts, without

API = "api-server-cannot-watch"
STRICT = ChangeHints(namespace="production", target="networkpolicy/strict-egress")


NOTHING_MORE = ChangeHints()


def tried_on(name: str, text: str, meant: ChangeHints = NOTHING_MORE) -> Simulation:
    seen = case_of(name)
    return simulate(seen, read_change(text, meant, objects_of(seen)), MAX_NEWLY_ALLOWED)


def egress(rule: dict[str, Any]) -> str:
    return json.dumps([{"op": "add", "path": "/spec/egress/-", "value": rule}])


def test_the_service_cidr_patch_helps_nobody_and_the_reason_is_said() -> None:
    said = tried_on(API, egress({"to": [{"ipBlock": {"cidr": "10.96.0.0/12"}}]}), STRICT)

    assert (said.trial.proof.replayed, said.trial.proof.allowed_after) == (847, 0)
    assert not said.helps
    assert (
        "  10.96.0.0/12 covers 10.96.0.1, the address of Service default/kubernetes, which policies never see: "
        "it has become 172.30.0.11:6443 before they are asked"
    ) in said.why_not
    assert "  and under this datapath a CIDR never matches the API server, whatever its address" in said.why_not


def test_the_nodes_own_address_does_not_help_either() -> None:
    """Tried on the real cluster: the client still timed out."""
    rule = {"to": [{"ipBlock": {"cidr": "172.30.0.11/32"}}], "ports": [{"protocol": "TCP", "port": 6443}]}

    said = tried_on(API, egress(rule), STRICT)

    assert said.trial.proof.allowed_after == 0
    assert any("never compares a CIDR with" in line for line in said.why_not)


def test_the_offered_fix_helps_and_opens_one_way() -> None:
    (fix, *_) = build(only(RULE, case_of(API)), case_of(API))

    said = tried_on(API, yaml.safe_dump(fix.patch[0]))

    assert said.helps
    assert said.refused is None
    assert said.why_not == ()
    assert said.trial.proof.allowed_after == said.trial.proof.replayed == 847
    assert [str(each) for each in said.trial.diff.opened] == [
        "production/Deployment api-server -> kube-apiserver TCP 6443"
    ]


def test_a_change_that_opens_everything_is_refused_though_it_would_help() -> None:
    said = tried_on(API, '{"spec": {"egress": [{}]}}', STRICT)

    assert said.trial.proof.allowed_after == 847
    assert not said.helps
    assert said.refused is not None
    assert "it opens the world outside the cluster" in said.refused
    assert "it opens every port" in said.refused


def test_what_was_verified_on_the_real_cluster_helps_here_too() -> None:
    for name in ("basket-to-pricing", "importer-to-store", "worker-to-queue", "sync-to-partner"):
        (command,) = expected(name)["verified_fix"]["commands"]
        _, _, namespace, _, kind, policy, _, patch = command.split(" ", 7)

        said = tried_on(name, patch[len("-p='") : -1], ChangeHints(namespace, f"{kind}/{policy}"))

        assert said.helps, name


def test_half_of_a_fix_is_not_enough() -> None:
    """Mending the sender alone moves the drop to the destination: the recorded client still timed out."""
    (tried,) = expected("checkout-to-bank")["tried_fixes"]
    patch = tried["what"].partition("-p='")[2][:-1]

    said = tried_on("checkout-to-bank", patch, ChangeHints("checkout", "netpol/checkout-egress"))

    assert said.trial.proof.allowed_after == 0
    assert any("payments/bank-ingress" in line for line in said.why_not)


def test_removing_a_deny_rule_shows_that_it_was_the_one() -> None:
    patch = '[{"op": "remove", "path": "/spec/egressDeny"}]'

    said = tried_on("billing-to-tax", patch, ChangeHints("billing", "cnp/billing-boundary"))

    assert said.trial.proof.allowed_after == said.trial.proof.replayed > 0


def test_a_change_that_cuts_what_works_is_refused() -> None:
    nothing = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "search-egress", "namespace": "search"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    }

    said = tried_on("search-to-index", json.dumps(nothing))

    assert said.refused is not None
    assert "which works now" in said.refused


def test_what_a_change_takes_away_is_told_with_how_often_it_was_used() -> None:
    said = tried_on(
        "search-to-index", "spec:\n  egress: []\n", ChangeHints("search", "networkpolicy/search-egress", "merge")
    )

    told = as_json(said)["newly_denied"]

    assert any(each.startswith("search/Deployment search -> search/Deployment index TCP 8080") for each in told)
    assert any("recorded connection" in each and "(0 " not in each for each in told)


def test_an_object_that_cilium_would_refuse_does_not_help() -> None:
    """The rule that would help stands beside one that Cilium does not take, so nothing of the object is applied."""
    rules = [{"toEntities": ["kube-apiserver"]}, {"toCIDRSet": [{"cidr": "203.0.113.0/24", "except": ["10.0.0.0/8"]}]}]
    manifest = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "open", "namespace": "production"},
        "spec": {"endpointSelector": {}, "egress": rules},
    }

    said = tried_on(API, json.dumps(manifest))

    assert not said.helps
    assert said.trial.proof.allowed_after == 0
    assert said.refused == (
        "Cilium would refuse this object: CiliumNetworkPolicy production/open: "
        "/spec/egress/1/toCIDRSet/0/except/0: the exception 10.0.0.0/8 is outside 203.0.113.0/24"
    )
    manifest["spec"] = {"endpointSelector": {}, "egress": rules[:1]}
    assert tried_on(API, json.dumps(manifest)).trial.proof.allowed_after == 847


def test_several_documents_and_lists_are_one_change() -> None:
    (fix, *_) = build(only(RULE, case_of(API)), case_of(API))
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fresh"}}
    text = yaml.safe_dump_all([space, {"apiVersion": "v1", "kind": "List", "items": [fix.patch[0]]}])

    said = tried_on(API, text)

    assert said.helps
    assert len(said.changed) == 2


def test_old_drops_can_be_left_out() -> None:
    seen = case_of(API)
    changed = read_change(egress({}), STRICT, objects_of(seen))

    assert simulate(seen, changed, 25, since=timedelta(hours=1)).trial.proof.replayed == 847
    assert simulate(seen, changed, 25, since=timedelta(0)).trial.proof.replayed == 0


def test_without_hubble_the_asked_connection_is_replayed() -> None:
    seen = without(case_of(API), HubbleFlows)

    said = simulate(seen, read_change(egress({}), STRICT, objects_of(seen)), MAX_NEWLY_ALLOWED)

    assert (said.trial.proof.replayed, said.trial.proof.allowed_after) == (1, 1)


@pytest.mark.parametrize(
    ("text", "meant", "complaint"),
    [
        ("", ChangeHints(), "the change is empty"),
        ("a: b: c", ChangeHints(), "neither YAML nor JSON, line 1"),
        ("[1, 2]", STRICT, "a JSON patch is a list of operations"),
        ("just words", STRICT, "a merge patch is a mapping"),
        ('[{"op": "add"}]', ChangeHints(), "a patch needs its object: --target KIND/NAME"),
        ('[{"op": "add"}]', ChangeHints(target="strict-egress"), "--target wants KIND/NAME"),
        ("[]\n---\n[]", STRICT, "a patch is one document"),
        ("[]", ChangeHints("production", "netpol/strict-egres"), "did you mean 'netpol/strict-egress'?"),
        ('[{"op": "add", "path": "/spec/ingress/-", "value": {}}]', STRICT, "does not fit NetworkPolicy"),
        ('[{"op": "test", "path": "/kind", "value": "x"}]', STRICT, "not as it was read"),
        ('{"metadata": {"name": "other"}}', STRICT, "would rename"),
        ("{kind: Deployment, apiVersion: apps/v1, metadata: {name: x}}", ChangeHints(), "decides about traffic"),
        ("{kind: NetworkPolicy, metadata: {}}", ChangeHints(), "has no metadata.name"),
        ("{kind: List, apiVersion: v1, items: [1]}", ChangeHints(), "expected an object"),
        (
            "{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {name: a, namespace: b}}",
            ChangeHints("c"),
            "two namespaces",
        ),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_in_one_line(text: str, meant: ChangeHints, complaint: str) -> None:
    with pytest.raises(BadChange) as refused:
        read_change(text, meant, objects_of(case_of(API)))

    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_policy_of_one_name_in_two_namespaces_needs_n() -> None:
    objects = [
        {"kind": "NetworkPolicy", "metadata": {"name": "deny", "namespace": space}} for space in ("shop", "stage")
    ]

    with pytest.raises(BadChange, match=r"in several namespaces \(shop, stage\): say which with -n"):
        read_change("[]", ChangeHints(target="netpol/deny"), objects)


async def asked(name: str, host: str, port: int, protocol: str | None = None) -> Case:
    recorded = case(name)
    wanted = replace(target_of(recorded), to_host=host, to_port=port, to_protocol=protocol)
    return await look(wanted, recorded, sensors())


async def test_may_this_talk_to_that_walks_every_policy() -> None:
    answer = can(await asked(API, "10.96.0.1", 443))

    assert answer.allowed is False
    assert "NetworkPolicy production/strict-egress" in judgement_in_words(answer.judgements[0])
    assert answer.seen == (
        "production/api-server-79fd8d4cc-jzc5m → kube-apiserver, remote-node (172.30.0.11) TCP/6443: dropped",
    )


async def test_a_service_is_asked_about_by_its_backends() -> None:
    answer = can(await asked("checkout-to-bank", "bank.payments.svc.cluster.local", 8443))

    assert answer.allowed is False
    assert [each.traffic.destination.namespace for each in answer.judgements] == ["payments"]


@pytest.mark.parametrize(("protocol", "judged"), [("UDP", ["UDP"]), ("TCP", ["TCP"]), (None, ["TCP", "UDP"])], ids=str)
async def test_a_port_over_two_protocols_is_judged_over_the_one_that_is_asked_for(
    protocol: str | None, judged: list[str]
) -> None:
    answer = can(await asked("search-to-index", "kube-dns.kube-system", 53, protocol))

    assert answer.allowed is True
    assert sorted(each.traffic.protocol for each in answer.judgements) == judged


@pytest.mark.parametrize("host", ["index.search", "10.96.51.29"])
async def test_never_a_yes_over_tcp_to_a_question_about_udp(host: str) -> None:
    seen = await asked("search-to-index", host, 80, "UDP")

    with pytest.raises(BadChange, match="Service search/index has port 80 over TCP only, not over UDP"):
        can(seen)


async def test_a_pod_s_own_address_is_judged_over_udp() -> None:
    answer = can(await asked("search-to-index", "10.244.1.245", 8080, "UDP"))

    assert answer.allowed is False
    assert "it admits TCP, the traffic is UDP" in judgement_in_words(answer.judgements[0])


async def test_a_peer_that_does_not_exist_is_said() -> None:
    seen = await asked(API, "nothing.production", 80)

    with pytest.raises(BadChange, match=r"nothing in this cluster answers to nothing\.production:80"):
        can(seen)


def test_the_machines_view_has_the_proof_and_the_reasons() -> None:
    told = as_json(tried_on(API, egress({"to": [{"ipBlock": {"cidr": "10.96.0.0/12"}}]}), STRICT))

    assert told["proof"] == {"replayed": 847, "denied_before": 847, "allowed_after": 0, "undecidable": 0}
    assert told["helps"] is False
    assert told["changed"] == ["NetworkPolicy production/strict-egress"]
    assert json.loads(json.dumps(told)) == told


def test_what_could_not_be_read_limits_what_is_said() -> None:
    seen = case_of(API)
    unread = with_facts(seen, replace(seen[Policies], unreadable={"CiliumNetworkPolicy": "forbidden"}))

    said = simulate(unread, read_change('{"spec": {"egress": []}}', STRICT, objects_of(unread)), MAX_NEWLY_ALLOWED)

    note = "not read: CiliumNetworkPolicy; what is said here holds for the other policies only"
    assert said.notes == (note,)
    assert can(unread).notes == (note,)


def test_a_deletion_is_tried_like_any_other_change() -> None:
    seen = case_of(API)

    said = simulate(seen, (), MAX_NEWLY_ALLOWED, removed=(read_deletion(STRICT, objects_of(seen)),))

    assert said.trial.proof.allowed_after == said.trial.proof.replayed == 847
    assert [str(each) for each in said.changed] == ["NetworkPolicy production/strict-egress"]
    assert said.refused is not None


def test_never_a_plain_yes_while_a_kind_of_policy_was_refused() -> None:
    """What such a policy says nobody knows: the answer is open, and names what was not read."""
    seen = case_of("florist-to-greenhouse")
    policies = seen[Policies]
    refused = replace(policies, unreadable={"CiliumNetworkPolicy": "objects/ciliumnetworkpolicies.yaml is empty"})

    assert can(seen).allowed is True
    answer = can(with_facts(seen, refused))
    assert answer.allowed is None
    assert answer.unread == ("CiliumNetworkPolicy: objects/ciliumnetworkpolicies.yaml is empty",)


def test_an_address_behind_a_service_is_judged_as_what_it_is() -> None:
    """The API server's own address has its own port, which is not the Service's."""
    seen = case_of("api-server-cannot-watch")
    services = seen[Services]
    assert services.asked is not None
    asked = replace(services.asked, host="172.30.0.11", port=6443)
    moved = with_facts(seen, replace(services, asked=asked))
    moved = replace(moved, target=replace(moved.target, to_host="172.30.0.11", to_port=6443), derived={})

    assert can(moved).allowed is False
