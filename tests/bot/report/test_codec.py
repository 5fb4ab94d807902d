"""The JSON result, there and back again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.report import blocks, details
from bot.report.json_result import CannotDecode, decode, encode, facts_types, render, told
from bot.report.outline import outline
from flows.causes import CAUSES, Layer
from flows.model import (
    Component,
    Diagnosis,
    Doubt,
    Finding,
    Fix,
    JsonPatchFix,
    LayerRow,
    LayerState,
    ManifestFix,
    NoFix,
    Proof,
    Provenance,
    Recorded,
    RecordedCase,
)
from sensors.kit import Evidence, Sight, Target
from sensors.kit.reported import RecordedFacts
from tests.bot.report.examples import DENIED, FIX, HEALTHY
from tests.kit.cases import names
from tests.kit.diagnoses import diagnosis_of


def again(it: Diagnosis) -> Diagnosis:
    """Written, kept as text, and read."""
    return decode(json.loads(render(it)))


def messages(it: Diagnosis) -> list[Any]:
    """All that a person can be shown of a diagnosis."""
    facts = [details.facts(key, it) for key in it.evidence]
    return [outline(it, verbose=True), blocks.verdict(it), details.why(it), details.fix(it), *facts]


# -- diagnoses made by chance -----------------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
COMPONENTS = st.builds(Component, NAMES, WORDS, NAMES)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
FACTS = st.dictionaries(WORDS, PLAIN, max_size=3)
OPERATIONS = st.lists(st.dictionaries(NAMES, PLAIN, min_size=1, max_size=3), min_size=1, max_size=2).map(tuple)
LISTS = st.lists(WORDS, max_size=3).map(tuple)
MS = st.floats(0, 1e6).map(lambda each: round(each, 1))
SHARES = st.floats(0, 1).map(lambda each: round(each, 3))
COUNTS = st.integers(0, 10**6)
PROOFS = st.builds(Proof, COUNTS, COUNTS, COUNTS, COUNTS, LISTS)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


def fixes(also: st.SearchStrategy[tuple[Fix, ...]]) -> st.SearchStrategy[Fix]:
    terms: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(("title", "kubectl", "undo"), WORDS),
        **dict.fromkeys(("newly_allowed", "newly_denied", "notes"), LISTS),
        **dict.fromkeys(("automatic", "disruptive"), st.booleans()),
        **dict.fromkeys(("refused", "owner"), st.none() | WORDS),
        "proof": st.none() | PROOFS,
        "also": also,
    }
    patch = st.builds(
        JsonPatchFix,
        target=COMPONENTS,
        patch=OPERATIONS,
        inverse=OPERATIONS,
        uid=WORDS,
        resource_version=WORDS,
        **terms,
    )
    return st.one_of(
        patch, st.builds(ManifestFix, target=COMPONENTS, manifest=FACTS, **terms), st.builds(NoFix, **terms)
    )


FIXES = fixes(st.lists(fixes(st.just(())), max_size=1).map(tuple))
SEEN = st.builds(lambda sensor, words, facts, ms: Evidence(sensor, Sight.SEEN, RecordedFacts(words, facts), took_ms=ms), NAMES, WORDS, FACTS, MS)  # fmt: skip  # noqa: E501
UNSEEN = st.builds(lambda sensor, sight, why, ms: Evidence(sensor, sight, why=why, took_ms=ms), NAMES, st.sampled_from([Sight.ABSENT, Sight.BLIND]), WORDS, MS)  # fmt: skip  # noqa: E501
FINDINGS = st.builds(
    Finding,
    cause_class=st.sampled_from(sorted(CAUSES)),
    cause=WORDS,
    component=st.none() | COMPONENTS,
    belief=SHARES,
    because=WORDS,
    shown_by=st.lists(st.sampled_from(sorted(facts_types().values(), key=str)), max_size=3).map(tuple),
    recommendation=WORDS,
    remedy=st.none() | st.builds(Recorded, st.sampled_from(["AdmitTraffic", "RaiseMemory"])),
    also_hides=st.frozensets(st.sampled_from(sorted(CAUSES)), max_size=3),
)
LAYERS = st.tuples(*(st.builds(LayerRow, st.just(each), st.sampled_from(LayerState), LISTS, WORDS) for each in Layer))
DIAGNOSES = st.builds(
    Diagnosis,
    investigation_id=NAMES,
    flow=NAMES,
    target=st.builds(Target, NAMES, NAMES, st.none() | NAMES, st.none() | st.integers(1, 65535)),
    confidence=SHARES,
    coverage=SHARES,
    decided_by=st.sampled_from(["rules", "claude", "rules+claude"]),
    reasoning=WORDS,
    evidence=st.lists(SEEN | UNSEEN, max_size=3).map(lambda found: {f"E{n}": each for n, each in enumerate(found, 1)}),
    layers=LAYERS,
    findings=st.lists(st.tuples(FINDINGS, LISTS), min_size=1, max_size=3).map(tuple),
    fix=FIXES,
    alternatives=st.lists(FIXES, max_size=1).map(tuple),
    doubts=st.lists(st.builds(Doubt, WORDS, WORDS), max_size=2).map(tuple),
    total_ms=MS,
    hubble_command=WORDS,
    provenance=st.builds(
        Provenance,
        st.none() | MOMENTS,
        st.none() | st.builds(RecordedCase, NAMES, st.none() | MOMENTS, st.booleans()),
        WORDS,
    ),
)


# -- what must hold ---------------------------------------------------------------------------------------------------


@given(DIAGNOSES)
def test_what_was_written_is_read_as_the_same_diagnosis(it: Diagnosis) -> None:
    assert again(it) == it


@pytest.mark.parametrize("name", names())
def test_a_recorded_incident_is_read_as_it_was_told(name: str) -> None:
    it = diagnosis_of(name)

    assert again(it) == told(it)
    assert encode(again(it)) == encode(it)
    assert messages(again(it)) == messages(it)


@pytest.mark.parametrize("it", [DENIED, HEALTHY], ids=["denied", "healthy"])
def test_a_kept_diagnosis_is_told_in_the_same_words(it: Diagnosis) -> None:
    assert outline(again(it), verbose=True) == outline(it, verbose=True)


def test_what_was_told_once_is_told_the_same_again() -> None:
    it = diagnosis_of(names()[0])

    assert told(told(it)) == told(it)


@pytest.mark.parametrize(
    "change",
    [
        {"cause_class": None, "findings": None},
        {"evidence": [{}]},
        {"layers": [{"layer": "ether"}]},
        {"findings": []},
        {"apiVersion": "kai.v2"},
    ],
)
def test_a_result_of_another_shape_is_refused_in_one_line(change: dict[str, object]) -> None:
    with pytest.raises(CannotDecode, match=r"^another version of KAI wrote this result [^\n]+$"):
        decode({**encode(DENIED), **change})


def test_a_fix_that_was_changed_where_it_was_kept_is_refused() -> None:
    kept = encode(DENIED)
    kept["fix"]["patch"][0]["path"] = "/spec/ingress/-"

    with pytest.raises(CannotDecode, match=f"fix {FIX.id} is not what its id says"):
        decode(kept)


def test_a_fix_has_the_same_id_as_often_as_it_is_found_and_another_for_another_change() -> None:
    same = replace(FIX, title="other words", uid="1", proof=None)
    others = [replace(FIX, inverse=()), replace(FIX, target=Component("Pod", "a", "b")), replace(FIX, also=(FIX,))]

    assert same.id == FIX.id
    assert len({FIX.id, *(each.id for each in others)}) == 4
    assert NoFix().id == ""
