"""Ports of a change: one that writes, one that proves, one that looks, one that tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from bot.approval.decision import AccessReview
from bot.approval.proposal import KubeUser, ProofRecord, Proposal, ProposalPart, Tuple5
from bot.verify.verdict import Verification

Json: TypeAlias = Mapping[str, Any]


class NotWritten(Exception):
    """The API server has refused: nothing is changed. The message is its own words in one line."""


class Moved(NotWritten):
    """Not written, because the object is not as it was read (409, a failed `test`, a name that is taken)."""


class WriteUnanswered(Exception):
    """Nobody knows whether it was written: the answer did not come."""


class CannotRead(Exception):
    """The object could not be read just now. The message is one line."""


class CannotProve(Exception):
    """There is no fresh proof: no way to the cluster, or the change does not fit any more. One line."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """A write that was answered: the object after it (None: deleted).

    `audit_id`: under which the API server's own audit log has the request; empty where it did not say.
    """

    after: Json | None
    audit_id: str = ""


class Patcher(Protocol):
    """The only way to a change. Never repeats a write by itself. `cluster` is the proposal's own."""

    async def read(self, part: ProposalPart, cluster: str) -> Json | None:
        """The object past every cache, None where there is none. Raises `CannotRead`."""
        ...

    async def review(self, who: KubeUser, part: ProposalPart, proposal: str, cluster: str) -> AccessReview:
        """Answer of a SubjectAccessReview on exactly this. Raises `CannotRead`."""
        ...

    async def dry_run(self, who: KubeUser, part: ProposalPart, proposal: str, cluster: str) -> None:
        """The same request as the write, tried by the API server. Raises `NotWritten`, `WriteUnanswered`."""
        ...

    async def write(self, who: KubeUser, part: ProposalPart, proposal: str, cluster: str) -> Wrote:
        """Writes once, with the proposal's mark. Raises `NotWritten` or `WriteUnanswered`."""
        ...

    async def announce(self, who: KubeUser, part: ProposalPart, uid: str, it: Proposal, at: datetime) -> str:
        """Tell of a written part where the object is. Why it could not be told, or nothing; it never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Fresh:
    """A proof of now: the parts bound to the objects of now. `why` says why it does not hold; empty when it does.

    `denied` is all that was seen denied at that moment, so that only what is new counts against the change later.
    """

    parts: tuple[ProposalPart, ...]
    proved: ProofRecord
    why: str = ""
    denied: tuple[Tuple5, ...] = ()


ProveProposal: TypeAlias = Callable[[Proposal], Awaitable[Fresh]]
"""Reads the cluster, past every cache, and proves the proposal's own change anew. Raises `CannotProve`."""

Verify: TypeAlias = Callable[[Proposal, datetime], Awaitable[Verification]]
"""Looks until it can be said what a change has done since a moment."""

ShowProposal: TypeAlias = Callable[[Proposal], Awaitable[None]]
"""Shows the state of a proposal to people. May fail: it is called again until it did not."""


async def nobody(proposal: Proposal) -> None:
    """For those who show nothing."""
