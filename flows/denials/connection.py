"""A judged connection: one that was seen or that the question names, replayed through the policies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flows.model import Case
from flows.policy import Judgement, Traffic
from sensors.hubble.outcomes import Connection, Drop

POLICY_DENIED, POLICY_DENY, AUTH_REQUIRED = 133, 181, 189

POLICY_DROPS = frozenset({POLICY_DENIED, POLICY_DENY, AUTH_REQUIRED})

DNS_PORT = 53

YOUNG = timedelta(seconds=30)

START = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class JudgedConnection:
    """One connection, judged.

    `seen` is what Hubble saw of it, None where nobody saw it and only the question names it. `asked`: it is what the
    complaint is about (or the look-up it needs). `lookup`: it goes to the pod's DNS resolver. `drop` is the policy drop
    that still stands; None where nothing was dropped, or where it went through afterwards.
    """

    judgement: Judgement
    seen: Connection | None = None
    asked: bool = False
    lookup: bool = False
    drop: Drop | None = None

    @property
    def traffic(self) -> Traffic:
        return self.judgement.traffic

    @property
    def works(self) -> bool:
        """Hubble saw it open, and no policy has dropped it since."""
        return self.seen is not None and self.seen.opened > 0 and self.drop is None

    @property
    def packets(self) -> int:
        """Dropped packets the datapath reported, at least one for what is only computed."""
        return sum(each.packets for each in policy_drops(self.seen)) if self.seen is not None else 1


def policy_drops(connection: Connection | None) -> tuple[Drop, ...]:
    """The drops of a connection by which a policy refused a question, not an answer."""
    drops = connection.drops if connection is not None else ()
    return tuple(each for each in drops if each.number in POLICY_DROPS and not each.of_reply)


def standing_drop(connection: Connection) -> Drop | None:
    """The policy drop that still stands: not every policy that dropped was seen to let through since."""
    drops = policy_drops(connection)
    if not drops or connection.only_at_start or (connection.opened and connection.passes_again):
        return None
    return drops[0]


def is_from_target(case: Case, traffic: Traffic) -> bool:
    return (traffic.source.namespace, traffic.source.pod) == (case.target.namespace, case.target.pod)
