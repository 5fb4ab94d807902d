"""Lines to copy must do what they say and nothing else, whatever a name or a label holds."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
import yaml

from flows.fixes.change import (
    REMOVE_OBJECT,
    applied,
    apply_line,
    created,
    delete_line,
    fix_of,
    manifest_text,
    patch_line,
    patched,
    undone,
)
from flows.model import Component

HOSTILE = "x'; rm -rf / #"


def policy(**meta: Any) -> dict[str, Any]:
    return {
        "kind": "NetworkPolicy",
        "metadata": {"name": "strict", "namespace": "shop", **meta},
        "spec": {"podSelector": {}, "egress": []},
    }


def test_a_patch_line_is_one_shell_word_for_each_argument() -> None:
    operations = [{"op": "add", "path": "/spec/egress/-", "value": {"name": HOSTILE}}]

    words = shlex.split(patch_line(Component("NetworkPolicy", HOSTILE, HOSTILE), operations))

    assert words[:6] == ["kubectl", "-n", HOSTILE, "patch", "networkpolicy", HOSTILE]
    assert json.loads(words[-1].removeprefix("-p=")) == operations


def test_a_manifest_cannot_end_its_own_heredoc() -> None:
    manifest = policy(annotations={"note": "one\nEOF\nrm -rf /\n"})

    first, *body, last = apply_line(manifest).split("\n")

    assert (first, last) == ("kubectl apply -f - <<'EOF'", "EOF")
    assert "EOF" not in body
    assert yaml.safe_load("\n".join(body)) == manifest


TAKEN_FOR_MORE = ("12e5", "08", "1.2e3", "+7E1", "5.e1", "0o17", "0X1F", "0B101", "0_8", "1_0e5", "1_000", "0x1f")


@pytest.mark.parametrize("word", [*TAKEN_FOR_MORE, "y", "N", "on", "~"])
def test_a_word_that_kubectl_would_take_for_a_number_is_quoted(word: str) -> None:
    assert manifest_text({"commit": word, word: "it"}) == f"commit: '{word}'\n'{word}': it\n"


@pytest.mark.parametrize(
    "word", ["web", "10.0.0.1/32", "1.2.3.4", "7c9d8f6b5", "e5", "yes-please", "80-tcp", "v1", "a_1"]
)
def test_a_word_that_nobody_takes_for_a_number_stands_bare(word: str) -> None:
    assert manifest_text({"commit": word}) == f"commit: {word}\n"


def test_a_cluster_wide_object_has_no_namespace_flag() -> None:
    assert delete_line(Component("CiliumClusterwideNetworkPolicy", "", "all")) == (
        "kubectl delete ciliumclusterwidenetworkpolicy all"
    )


def test_a_patch_tests_the_generation_that_was_read() -> None:
    change = patched(policy(generation=3), [{"op": "add", "path": "/spec/egress/-", "value": {}}])

    assert change.patch[0] == {"op": "test", "path": "/metadata/generation", "value": 3}


def test_what_has_no_generation_is_known_by_its_resource_version() -> None:
    change = patched(policy(resourceVersion="7"), [{"op": "add", "path": "/spec/egress/-", "value": {}}])

    assert change.patch[0] == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}


def test_a_new_object_goes_again() -> None:
    fix = fix_of(created(policy()), "Add it")

    assert (fix.kind, fix.patch, fix.inverse) == ("manifest", (policy(),), REMOVE_OBJECT)
    assert applied((), fix) == (policy(),)
    assert undone(applied((), fix), fix) == ()
    assert fix.undo == "kubectl -n shop delete networkpolicy strict"


def test_the_owner_of_an_edited_object_is_named() -> None:
    flux = policy(labels={"kustomize.toolkit.fluxcd.io/name": "apps"})

    change = patched(flux, [{"op": "add", "path": "/spec/egress/-", "value": {}}])

    assert fix_of(change, "Edit it").owner == "Flux apps"
    assert created(flux).owner is None
