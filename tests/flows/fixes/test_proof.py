"""What a trial shows: counts of what was really dropped, what would break, and what is too broad to approve."""

from __future__ import annotations

import copy
from typing import Any

from flows.fixes.proof import denied_ones, try_out
from flows.model import Case
from sensors.k8s_network_policies import Policies
from tests.flows.rules.policies import without_policies
from tests.kit.cases import case_of


def edited(case: Case, name: str, **spec: Any) -> dict[str, Any]:
    (policy,) = (each for each in case[Policies].objects if each["metadata"]["name"] == name)
    changed = copy.deepcopy(dict(policy))
    changed["spec"] |= spec
    return changed


def test_packets_are_counted_as_the_datapath_reported_them() -> None:
    case = case_of("api-server-cannot-watch")

    trial = try_out(case, [])

    assert (trial.proof.replayed, trial.proof.denied_before, trial.proof.allowed_after) == (847, 847, 0)
    assert not trial.proof.holds


def test_removing_the_policy_is_admitted_and_too_broad() -> None:
    case = case_of("api-server-cannot-watch")
    (policy,) = (each for each in case[Policies].objects if each["kind"] == "NetworkPolicy")

    trial = try_out(case, [], removed=[policy])

    assert trial.proof.holds
    assert trial.refused() is not None


def test_what_works_now_must_go_on_working() -> None:
    case = case_of("search-to-index")

    trial = try_out(case, [edited(case, "search-egress", egress=[])])

    assert any("search/index" in each for each in trial.broken)
    assert "which works now" in (trial.refused() or "")


def test_a_proof_does_not_hold_where_model_and_cluster_disagree() -> None:
    """The policies as read admit what the datapath dropped: nothing is proved by admitting it again."""
    trial = try_out(without_policies(case_of("orders-to-ledger")), [])

    assert trial.proof.replayed > trial.proof.denied_before == 0
    assert not trial.proof.holds
    assert any("model and cluster disagree" in word for word in trial.proof.words)


def test_what_cannot_be_decided_blocks_the_proof() -> None:
    case = case_of("orders-to-ledger")

    trial = try_out(case, [edited(case, "baseline", ingress=[{"from": [{"podSelector": {"unknown": 1}}]}])])

    assert trial.proof.undecidable == trial.proof.replayed > 0
    assert not trial.proof.holds


def test_only_the_complaint_is_replayed() -> None:
    assert [each.traffic.port for each in denied_ones(case_of("checkout-to-bank"))] == [8443]
    assert denied_ones(case_of("search-to-index")) == ()


def to_block(case: Case, block: str) -> dict[str, Any]:
    rule = {"to": [{"ipBlock": {"cidr": block}}], "ports": [{"port": 80, "protocol": "TCP"}]}
    return edited(case, "strict-egress", egress=[rule])


def test_an_address_at_which_a_cloud_hands_out_credentials_is_never_opened() -> None:
    case = case_of("api-server-cannot-watch")

    blocks = ("169.254.169.254/32", "169.254.0.0/16")
    refused = [try_out(case, [to_block(case, each)]).refused() or "" for each in blocks]

    assert refused[0] == "it opens 169.254.169.254, where a cloud hands out the node's credentials"
    assert "it opens 169.254.169.254, 169.254.170.2" in refused[1]


def test_an_address_beside_it_is_no_reason_to_refuse() -> None:
    case = case_of("api-server-cannot-watch")

    assert "credentials" not in (try_out(case, [to_block(case, "169.254.169.253/32")]).refused() or "")
