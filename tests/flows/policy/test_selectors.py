"""Label selectors."""

from __future__ import annotations

import pytest

from flows.policy.model import MissKind
from flows.policy.reading import NotUnderstood
from flows.policy.selectors import parse_selector, spelling_distance


def expression(operator: str, *values: str) -> dict[str, object]:
    return {"matchExpressions": [{"key": "tier", "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({}, {}, True),
        (None, {"a": "b"}, True),
        ({"matchLabels": {"tier": "web"}}, {"tier": "web"}, True),
        ({"matchLabels": {"tier": "web"}}, {}, False),
        (expression("In", "web", "api"), {"tier": "api"}, True),
        (expression("In", "web"), {}, False),
        (expression("NotIn", "web"), {}, True),
        (expression("NotIn", "web"), {"tier": "web"}, False),
        (expression("Exists"), {"tier": ""}, True),
        (expression("DoesNotExist"), {"tier": ""}, False),
    ],
)
def test_a_selector_matches_as_the_api_says(selector: object, labels: dict[str, str], matches: bool) -> None:
    assert parse_selector(selector, "/s").matches(labels) is matches


@pytest.mark.parametrize(
    ("selector", "place"),
    [
        ("text", "/s: expected an object, found text"),
        ({"matchLabel": {}}, "/s/matchLabel: this field is not known here"),
        ({"matchLabels": {"a": 1}}, "/s/matchLabels/a: expected text, found a number"),
        (expression("Inn", "x"), "/s/matchExpressions/0/operator: the operator 'Inn' is not known"),
        (expression("In"), "/s/matchExpressions/0/values: In needs at least one value"),
        ({"matchExpressions": [{"operator": "Exists"}]}, "/s/matchExpressions/0/key: the key is missing"),
    ],
)
def test_what_is_not_understood_is_said_with_its_place(selector: object, place: str) -> None:
    with pytest.raises(NotUnderstood) as fault:
        parse_selector(selector, "/s")

    assert str(fault.value) == place


def test_a_miss_points_at_the_word_to_change() -> None:
    selector = parse_selector({"matchLabels": {"app.kubernetes.io/name": "laedger"}}, "/s")

    (miss,) = selector.misses({"app.kubernetes.io/name": "ledger"}, MissKind.LABEL, "pod x/y")

    assert miss.path == "/s/matchLabels/app.kubernetes.io~1name"
    assert (miss.expected, miss.got, miss.near) == (("laedger",), "ledger", 1)


def test_a_misspelt_key_is_near_when_its_value_would_do() -> None:
    selector = parse_selector({"matchLabels": {"ap": "web"}}, "/s")

    (miss,) = selector.misses({"app": "web", "tier": "front"}, MissKind.LABEL, "pod x/y")

    assert (miss.got, miss.near) == ("", 1)


@pytest.mark.parametrize(
    ("left", "right", "distance"),
    [
        ("web", "web", 0),
        ("web", "wbe", 1),
        ("web", "wed", 1),
        ("web", "webs", 1),
        ("ledger", "legder", 1),
        ("a", "xyz", 3),
        ("a", "payment", 4),
    ],
)
def test_spelling_counts_letters(left: str, right: str, distance: int) -> None:
    assert spelling_distance(left, right) == spelling_distance(right, left) == distance
