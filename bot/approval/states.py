"""Where a proposal stands, and the one table of what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """The life of a proposal.

    `applying`: the write is about to go out or has gone out. `unknown`: it went out, and nobody could read what became
    of it. `stuck`: the way back did not succeed, and a person has to act.
    """

    PROPOSED = "proposed"
    APPROVED = "approved"
    APPLYING = "applying"
    APPLIED = "applied"
    VERIFIED = "verified"
    NOT_VERIFIED = "not_verified"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    STUCK = "stuck"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


NEXT: Mapping[State, frozenset[State]] = {
    State.PROPOSED: frozenset({State.APPROVED, State.REJECTED, State.EXPIRED, State.SUPERSEDED}),
    State.APPROVED: frozenset({State.APPLYING, State.PROPOSED, State.EXPIRED, State.SUPERSEDED, State.REJECTED}),
    State.APPLYING: frozenset({State.APPLIED, State.PROPOSED, State.UNKNOWN}),
    State.UNKNOWN: frozenset({State.APPLIED, State.PROPOSED}),
    State.APPLIED: frozenset({State.VERIFIED, State.NOT_VERIFIED, State.ROLLING_BACK}),
    State.VERIFIED: frozenset({State.ROLLING_BACK}),
    State.NOT_VERIFIED: frozenset({State.VERIFIED, State.ROLLING_BACK}),
    State.ROLLING_BACK: frozenset({State.ROLLED_BACK, State.STUCK}),
    State.STUCK: frozenset({State.ROLLING_BACK}),
    State.ROLLED_BACK: frozenset(),
    State.REJECTED: frozenset(),
    State.EXPIRED: frozenset(),
    State.SUPERSEDED: frozenset(),
}
"""`applying` leads back to `proposed` only when the object was read and shows that nothing was written."""

OPEN = frozenset({State.PROPOSED})
"""States in which somebody may still approve."""

UNDER_WAY = frozenset({State.APPROVED, State.APPLYING, State.UNKNOWN, State.APPLIED, State.ROLLING_BACK})
"""States that the pipeline itself carries on, also after a crash."""

IN_FORCE = frozenset({State.VERIFIED, State.NOT_VERIFIED, State.STUCK})
"""States in which the change stands in the cluster and a person may undo it."""
