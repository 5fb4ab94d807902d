"""The chain of the audit, without a database: what was changed, lost or moved is found."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.approval.trail import Head, TrailEntry, TrailEvent, TrailNote, faults, line, link
from tests.bot.approval.making import NOW

EVENTS = (
    TrailEvent.PROPOSED,
    TrailEvent.REFUSED,
    TrailEvent.APPROVED,
    TrailEvent.WRITING,
    TrailEvent.WRITTEN,
    TrailEvent.VERIFIED,
)


def chain() -> tuple[list[TrailEntry], Head]:
    links: list[TrailEntry] = []
    head = Head()
    for number, event in enumerate(EVENTS):
        links.append(link(head, TrailNote(event, "U1ALICE", {"n": number}), "p1", NOW + timedelta(seconds=number)))
        head = Head(links[-1].seq, links[-1].hash)
    return links, head


def test_a_trail_as_it_was_written_has_no_fault():
    links, head = chain()

    assert faults(links, head) == []
    assert faults([], Head()) == []


@pytest.mark.parametrize("place", range(len(EVENTS)))
def test_every_flipped_byte_of_an_entry_is_found(place):
    links, head = chain()
    whole = links[place].entry

    for at in range(len(whole)):
        flipped = whole[:at] + chr(ord(whole[at]) ^ 1) + whole[at + 1 :]
        assert faults([*links[:place], replace(links[place], entry=flipped), *links[place + 1 :]], head) != []


@pytest.mark.parametrize("place", range(len(EVENTS)))
def test_every_removed_row_is_found(place):
    links, head = chain()

    assert faults([*links[:place], *links[place + 1 :]], head) != []


@pytest.mark.parametrize("place", range(len(EVENTS) - 1))
def test_every_swapped_pair_is_found(place):
    links, head = chain()
    swapped = [*links]
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    renumbered = [replace(each, seq=number) for number, each in enumerate(swapped, start=1)]

    assert faults(swapped, head) != []
    assert faults(renumbered, head) != []


def test_a_chain_that_was_written_anew_from_some_entry_on_does_not_end_at_the_head():
    links, head = chain()
    changed = link(Head(links[3].seq, links[3].hash), TrailNote(TrailEvent.REJECTED, "U1ALICE"), "p1", NOW)

    assert faults([*links[:4], changed], head) != []
    assert faults([*links[:4], changed], Head(5, changed.hash)) == []  # why the head is to be noted elsewhere


def test_a_line_is_json_with_its_hash():
    links, _ = chain()

    said = json.loads(line(links[1]))

    assert said["event"] == "refused"
    assert said["hash"] == links[1].hash
    assert "\n" not in line(links[1])
