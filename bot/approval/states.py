"""States of a proposal, and the one table of what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class ProposalState(StrEnum):
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


NEXT: Mapping[ProposalState, frozenset[ProposalState]] = {
    ProposalState.PROPOSED: frozenset(
        {ProposalState.APPROVED, ProposalState.REJECTED, ProposalState.EXPIRED, ProposalState.SUPERSEDED}
    ),
    ProposalState.APPROVED: frozenset(
        {
            ProposalState.APPLYING,
            ProposalState.PROPOSED,
            ProposalState.EXPIRED,
            ProposalState.SUPERSEDED,
            ProposalState.REJECTED,
        }
    ),
    ProposalState.APPLYING: frozenset({ProposalState.APPLIED, ProposalState.PROPOSED, ProposalState.UNKNOWN}),
    ProposalState.UNKNOWN: frozenset({ProposalState.APPLIED, ProposalState.PROPOSED}),
    ProposalState.APPLIED: frozenset({ProposalState.VERIFIED, ProposalState.NOT_VERIFIED, ProposalState.ROLLING_BACK}),
    ProposalState.VERIFIED: frozenset({ProposalState.ROLLING_BACK}),
    ProposalState.NOT_VERIFIED: frozenset({ProposalState.VERIFIED, ProposalState.ROLLING_BACK}),
    ProposalState.ROLLING_BACK: frozenset({ProposalState.ROLLED_BACK, ProposalState.STUCK}),
    ProposalState.STUCK: frozenset({ProposalState.ROLLING_BACK}),
    ProposalState.ROLLED_BACK: frozenset(),
    ProposalState.REJECTED: frozenset(),
    ProposalState.EXPIRED: frozenset(),
    ProposalState.SUPERSEDED: frozenset(),
}
"""`applying` leads back to `proposed` only when the object was read and shows that nothing was written."""

OPEN = frozenset({ProposalState.PROPOSED})
"""States in which somebody may still approve."""

UNDER_WAY = frozenset(
    {
        ProposalState.APPROVED,
        ProposalState.APPLYING,
        ProposalState.UNKNOWN,
        ProposalState.APPLIED,
        ProposalState.ROLLING_BACK,
    }
)
"""States that the pipeline itself carries on, also after a crash."""

IN_FORCE = frozenset({ProposalState.VERIFIED, ProposalState.NOT_VERIFIED, ProposalState.STUCK})
"""States in which the change stands in the cluster and a person may undo it."""
