"""Cilium's own code decides as the simulator does, and refuses the same objects. ``make fuzz-cilium`` asks for more."""

from __future__ import annotations

import pytest

from tests.flows.policy import fuzz_cilium
from tests.flows.policy.cilium_oracle import Cilium

pytestmark = pytest.mark.cilium


def test_random_clusters_are_decided_as_cilium_decides_them() -> None:
    count = fuzz_cilium.fuzz(25)

    assert count.wrong == []
    assert count.clusters == 25
    assert count.verdicts > 30_000
    assert count.refused > 5
    assert sum(count.undecided.values()) < count.verdicts / 1000


def test_the_comparison_notices_one_wrong_answer() -> None:
    """Its own silent twin: a program that says the opposite is not agreed with."""

    class Liar(Cilium):
        def judge(self, cluster: fuzz_cilium.Json) -> fuzz_cilium.Json:
            answer = super().judge(cluster)
            return {**answer, "verdicts": answer["verdicts"].translate(str.maketrans("ab", "ba"))}

    count = fuzz_cilium.Count()
    with Liar() as liar:
        fuzz_cilium.compare(1, liar, count)

    assert count.wrong
