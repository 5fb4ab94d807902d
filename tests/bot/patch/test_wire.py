"""Whom a request acts as is said in headers that nobody can write into."""

from __future__ import annotations

import pytest

from bot.patch import Approver, BadOrder
from bot.patch.wire import impersonation


def test_a_person_their_groups_and_their_extras_become_headers_and_the_proposal_is_added() -> None:
    who = Approver(
        "alice@example.com", ("ops", "Net & DNS"), {"example.org/Team": ("a", "b"), "kai.dev/proposal": ("forged",)}
    )

    assert impersonation(who, "p-1") == (
        ("Impersonate-User", "alice@example.com"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Group", "Net & DNS"),
        ("Impersonate-Extra-example.org%2Fteam", "a"),
        ("Impersonate-Extra-example.org%2Fteam", "b"),
        ("Impersonate-Extra-kai.dev%2Fproposal", "p-1"),
    )
    assert impersonation(Approver("bob")) == (("Impersonate-User", "bob"),)


@pytest.mark.parametrize("bad", ["a\nImpersonate-Group: system:masters", "a\x00", " a", "", "\u2028"])
def test_no_value_and_no_key_can_be_more_than_one_header(bad: str) -> None:
    for make in (
        lambda: Approver("alice", (), {bad: ("x",)}),
        lambda: Approver("alice", (), {"x": (bad,)}),
        lambda: Approver("alice", (bad,)),
        lambda: Approver(bad),
    ):
        with pytest.raises(BadOrder):
            make()
