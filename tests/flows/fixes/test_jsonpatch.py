"""Patches apply as the API server applies them, and the way back leads exactly back."""

from __future__ import annotations

import copy

import pytest

from flows.fixes.jsonpatch import CannotPatch, apply, inverse, merge

POLICY = {
    "kind": "NetworkPolicy",
    "metadata": {"name": "strict", "labels": {"app.kubernetes.io/part-of": "shop"}},
    "spec": {"egress": [{"ports": [{"port": 53}]}, {"ports": [{"port": 80}]}], "policyTypes": ["Egress"]},
}

PATCHES = {
    "append": [{"op": "add", "path": "/spec/egress/-", "value": {"ports": [{"port": 8080}]}}],
    "insert": [{"op": "add", "path": "/spec/egress/0", "value": {}}],
    "new key": [{"op": "add", "path": "/spec/ingress", "value": [{"ports": [{"port": 8080}]}]}],
    "overwrite a key": [{"op": "add", "path": "/spec/egress", "value": []}],
    "escaped key": [{"op": "add", "path": "/metadata/labels/app.kubernetes.io~1part-of", "value": "x"}],
    "replace": [
        {"op": "test", "path": "/spec/egress/1/ports/0/port", "value": 80},
        {"op": "replace", "path": "/spec/egress/1/ports/0/port", "value": 8080},
    ],
    "remove": [{"op": "remove", "path": "/spec/egress/0"}],
    "several": [
        {"op": "add", "path": "/spec/egress/-", "value": {"a": 1}},
        {"op": "add", "path": "/spec/egress/-", "value": {"b": 2}},
        {"op": "remove", "path": "/spec/egress/0"},
        {"op": "replace", "path": "/metadata/name", "value": "lax"},
    ],
}


@pytest.mark.parametrize("name", PATCHES)
def test_the_way_back_restores_the_document(name: str) -> None:
    patch = PATCHES[name]

    changed = apply(POLICY, patch)
    restored = apply(changed, inverse(POLICY, patch))

    assert changed != POLICY
    assert restored == POLICY


@pytest.mark.parametrize("name", PATCHES)
def test_the_document_given_is_never_changed(name: str) -> None:
    before = copy.deepcopy(POLICY)

    apply(POLICY, PATCHES[name])
    inverse(POLICY, PATCHES[name])

    assert before == POLICY


def test_the_way_back_refuses_when_somebody_changed_what_we_wrote() -> None:
    patch = PATCHES["append"]
    changed = apply(POLICY, patch)
    changed["spec"]["egress"][2]["ports"][0]["port"] = 9090

    with pytest.raises(CannotPatch, match="not as it was read"):
        apply(changed, inverse(POLICY, patch))


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "add", "path": "/spec/ingress/-", "value": {}}],
        [{"op": "replace", "path": "/spec/nothing", "value": 1}],
        [{"op": "remove", "path": "/spec/egress/7"}],
        [{"op": "test", "path": "/spec/egress/0", "value": 1}],
        [{"op": "add", "path": "no-slash", "value": 1}],
        [{"op": "frobnicate", "path": "/spec"}],
        [{"path": "/spec"}],
        [{"op": "replace", "path": "", "value": []}],
    ],
)
def test_a_patch_that_does_not_fit_is_refused_in_one_line(patch: list[dict[str, object]]) -> None:
    with pytest.raises(CannotPatch) as refused:
        apply(POLICY, patch)

    assert "\n" not in str(refused.value)


def test_a_merge_patch_removes_what_is_null_and_replaces_lists() -> None:
    document = {"a": {"b": 1, "c": [1, 2]}, "d": 4}

    merged = merge(document, {"a": {"b": None, "c": [3]}, "e": {"f": None, "g": 1}})

    assert merged == {"a": {"c": [3]}, "d": 4, "e": {"g": 1}}
