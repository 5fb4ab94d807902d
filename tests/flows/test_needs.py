"""What a rule says it needs, and what its judge asks for, agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.catalog import rules
from flows.model import Case, Missing
from tests.kit.cases import case_of, names, without

RULES = sorted(rules())


def types_of(case: Case) -> list[type]:
    return [type(each.facts) for each in case.evidence.values() if each.facts is not None]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_cannot_tell_without_any_one_of_its_needs(name):
    rule, case = rules()[name], case_of("frontend-to-backend")

    assert rule.needs
    for need in rule.needs_of(case):
        left = {key: each for key, each in case.evidence.items() if not isinstance(each.facts, need)}
        unasked = {key: each for key, each in left.items() if each.sensor not in rule.moot_if_absent}
        with pytest.raises(Missing) as missing:
            rule.of(replace(case, evidence=unasked, derived={}))
        assert missing.value.wanted is need


@pytest.mark.parametrize("recorded", names())
def test_nothing_but_its_needs_keeps_a_rule_from_telling(recorded):
    """Taken away one by one, and all at once: what is not among the needs only refines."""
    case = case_of(recorded)
    kinds = types_of(case)
    for rule in rules().values():
        needs = rule.needs_of(case)
        others = [each for each in kinds if each not in needs]
        if all(each in kinds for each in needs):
            for lacking in (*((each,) for each in others), others):
                rule.of(without(case, *lacking))
