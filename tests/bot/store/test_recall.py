from __future__ import annotations

import json

import pytest

from bot.report import Circumstances
from bot.report.json_result import result
from bot.report.outline import outline
from bot.store.recall import CannotRecall, recall
from flows.model import Diagnosis
from tests.bot.report.examples import DENIED, HEALTHY, RECORDED


@pytest.mark.parametrize(("told", "where"), [(DENIED, RECORDED), (HEALTHY, Circumstances())])
def test_a_kept_diagnosis_is_told_in_the_same_words(told: Diagnosis, where: Circumstances) -> None:
    kept = json.loads(json.dumps(result(told, where)))

    again, circumstances = recall(kept)

    assert outline(again, circumstances, verbose=True) == outline(told, where, verbose=True)


@pytest.mark.parametrize(
    "change", [{"cause_class": None, "findings": None}, {"evidence": [{}]}, {"layers": [{"layer": "ether"}]}]
)
def test_a_result_of_another_shape_is_refused_in_one_line(change: dict[str, object]) -> None:
    with pytest.raises(CannotRecall, match=r"^another version of KAI wrote this result [^\n]+$"):
        recall({**result(DENIED, RECORDED), **change})
