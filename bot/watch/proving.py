"""The proof of the way back: the dropped packets, replayed through the policies as they were before the change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from bot.watch.changes import PolicyChange
from bot.watch.drops import Cut
from flows.fixes.proof import MAX_NEWLY_ALLOWED, denied_ones
from flows.model import Case, Missing, Proof
from flows.runner import ThreadRunner, WorkLost, WorkRunner
from flows.simulate import look, simulate
from sensors.kit import Absent, Blind, Cluster, Sensor

log = logging.getLogger(__name__)

PROOF_TIMEOUT_S = 30.0
MAX_PROVED_CUTS = 5
"""Ways of one change that are replayed; the others are said without a proof of their own."""

OpenCluster = Callable[[], AbstractAsyncContextManager[Cluster]]


@dataclass(frozen=True, slots=True)
class ProvedCut:
    """A way that the change has cut: of `replayed` packets, `allowed` would pass if it were taken back.

    `computed`: Hubble has forgotten the packets, so only the policies say it.
    """

    cut: Cut
    replayed: int
    allowed: int
    computed: bool = False


@dataclass(frozen=True, slots=True)
class WayBack:
    """The ways that taking the change back opens again, and those that were not replayed.

    `refused`: why nobody should take it back without a second look, empty where nothing speaks against it.
    """

    proved: tuple[ProvedCut, ...]
    others: tuple[Cut, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Effect of taking a change back, on one pod's dropped packets; `refused`: why nobody should."""

    proof: Proof
    refused: str | None
    computed: bool = False


class Prover:
    """Looks at a pod of each cut way as an investigation would, and tries the way back on what was really dropped."""

    def __init__(
        self, open_cluster: OpenCluster, sensors: Mapping[str, Sensor], runner: WorkRunner | None = None
    ) -> None:
        self._open, self._sensors, self._runner = open_cluster, sensors, runner or ThreadRunner()

    async def way_back(self, change: PolicyChange, cuts: Sequence[Cut]) -> WayBack | None:
        """None where it opens none of them: then something else drops these packets."""
        tried = _one_of_each(each for each in cuts if each.sample is not None)[:MAX_PROVED_CUTS]
        said = await asyncio.gather(*(self._try(change, each) for each in tried))
        pairs = [(cut, it) for cut, it in zip(tried, said, strict=True) if it is not None]
        found = [(cut, it) for cut, it in pairs if _opens(it.proof)]
        if not found:
            return None
        proved = tuple(ProvedCut(cut, it.proof.replayed, it.proof.allowed_after, it.computed) for cut, it in found)
        refused = next((it.refused for _, it in found if it.refused), "")
        return WayBack(proved, tuple(each for each in cuts if each not in tried), refused or "")

    async def _try(self, change: PolicyChange, cut: Cut) -> TakenBack | None:
        try:
            async with asyncio.timeout(PROOF_TIMEOUT_S), self._open() as cluster:
                assert cut.sample is not None  # noqa: S101 - chosen by `way_back`
                case = await look(cut.sample, cluster, self._sensors)
            return await self._runner(taken_back, case, change)
        except (Blind, Absent, Missing, TimeoutError, WorkLost) as why:
            log.info("whether %s has cut %s cannot be proved: %s", change.policy, cut.way, why)
            return None


def _opens(proof: Proof) -> bool:
    """Does it let a packet pass that is refused now? What passes already has been healed by something else."""
    return proof.allowed_after > proof.replayed - proof.denied_before


def _one_of_each(cuts: Iterable[Cut]) -> list[Cut]:
    """Each workload once, before any comes a second time."""
    first: dict[str, Cut] = {}
    later = [each for each in cuts if first.setdefault(each.way.cut_off, each) is not each]
    return [*first.values(), *later]


def taken_back(case: Case, change: PolicyChange) -> TakenBack:
    """Simulates the policies as they are now, but for this one, which is as it was."""
    restored, removed = change.back
    said = simulate(case, restored, MAX_NEWLY_ALLOWED, removed=removed)
    return TakenBack(said.trial.proof, said.refused, all(each.drop is None for each in denied_ones(case)))
