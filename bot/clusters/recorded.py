"""Describes the recording that a diagnosis was made from."""

from __future__ import annotations

from flows.model import RecordedCase
from sensors.access.casefolder import CaseFolder


def recording_of(case: CaseFolder) -> RecordedCase:
    """By the folder's name and the header of the case."""
    return RecordedCase(case.path.resolve().name, case.header.recorded_at, case.header.synthetic)
