"""What claims may change of a verdict, and what they may not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from flows.agent.brief import brief_of
from flows.agent.claims import read_claims
from flows.agent.weighing import Bench, explained, ground_of, heard_of, weighed
from flows.belief import PARTIAL
from flows.catalog import rules
from flows.causes import Layer
from flows.engine import WalkTools, walk
from flows.load import load_flows
from flows.model import NO_FIX, Diagnosis, LayerRow, LayerState
from sensors.kit import Sensor
from sensors.kit.catalog import sensors
from tests.flows.agent.answers import FAIR, TRUE, answer
from tests.kit.cases import case, target_of
from tests.kit.messages_api import says


def diagnosed(name: str, flow: str = "flow.k8s_network_debug") -> Diagnosis:
    recorded = case(name)
    walking = walk(load_flows()[flow], target_of(recorded), recorded, WalkTools(sensors(), rules()))
    return asyncio.run(walking).diagnosis


@pytest.fixture(scope="module")
def denied() -> Diagnosis:
    """Rules are sure of a denied egress."""
    return diagnosed("api-server-cannot-watch")


@pytest.fixture(scope="module")
def shrug() -> Diagnosis:
    """Rules shrug: this flow does not look at connection tables."""
    return diagnosed("edge-to-sessions", "flow.k8s_policy_drops")


def weigh(it: Diagnosis, said: dict[str, Any], looks: Mapping[str, Sensor] | None = None) -> Diagnosis:
    brief = brief_of(it, "0123abcd")
    bench = Bench(
        ground_of(it, brief.cited, brief.question), brief.candidates, looks or sensors(), heard_of(it, rules())
    )
    claims = read_claims(says(said).blocks[0]["text"])
    return weighed(it, claims, explained(it, claims, bench), bench)


def test_one_invented_number_one_unknown_id_and_one_unlisted_class_lose_exactly_those(denied: Diagnosis):
    said = answer(
        *TRUE,
        ("Exactly 12345 packets were lost.", ["E1"]),
        ("The node fails.", ["E77"]),
        cause_class="policy.magic_denied",
    )

    after = weigh(denied, said)

    assert after.explanation is not None
    assert [(each.text, list(each.evidence)) for each in after.explanation.statements] == [
        (t, list(i)) for t, i in TRUE
    ]
    assert [each.why for each in after.explanation.struck] == [
        "12345 is not in what it cites",
        "there is no evidence E77",
        "'policy.magic_denied' is no cause of the closed list",
    ]
    assert (after.cause_class, after.confidence, after.fix) == (denied.cause_class, denied.confidence, denied.fix)


def test_agreement_changes_nothing_but_who_decided(denied: Diagnosis):
    after = weigh(denied, FAIR)

    assert replace(after, explanation=None, decided_by="rules") == denied
    assert after.decided_by == "rules+claude"


def test_an_answer_of_which_nothing_holds_leaves_the_rules_as_who_decided(denied: Diagnosis):
    assert weigh(denied, answer(("A meteor fell.", ["E99"]))).decided_by == "rules"


# -- confidence ------------------------------------------------------------------------------------------------------


def test_a_confidence_is_never_raised(denied: Diagnosis):
    lower = replace(denied, confidence=0.5)

    assert weigh(lower, answer(*TRUE, confidence=1.0)).confidence == 0.5


@pytest.mark.parametrize(
    ("against", "after"),
    [([], 0.96), (["E4"], 0.3), (["E1"], 0.96), (["E99"], 0.96)],
    ids=("none", "other", "own", "no"),
)
def test_a_confidence_is_lowered_only_for_evidence_on_which_the_verdict_does_not_rest(
    denied: Diagnosis, against: list[str], after: float
):
    assert weigh(denied, answer(*TRUE, confidence=0.3, against=against)).confidence == after


# -- another cause ---------------------------------------------------------------------------------------------------

OTHER = ("CoreDNS pods are ready, 1 of 1.", ["E7"])


def failing(it: Diagnosis, layer: Layer, state: LayerState = LayerState.FAIL) -> Diagnosis:
    rows = tuple(replace(row, state=state) if row.layer is layer else row for row in it.layers)
    return replace(it, layers=rows)


def test_a_dispute_names_its_evidence_and_stands_beside_the_verdict(denied: Diagnosis):
    it = failing(denied, Layer.DNS)

    after = weigh(it, answer(*TRUE, cause_class="dns.coredns_down", cause=OTHER, against=["E6"]))

    assert after.explanation is not None
    assert after.explanation.other is not None
    assert (after.explanation.disputes, after.explanation.other.cause_class) == (True, "dns.coredns_down")
    assert (after.cause_class, after.fix, after.root_cause) == (it.cause_class, it.fix, it.root_cause)


@pytest.mark.parametrize(
    ("state", "more", "why"),
    [
        (LayerState.FAIL, {}, "names no evidence against"),
        (LayerState.FAIL, {"against": ["E1"]}, "names no evidence against"),
        (LayerState.PASS, {"against": ["E6"]}, "dns passed"),
        (LayerState.NOT_MEASURED, {"against": ["E6"]}, "dns was not measured"),
        (LayerState.FAIL, {"against": ["E6"], "cause": ("One pod is ready.", ["E5"])}, "cites no look at dns"),
        (LayerState.FAIL, {"against": ["E6"], "cause": ("4711 names failed.", ["E6"])}, "4711"),
    ],
)
def test_a_dispute_without_ground_is_struck_out(denied: Diagnosis, state: LayerState, more: dict[str, Any], why: str):
    said = answer(*TRUE, **{"cause_class": "dns.coredns_down", "cause": OTHER, **more})

    after = weigh(failing(denied, Layer.DNS, state), said)

    assert after.explanation is not None
    assert after.explanation.other is None
    assert why in after.explanation.struck[-1].why


def test_where_rules_shrug_a_cause_that_they_know_is_a_suspicion_and_no_verdict(shrug: Diagnosis):
    """The rules have looked for it; that they found nothing counts."""
    it = failing(shrug, Layer.POLICY, LayerState.INCONCLUSIVE)
    cause = ("A policy may select the pod.", ["E3"])

    after = weigh(it, answer(cause_class="policy.egress_denied", cause=cause, confidence=0.9))

    assert (after.cause_class, after.fix) == ("inconclusive", NO_FIX)
    assert after.explanation is not None
    assert after.explanation.other is not None
    assert not after.explanation.disputes


def test_where_rules_shrug_a_cause_of_which_none_could_judge_takes_the_place_with_a_capped_confidence(shrug: Diagnosis):
    """No rule has the facts to judge the path's size; Claude cites a look at the layer, and is believed up to a cap."""
    assert "mtu.mismatch" not in heard_of(shrug, rules())
    it = failing(shrug, Layer.POD_NETWORK, LayerState.INCONCLUSIVE)
    it = failing(it, Layer.PHYSICAL, LayerState.INCONCLUSIVE)
    cause = ("The path of the pod may carry less than its route promises.", ["E5"])
    looks = {**sensors(), "cni.health": replace(sensors()["cni.health"], layers=("physical",))}

    after = weigh(it, answer(cause_class="mtu.mismatch", cause=cause, confidence=1.0), looks)

    assert (after.cause_class, after.decided_by, after.fix) == ("mtu.mismatch", "claude", NO_FIX)
    assert after.confidence <= PARTIAL
    assert after.findings[1:] == it.findings


def test_that_all_is_well_is_never_said_by_claude_alone(shrug: Diagnosis):
    after = weigh(shrug, answer(cause_class="none.healthy", cause=("The pod is ready.", ["E2"])))

    assert after.cause_class == "inconclusive"
    assert after.explanation is not None
    assert after.explanation.other is None


# -- fix -------------------------------------------------------------------------------------------------------------


def test_a_fix_is_one_of_the_candidates_or_none(denied: Diagnosis):
    def chosen(fix: str) -> tuple[str, list[str]]:
        said = weigh(denied, answer(*TRUE, fix=fix)).explanation
        assert said is not None
        return said.fix, [each.why for each in said.struck]

    assert chosen(denied.fix.id) == (denied.fix.id, [])
    assert chosen("none") == ("", [])
    assert chosen("fix-0000000000000000") == ("", ["it is not one of the candidates"])
    assert chosen("kubectl delete ns production")[0] == ""


def test_the_layers_of_a_diagnosis_are_rows() -> None:
    """`failing` above works on them."""
    assert LayerRow(Layer.DNS, LayerState.PASS, (), "").layer is Layer.DNS
