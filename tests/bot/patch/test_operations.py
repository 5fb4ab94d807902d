"""What goes out to the API server is guarded and marked, and what comes back is told without noise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.patch import Applied, BadOrder, Creation, Deletion, Edit, ObjectName, undo
from bot.patch.operations import applied_to, carries_mark, differences, digest, guarded_patch, marked_manifest
from flows.fixes.jsonpatch import apply
from sensors.kit.kinds import NETWORK_POLICY

HERE = ObjectName(NETWORK_POLICY, "strict", "shop")
GUARDS = [
    {"op": "test", "path": "/metadata/uid", "value": "u1"},
    {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
]


def policy(**metadata: Any) -> dict[str, Any]:
    meta = {"name": "strict", "namespace": "shop", "uid": "u1", "resourceVersion": "7", **metadata}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": {"egress": []}}


def edit(*operations: dict[str, Any]) -> Edit:
    return Edit(HERE, operations, "u1", "7")


OPEN = {"op": "add", "path": "/spec/egress/-", "value": {"ports": [{"port": 53}]}}


def test_uid_and_revision_are_tested_first_even_where_the_patch_brings_tests_of_its_own() -> None:
    own = {"op": "test", "path": "/spec/egress", "value": []}

    sent = guarded_patch(edit(own, OPEN), "p1", policy(annotations={"a": "b"}))

    assert sent[:2] == GUARDS
    assert sent[2:4] == [own, OPEN]
    assert sent[4:] == [{"op": "add", "path": "/metadata/annotations/kai.dev~1proposal", "value": "p1"}]


@pytest.mark.parametrize("annotations", [None, {}, {"a": "b"}, {"kai.dev/proposal": "older"}])
def test_the_mark_arrives_whatever_annotations_there_are_and_leaves_the_others(annotations: Any) -> None:
    stored = policy() if annotations is None else policy(annotations=annotations)

    after = apply(stored, guarded_patch(edit(OPEN), "p1", stored))

    assert carries_mark(after, "p1")
    assert after["metadata"]["annotations"] == {**(annotations or {}), "kai.dev/proposal": "p1"}


def test_the_mark_arrives_where_the_patch_itself_takes_the_annotations_away() -> None:
    stored = policy(annotations={"a": "b"})

    after = apply(stored, guarded_patch(edit({"op": "remove", "path": "/metadata/annotations"}), "p1", stored))

    assert after["metadata"]["annotations"] == {"kai.dev/proposal": "p1"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/metadata/name", "value": "other"},
        {"op": "replace", "path": "/metadata", "value": {}},
        {"op": "replace", "path": "", "value": {}},
        {"op": "remove", "path": "/metadata/resourceVersion"},
        {"op": "add", "path": "/metadata/ownerReferences/-", "value": {}},
        {"op": "remove", "path": "/metadata/finalizers"},
        {"op": "move", "from": "/metadata/uid", "path": "/spec/x"},
        {"op": "add", "path": "/status", "value": {}},
        {"op": "replace", "path": "/kind", "value": "Pod"},
        {"op": "merge", "path": "/spec", "value": {}},
        {"op": "add", "path": "/spec/x"},
        {"op": "remove", "path": "/spec", "value": {}},
        {"path": "/spec"},
        {},
    ],
)
def test_no_patch_touches_what_says_which_object_it_is_or_is_none_of_the_rfc(operation: dict[str, Any]) -> None:
    with pytest.raises(BadOrder):
        guarded_patch(edit(operation), "p1", policy())


def test_a_patch_that_does_not_fit_goes_out_all_the_same_and_the_server_says_so() -> None:
    sent = guarded_patch(edit({"op": "remove", "path": "/spec/ingress"}), "p1", policy())

    assert {"op": "remove", "path": "/spec/ingress"} in sent


def test_a_new_object_carries_the_mark_as_annotation_and_label_and_keeps_its_own() -> None:
    manifest = {**policy(labels={"app": "x"})}
    for each in ("uid", "resourceVersion"):
        del manifest["metadata"][each]

    made = marked_manifest(Creation(manifest), "p1")

    assert made["metadata"]["labels"] == {"app": "x", "kai.dev/proposal": "p1"}
    assert made["metadata"]["annotations"] == {"kai.dev/proposal": "p1"}
    assert "annotations" not in manifest["metadata"]


@pytest.mark.parametrize("past", ["uid", "resourceVersion", "generateName", "ownerReferences", "finalizers"])
def test_a_new_object_has_no_past(past: str) -> None:
    manifest = {**policy(), "metadata": {"name": "n", "namespace": "shop", past: "x"}}

    with pytest.raises(BadOrder, match=past):
        marked_manifest(Creation(manifest), "p1")


# -- what came of it ---------------------------------------------------------------------------------------------------


def test_a_difference_names_its_place_and_leaves_out_what_the_server_counts() -> None:
    after = policy(resourceVersion="9", generation=4, managedFields=[{}], annotations={"kai.dev/proposal": "p1"})
    after["spec"] = {"egress": [{"ports": []}], "a/b": 1}

    found = [(each.path, each.before, each.after) for each in differences(policy(), after)]

    assert found == [("/spec/a~1b", None, 1), ("/spec/egress/0", None, {"ports": []})]


def test_what_is_made_or_taken_away_differs_as_a_whole() -> None:
    (made,), (gone,) = differences(None, policy()), differences(policy(), None)

    assert (made.path, made.before, gone.after) == ("", None, None)
    assert made.after == gone.before


def test_the_same_result_has_the_same_digest_and_another_one_another() -> None:
    again, other = policy(uid="made up", resourceVersion="", creationTimestamp="now"), policy(labels={"a": "b"})

    assert digest(policy()) == digest(again) == digest(policy(annotations={"kai.dev/proposal": "p"}))
    assert len({digest(policy()), digest(other), digest(None)}) == 3


specs = st.dictionaries(st.text(max_size=4), st.booleans() | st.integers() | st.lists(st.integers()), max_size=4)


@given(specs, specs)
def test_there_is_a_difference_exactly_where_the_digests_differ(one: Any, other: Any) -> None:
    before, after = {**policy(), "spec": one}, {**policy(), "spec": other}

    assert bool(differences(before, after)) is (digest(before) != digest(after))


# -- the way back ------------------------------------------------------------------------------------------------------

DONE = Applied("u1", "8")


def test_an_edit_is_undone_by_its_inverse_on_the_state_that_it_left() -> None:
    back = {"op": "remove", "path": "/spec/egress/0"}

    assert undo(edit(OPEN), DONE, [back]) == Edit(HERE, (back,), "u1", "8")
    with pytest.raises(BadOrder):
        undo(edit(OPEN), DONE)


def test_a_new_object_is_undone_by_deleting_that_one_and_a_deletion_by_making_it_again() -> None:
    manifest = {**policy(), "metadata": {"name": "strict", "namespace": "shop"}}
    before = policy(ownerReferences=[{}], labels={"a": "b"}) | {"status": {"x": 1}}

    assert undo(Creation(manifest), DONE) == Deletion(HERE, "u1", "8")
    again = undo(Deletion(HERE, "u1", "8"), Applied("u1", ""), before=before)
    assert isinstance(again, Creation)
    assert again.manifest == {**manifest, "metadata": {**manifest["metadata"], "labels": {"a": "b"}}}
    with pytest.raises(BadOrder):
        undo(Deletion(HERE, "u1", "8"), DONE)


def test_what_does_not_fit_leaves_the_object_as_it_was() -> None:
    assert applied_to(policy(), [{"op": "remove", "path": "/spec/none"}]) == policy()
