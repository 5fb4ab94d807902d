"""No rule believes of a recorded or reported incident what its truth does not know: each is the others' silent twin."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flows.belief import ROOT_CAUSE_FROM
from flows.catalog import rules
from flows.model import Case, Finding, Missing
from sensors.access.casefolder import BadCase
from tests.kit.cases import SHELVES, case_of

TRUTHS = {
    path.name.removesuffix(".expected.yaml"): path
    for shelf in SHELVES
    for path in sorted(shelf.glob("*.expected.yaml"))
}
BESIDE = {
    "34-headless-port-remap": {"app.not_listening"},
    "34b-headless-port-remap-by-name": {"app.not_listening"},
}
"""True as well, and no root cause: nothing listens on a port that a headless Service does not translate."""


def believed(case: Case) -> list[Finding]:
    found: list[Finding] = []
    for rule in rules().values():
        try:
            found += [each for each in rule.of(case) if each.belief >= ROOT_CAUSE_FROM]
        except Missing:
            continue
    return found


def right(truth: Path) -> set[str]:
    said = yaml.safe_load(truth.read_text("utf-8"))
    return {said["cause_class"], *(said.get("accept_classes") or ())}


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_what_any_rule_believes_is_the_truth_or_a_consequence_of_it(name: str) -> None:
    try:
        case = case_of(name)
    except BadCase:
        pytest.skip("the recording cannot be read, and says so")
    found, known = believed(case), right(TRUTHS[name])
    explained = {consequence for each in found if each.cause_class in known for consequence in each.hides}

    assert {each.cause_class for each in found} <= known | explained | BESIDE.get(name, set())
