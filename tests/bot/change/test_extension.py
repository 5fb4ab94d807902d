"""The end of an added object: what its annotation says, and a patch that changes that and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.approval.proposal import ProposalLocation, Purpose, Tuple5
from bot.change.extension import end_of, extension_of, moment_of, unreadable_end
from bot.change.marks import EXPIRES
from flows.fixes.jsonpatch import apply
from tests.bot.approval.making import NOW, part, proposal

END = datetime(2026, 12, 29, tzinfo=UTC)


def thing(said: str | None) -> dict[str, Any]:
    notes = {"team": "shop", **({EXPIRES: said} if said is not None else {})}
    meta = {"namespace": "shop", "name": "kai-allow-1", "uid": "u1", "resourceVersion": "7", "annotations": notes}
    return {"kind": "NetworkPolicy", "metadata": meta, "spec": {"egress": []}}


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("2026-12-28", END),
        ("2026-12-28T10:00:00Z", datetime(2026, 12, 28, 10, tzinfo=UTC)),
        ("2026-12-28T10:00:00", datetime(2026, 12, 28, 10, tzinfo=UTC)),
        ("soon", None),
        ("9999-12-31", datetime(9999, 12, 31, tzinfo=UTC)),
        (None, None),
    ],
)
def test_a_date_lasts_to_the_end_of_its_day_and_what_says_no_time_has_none(said: str | None, end: datetime | None):
    assert moment_of(said) == end


def test_only_an_object_without_an_end_is_permanent():
    assert end_of([thing("2026-12-28"), thing("2026-12-20")]) == END
    assert end_of([thing("2026-12-28"), thing(None)]) is None
    assert end_of([thing("soon")], unreadable=END) == END
    assert end_of([thing("2027-01-01"), thing("soon")], unreadable=END) == datetime(2027, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("said", ["soon", "", "2026-13-01", "never"])
def test_an_end_that_says_no_time_cannot_stand(said: str):
    assert unreadable_end(thing(said), NOW) == f"kai.dev/expires should be a date such as 2026-12-28, not {said!r}"


def test_an_end_that_has_passed_cannot_stand_and_a_later_one_or_none_can():
    assert unreadable_end(thing("2026-11-27"), NOW) == "kai.dev/expires has passed: 2026-11-27"
    assert unreadable_end(thing("2026-11-28"), NOW) == ""
    assert unreadable_end(thing(None), NOW) == ""


@pytest.mark.parametrize("said", ["2027-01-28", None])
def test_an_extension_changes_the_annotation_and_nothing_else(said: str | None):
    before = thing("2026-12-28")
    it = extension_of(
        proposal(), [before], said, "U1ALICE", ProposalLocation("T1", "C1", "1.0", "5.0"), NOW, timedelta(minutes=30)
    )

    assert apply(before, it.parts[0].body) == thing(said)
    assert apply(thing(said), it.parts[0].inverse) == before
    assert (it.purpose, it.parent, it.asked_by) == (Purpose.EXTENSION, proposal().id, ("U1ALICE",))
    assert it.parts[0].body[0] == {
        "op": "test",
        "path": "/metadata/annotations/kai.dev~1expires",
        "value": "2026-12-28",
    }


def test_an_extension_rests_on_no_flow_and_no_approval_of_the_change():
    parent = proposal(part(), written=(("u1", "f"),), denied=(Tuple5("a", "b", "TCP", 1),), shown="verified")
    it = extension_of(parent, [thing("2026-12-28")], None, "U1ALICE", ProposalLocation(), NOW, timedelta(minutes=30))

    assert (it.proved.flows, it.written, it.denied, it.shown) == ((), (), (), "")
    assert it.sha256 != parent.sha256
