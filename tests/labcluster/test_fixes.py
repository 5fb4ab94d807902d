"""The lab obeys its policies: the right change lets the replayed traffic through, a wrong one does not."""

from __future__ import annotations

import json

import pytest

from sensors.kit.cluster import Dial
from tests.labcluster.desk import (
    apply,
    ask,
    asked_wish,
    attempts,
    new_flows,
    patch,
    path_of,
    probe,
    recorded_diagnosis,
    running,
    tcp,
    undo,
)

FIXED = [
    "api-server-cannot-watch",
    "basket-to-pricing",
    "checkout-to-bank",
    "importer-to-store",
    "orders-to-ledger",
    "reports-to-warehouse",
    "sync-to-partner",
    "worker-to-queue",
]
IDENTITIES = 26.0


@pytest.mark.parametrize("case", FIXED)
async def test_the_fix_kai_offers_lets_the_traffic_through(case):
    fix = (await recorded_diagnosis(case)).fix
    async with running(case) as lab:
        before = await attempts(lab, 10)

        statuses = await apply(lab, "alice", fix)
        await lab.advance(IDENTITIES + 5)  # until labels count, and the SYNs under way have ended
        changed = lab.now
        after = await attempts(lab, 10)
        flows = await new_flows(lab, changed)

    assert "open" not in before
    assert set(statuses) <= {200, 201}
    assert after == ["open"] * 10
    assert not [each for each in flows if each.verdict == "DROPPED"]
    assert [each for each in tcp(flows) if each.is_reply and {"SYN", "ACK"} <= each.flags]


@pytest.mark.parametrize("case", ["basket-to-pricing", "orders-to-ledger", "checkout-to-bank"])
async def test_after_the_fix_the_verdict_names_the_policy_that_lets_it_through(case):
    fix = (await recorded_diagnosis(case)).fix
    async with running(case) as lab:
        await apply(lab, "alice", fix)
        await lab.advance(5)
        changed = lab.now
        await lab.advance(5)

        flows = list(tcp(await new_flows(lab, changed)))

    named = {p.name for each in flows for p in (*each.egress_allowed_by, *each.ingress_allowed_by)}
    assert named == {each.target.name for each in (fix, *fix.also) if each.target}


@pytest.mark.parametrize("case", FIXED)
async def test_a_connection_from_inside_the_pod_opens_after_the_fix_and_not_before(case):
    fix = (await recorded_diagnosis(case)).fix
    async with running(case) as lab:
        assert lab.target is not None
        wish = asked_wish(lab)
        doors, name = (Dial(wish.host, wish.port),), (lab.target.namespace, lab.target.pod)

        before = await probe(lab, *name, connects=doors)
        await apply(lab, "alice", fix)
        await lab.advance(IDENTITIES + 1)
        after = await probe(lab, *name, connects=doors)

    assert [each.result for each in before.connects] in ([], ["timeout"])  # no row: the name did not resolve
    assert [each.result for each in after.connects] == ["open"]


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "add", "path": "/spec/egress/-", "value": {"to": [{"ipBlock": {"cidr": "10.96.0.0/12"}}]}}],
        [
            {
                "op": "add",
                "path": "/spec/egress/-",
                "value": {
                    "to": [{"ipBlock": {"cidr": "172.30.0.11/32"}}],
                    "ports": [{"protocol": "TCP", "port": 6443}],
                },
            }
        ],
    ],
    ids=["the Services' addresses", "the node's address"],
)
async def test_an_address_block_does_not_admit_the_api_server(operations):
    async with running("api-server-cannot-watch") as lab:
        reply = await patch(lab, "alice", path_of("NetworkPolicy", "production", "strict-egress"), operations)
        await lab.advance(4)
        after = await attempts(lab, 12)

    assert reply.status == 200
    assert after == ["denied egress"] * 3


async def test_the_port_of_the_service_does_not_admit_the_api_server():
    policy = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumNetworkPolicy",
        "metadata": {"name": "api-server-443"},
        "spec": {
            "endpointSelector": {"matchLabels": {"app": "api-server"}},
            "egress": [
                {"toEntities": ["kube-apiserver"], "toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}]}
            ],
        },
    }
    async with running("api-server-cannot-watch") as lab:
        reply = await ask(lab, "alice", "POST", path_of("CiliumNetworkPolicy", "production"), policy)
        await lab.advance(4)
        after = await attempts(lab, 12)

    assert reply.status == 201
    assert after == ["denied egress"] * 3


async def test_one_of_two_patches_moves_the_drop_to_the_other_side():
    fix = (await recorded_diagnosis("checkout-to-bank")).fix
    async with running("checkout-to-bank") as lab:
        reply = await patch(
            lab, "alice", path_of("NetworkPolicy", "checkout", "checkout-egress"), [dict(each) for each in fix.patch]
        )
        await lab.advance(5)
        changed = lab.now
        after = await attempts(lab, 12)
        flows = list(tcp(await new_flows(lab, changed)))

    drops = [(each.event, each.direction, each.drop_reason, each.node) for each in flows if each.verdict == "DROPPED"]
    assert reply.status == 200
    assert after == ["denied ingress"] * 3
    assert set(drops) == {(5, "INGRESS", 133, "lab2"), (1, "INGRESS", 133, "lab2")}
    assert {each.direction for each in flows if each.event == 5 and each.verdict == "FORWARDED"} == {"EGRESS"}


async def test_an_explicit_deny_is_named_and_ends_when_it_is_removed():
    async with running("agent-to-collector") as lab:
        before = lab.now
        await lab.advance(3)
        denied = [each for each in await new_flows(lab, before) if each.drop_reason == 181 and each.event == 5]
        path = path_of("CiliumClusterwideNetworkPolicy", "", "restricted-networks")
        refused = await ask(lab, "alice", "DELETE", path)
        removed = await ask(lab, "admin", "DELETE", path)
        await lab.advance(5)
        after = await attempts(lab, 5)

    assert {p.name for each in denied for p in each.egress_denied_by} == {"restricted-networks"}
    assert (refused.status, removed.status) == (403, 200)
    assert after == ["open"] * 5


async def test_a_changed_label_counts_only_when_identities_have_changed():
    fix = (await recorded_diagnosis("reports-to-warehouse")).fix
    async with running("reports-to-warehouse") as lab:
        await apply(lab, "alice", fix)
        early = await attempts(lab, 24)
        await lab.advance(6)
        late = await attempts(lab, 5)

    assert set(early) == {"denied ingress"}
    assert late == ["open"] * 5


@pytest.mark.parametrize("case", ["basket-to-pricing", "checkout-to-bank", "sync-to-partner", "orders-to-ledger"])
async def test_undoing_restores_what_was_stored_word_for_word(case):
    fix = (await recorded_diagnosis(case)).fix
    async with running(case) as lab:
        before = stored_specs(lab)

        await apply(lab, "alice", fix)
        between = stored_specs(lab)
        statuses = await undo(lab, "alice", fix)
        await lab.advance(5)
        after = await attempts(lab, 9)

        assert set(statuses) == {200}
        assert between != before
        assert stored_specs(lab) == before
        assert "open" not in after


def stored_specs(lab):
    """Every policy's spec as text: the order of keys counts, too."""
    kinds = [each for each in lab.catalog.resources if "polic" in each.plural]
    return {
        (each["kind"], each["metadata"]["name"]): json.dumps(each["spec"])
        for kind in kinds
        for each in lab.store.all(kind)
    }


LEDGER = path_of("NetworkPolicy", "finance")
WRONG = {
    "the port of the Service": (
        "basket-to-pricing",
        path_of("NetworkPolicy", "retail", "basket-egress"),
        [{"op": "replace", "path": "/spec/egress/1/ports/0/port", "value": 81}],
    ),
    "another name of the same owner": (
        "sync-to-partner",
        path_of("CiliumNetworkPolicy", "partners", "sync-egress"),
        [{"op": "add", "path": "/spec/egress/1/toFQDNs/-", "value": {"matchName": "www.example.net"}}],
    ),
    "only one of the two sides": (
        "checkout-to-bank",
        path_of("NetworkPolicy", "payments", "bank-ingress"),
        [
            {
                "op": "add",
                "path": "/spec/ingress/-",
                "value": {
                    "from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "checkout"}}}],
                    "ports": [{"protocol": "TCP", "port": 8443}],
                },
            }
        ],
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_patch_that_misses_the_cause_is_taken_and_helps_nobody(wrong: str):
    case, path, operations = WRONG[wrong]
    async with running(case) as lab:
        reply = await patch(lab, "alice", path, operations)
        await lab.advance(IDENTITIES + 5)
        after = await attempts(lab, 12)

    assert reply.status == 200
    assert after
    assert "open" not in after


@pytest.mark.parametrize(
    ("source", "port"),
    [
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "billing"}}}, 8080),
        ({"podSelector": {"matchLabels": {"app": "orders-api"}}}, 8080),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "orders"}}}, 80),
        ({"ipBlock": {"cidr": "10.96.0.0/12"}}, 8080),
    ],
    ids=["another namespace", "pods of its own namespace", "the port of the Service", "the Services' addresses"],
)
async def test_an_allow_policy_for_somebody_else_does_not_let_this_one_in(source: dict, port: int):
    rule = {"from": [source], "ports": [{"protocol": "TCP", "port": port}]}
    spec = {"podSelector": {"matchLabels": {"app": "ledger"}}, "policyTypes": ["Ingress"], "ingress": [rule]}
    async with running("orders-to-ledger") as lab:
        reply = await ask(lab, "alice", "POST", LEDGER, {"metadata": {"name": "allow-somebody"}, "spec": spec})
        await lab.advance(5)
        after = await attempts(lab, 12)

    assert reply.status == 201
    assert after == ["denied ingress"] * 3
