"""The small parts of the lab: its time, its moved moments, its questions in protobuf, its command line."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from lab.cluster.__main__ import main
from lab.cluster.agenda import Agenda
from lab.cluster.protobuf import review
from lab.cluster.shift import Shift

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_appointments_come_in_order_and_each_at_its_own_time():
    agenda, kept = Agenda(NOON), []

    agenda.after(2, lambda: kept.append(("second", agenda.now.second)))
    agenda.after(1, lambda: agenda.after(2, lambda: kept.append(("made on the way", agenda.now.second))))
    agenda.advance(5)

    assert kept == [("second", 2), ("made on the way", 3)]
    assert agenda.now.second == 5


def test_time_never_goes_back():
    agenda = Agenda(NOON)

    agenda.run_until(NOON.replace(hour=11))

    assert agenda.now == NOON


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("2026-11-23T21:08:34Z", "2026-11-23T22:08:34Z"),
        ("2026-11-23T21:08:34.123456789Z x", "2026-11-23T22:08:34.123456789Z x"),
        ("2026-11-23T21:08:34,000001+00:00 kernel: y", "2026-11-23T22:08:34,000001+00:00 kernel: y"),
        ("2026-13-23T21:08:34Z", "2026-13-23T21:08:34Z"),
        ("cilium 1.20.0, 2026-11-23", "cilium 1.20.0, 2026-11-23"),
    ],
)
def test_a_moment_moves_and_keeps_its_form(text, moved):
    assert Shift(3600).text(text) == moved


def test_what_somebody_wished_for_is_not_moved():
    thing = {"metadata": {"creationTimestamp": "2026-11-23T21:00:00Z"}, "spec": {"at": "2026-11-23T21:00:00Z"}}

    assert Shift(60).thing(thing) == {
        "metadata": {"creationTimestamp": "2026-11-23T21:01:00Z"},
        "spec": {"at": "2026-11-23T21:00:00Z"},
    }


def test_a_question_about_rights_is_read_from_protobuf():
    """The bytes of `kubectl auth can-i patch networkpolicies -n pay` (client 1.32), metadata left out."""
    wish = b"\x0a\x03pay\x12\x05patch\x1a\x11networking.k8s.io\x2a\x0fnetworkpolicies"
    spec = b"\x0a" + bytes([len(wish)]) + wish
    raw = b"\x12" + bytes([len(spec)]) + spec

    asked = review(b"k8s\x00\x12" + bytes([len(raw)]) + raw)

    wanted = {"namespace": "pay", "verb": "patch", "group": "networking.k8s.io", "resource": "networkpolicies"}
    assert asked == {"spec": {"resourceAttributes": wanted}}


@pytest.mark.parametrize("garbage", [b"", b"k8s\x00\x12\x7f", b"k8s\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"])
def test_garbage_is_no_question(garbage):
    with pytest.raises(ValueError, match=r"no protobuf|breaks off"):
        review(garbage)


def test_a_folder_that_is_no_case_is_said_in_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["lab.cluster", str(tmp_path / "nowhere")])

    code = main()

    assert code == 2
    assert capsys.readouterr().err == f"python -m lab.cluster: {tmp_path}/nowhere: no such folder\n"
