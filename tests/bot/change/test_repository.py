"""What GitOps keeps is mended in the repository: the difference is of what a repository holds, and whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.change.repository import difference, for_repository, is_for_repository
from bot.report.blocks import Said
from bot.slack.limits import problems
from bot.slack.repository_blocks import said
from flows.fixes.change import created, fix_of, patched
from flows.fixes.jsonpatch import apply
from flows.model import JsonPatchFix, Proof

TRACKED = "argocd.argoproj.io/tracking-id"
POLICY: dict[str, Any] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {
        "name": "strict",
        "namespace": "shop",
        "uid": "u1",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-11-01T00:00:00Z",
        "managedFields": [{"manager": "argocd"}],
        "annotations": {
            TRACKED: "checkout:networking.k8s.io/NetworkPolicy:shop/strict",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
        },
    },
    "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]},
}
OPEN = {"op": "add", "path": "/spec/egress/-", "value": {"ports": [{"port": 6443, "protocol": "TCP"}]}}
PROOF = Proof(847, 847, 847, 0)


def owned(thing: dict[str, Any] | None = None, **changes: Any) -> JsonPatchFix:
    fix = replace(fix_of(patched(thing or POLICY, [OPEN]), "Let it reach the API server"), proof=PROOF)
    assert isinstance(fix, JsonPatchFix)
    return replace(fix, **changes)


def code(it: Said) -> str:
    blocks = [block for block in it.blocks if block["type"] == "rich_text"]
    return "".join(one["text"] for block in blocks for element in block["elements"] for one in element["elements"])


def test_the_difference_is_what_diff_would_say_of_the_file_in_the_repository():
    assert difference(POLICY, apply(POLICY, [OPEN])) == (
        "--- a/shop-networkpolicy-strict.yaml\n"
        "+++ b/shop-networkpolicy-strict.yaml\n"
        "@@ -13,3 +13,6 @@\n"
        "   - ports:\n"
        "     - port: 53\n"
        "       protocol: UDP\n"
        "+  - ports:\n"
        "+    - port: 6443\n"
        "+      protocol: TCP"
    )


def test_what_only_the_api_server_writes_is_no_part_of_it():
    whole = difference(POLICY, apply(POLICY, [OPEN]), context=99)

    for word in ("uid", "resourceVersion", "generation", "managedFields", "last-applied", "creationTimestamp"):
        assert word not in whole
    assert TRACKED in whole


def test_a_new_object_is_all_new():
    lines = difference(None, POLICY).splitlines()

    assert lines[0] == "--- /dev/null"
    assert all(line.startswith("+") for line in lines[3:])


def test_only_a_proved_fix_of_what_somebody_keeps_is_for_a_repository():
    theirs, nobodys = owned(), {**POLICY, "metadata": {**POLICY["metadata"], "annotations": {}}}

    assert is_for_repository(theirs)
    assert not is_for_repository(owned(nobodys))
    assert not is_for_repository(replace(theirs, refused="it opens everything"))
    assert not is_for_repository(replace(theirs, proof=replace(PROOF, allowed_after=3)))
    assert not is_for_repository(fix_of(created(POLICY), "a new one"))


def test_the_message_warns_that_a_patch_would_be_reverted_and_has_no_button():
    it = said(for_repository(owned(), [(POLICY, apply(POLICY, [OPEN]))]), "inv1")

    assert it.text == (
        "⚠ Argo CD checkout keeps NetworkPolicy shop/strict. It would revert a patch made here, so KAI asks for no "
        "approval."
    )
    assert "+    - port: 6443" in code(it)
    assert "847 of 847 denied connections" in str(it.blocks)
    assert not any(block["type"] == "actions" for block in it.blocks)
    assert not list(problems(it))


def test_a_difference_that_cannot_be_shown_whole_is_not_shown_in_part():
    many = {**OPEN, "value": {"ports": [{"port": port, "protocol": "TCP"} for port in range(200)]}}
    hidden = {**OPEN, "value": {"to": [{"podSelector": {"matchLabels": {"app": "we\u202eb"}}}]}}
    for operation in (many, hidden):
        it = said(for_repository(owned(), [(POLICY, apply(POLICY, [operation]))]), "inv1")

        assert code(it) == ""
        assert "`kai history inv1` says it in a terminal" in str(it.blocks)


def test_hostile_names_do_nothing_in_the_message():
    hostile = {**POLICY, "metadata": {**POLICY["metadata"], "annotations": {TRACKED: "<!channel>*x*:a"}}}
    it = said(for_repository(owned(hostile), [(hostile, apply(hostile, [OPEN]))]), "inv1")

    assert "<!channel>" not in it.text
    assert not list(problems(it))
