"""Reading without trust."""

from __future__ import annotations

import pytest

from flows.policy.reading import NotUnderstood, items, loose_items, loose_labels, mapping, only, pointer, texts


def test_null_counts_as_absent_as_the_api_server_reads_it() -> None:
    assert (mapping(None, "/a"), items(None, "/a"), texts(None, "/a")) == ({}, [], ())


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (mapping, [], "/a: expected an object, found a list"),
        (items, {}, "/a: expected a list, found an object"),
        (items, "text", "/a: expected a list, found text"),
        (texts, ["x", 1.5], "/a/1: expected text, found a number"),
    ],
)
def test_a_wrong_type_is_said_with_its_place(read: object, value: object, said: str) -> None:
    with pytest.raises(NotUnderstood) as fault:
        read(value, "/a")  # type: ignore[operator]

    assert str(fault.value) == said


def test_an_unknown_key_is_refused_with_a_proper_pointer() -> None:
    with pytest.raises(NotUnderstood) as fault:
        only({"a/b~c": 1}, ("x",), "/p")

    assert str(fault.value) == "/p/a~1b~0c: this field is not known here"
    assert pointer("plain") == "plain"


def test_objects_that_are_no_policies_are_read_loosely() -> None:
    assert loose_items("nonsense") == []
    assert loose_items([{}, 1, None, {"a": 1}]) == [{}, {"a": 1}]
    assert loose_labels({"a": "b", "c": 1, 2: "d"}) == {"a": "b"}
