"""The scale of belief: one place, read by every rule."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from flows import belief

FLOWS = Path(belief.__file__).parent
JUDGES = sorted(path for folder in ("rules", "symptoms", "denials") for path in (FLOWS / folder).glob("*.py"))
JUDGES += [FLOWS / "verdict.py", FLOWS / "ledger.py"]
LEVELS = [
    name
    for line in (
        "PROVED CONFIRMED SHOWN ATTESTED NAMED EVIDENT PROBABLE LIKELY PLAUSIBLE CONSISTENT INFERRED PARTIAL",
        "DISPUTED ROOT_CAUSE_FROM ASIDE SUSPECTED NOTED DOUBTED REMOTE",
    )
    for name in line.split()
]


def shares(tree: ast.Module) -> list[ast.Constant]:
    """Numbers between 0 and 1, apart from the constants that are named as a share of something."""
    named = {
        id(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and all(getattr(each, "id", "").endswith("_SHARE") for each in node.targets)
    }
    numbers = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, float)]
    return [node for node in numbers if 0 < node.value < 1 and id(node) not in named]


def test_every_level_is_less_than_the_one_before_it():
    values = [getattr(belief, name) for name in LEVELS]

    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)
    assert all(0 < each < 1 for each in values)


@pytest.mark.parametrize("path", JUDGES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_rule_writes_a_belief_as_a_bare_number(path):
    found = [(node.lineno, node.value) for node in shares(ast.parse(path.read_text("utf-8")))]

    assert found == []


def test_the_check_itself_notices_a_bare_number():
    tree = ast.parse("FULL_SHARE = 0.95\nSURE = 0.9\ndef judge(case):\n    return 0.5 * FULL_SHARE\n")

    assert [node.value for node in shares(tree)] == [0.9, 0.5]


def test_what_stands_beside_the_question_never_becomes_the_root_cause():
    assert belief.PROVED * belief.CONTEXT < belief.ROOT_CAUSE_FROM
    assert belief.PROVED * belief.OWN_TROUBLE >= belief.ROOT_CAUSE_FROM
