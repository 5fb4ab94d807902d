"""Recorded incidents as they would have been seen a moment earlier, or by nodes whose clocks do not agree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from flows.model import Case
from sensors.access.casefolder import CaseFolder, open_case
from sensors.hubble.lines import FlowQuestion, FlowReading, HubbleFlow, HubbleMessage
from sensors.kit.model import Sight
from sensors.kit.observe import observe
from tests.flows.variants.running import FLOW, look, sensors

HUBBLE = "hubble.capture_flows"
Change = Callable[[HubbleFlow], HubbleFlow | None]


@dataclass
class Moved:
    """A recording whose hubble flows are told differently; everything else is the recording's own word."""

    recorded: CaseFolder
    change: Change = lambda flow: flow
    until: datetime | None = None
    _read: list[HubbleMessage] | None = field(default=None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.recorded, name)

    async def hubble_flows(self, question: FlowQuestion) -> AsyncIterator[Sequence[HubbleMessage]]:
        if self._read is None:
            self._read = [each async for batch in self.recorded.hubble_flows(question) for each in batch]
        told = (self.change(each) if isinstance(each, HubbleFlow) else self._end(each) for each in self._read)
        yield [each for each in told if each is not None]

    def _end(self, message: HubbleMessage) -> HubbleMessage:
        """The reader's own word on how far each node's flows reach ends where they were cut."""
        if self.until is None or not isinstance(message, FlowReading):
            return message
        kept = tuple(
            msgspec.structs.replace(each, last=min(each.last, self.until))
            for each in message.horizons
            if each.first <= self.until
        )
        return msgspec.structs.replace(message, horizons=kept)


@dataclass
class Incident:
    """One recording, looked at once; its flows can then be told in many ways."""

    folder: Path
    case: Case
    cluster: Moved
    moments: tuple[datetime, ...] = ()
    nodes: tuple[str, ...] = ()

    async def told_until(self, moment: datetime, ahead: Mapping[str, timedelta] | None = None) -> Case:
        """The case as it is with the flows that were there at that moment, as nodes with such clocks tell them."""
        skew = skewed(ahead or {})
        return await self.told(lambda flow: skew(flow) if flow.time is None or flow.time <= moment else None, moment)

    async def told(self, change: Change, until: datetime | None = None) -> Case:
        """The case as it is with changed flows. Flows of which nothing is left are blindness, not calm."""
        step = next(each for each in FLOW.looks if each.ref == HUBBLE)
        self.cluster.change, self.cluster.until = change, until
        seen = await observe(sensors()[HUBBLE], self.case.target, self.cluster, step.settings)  # type: ignore[arg-type]
        evidence = {key: seen if each.sensor == HUBBLE else each for key, each in self.case.evidence.items()}
        return replace(self.case, evidence=evidence, derived={})


async def incident(folder: Path) -> Incident | None:
    """The incident in a folder; None where nobody recorded flows of it."""
    case = await look(folder)
    if all(each.sensor != HUBBLE or each.sight is not Sight.SEEN for each in case.evidence.values()):
        return None
    made = Incident(folder, case, Moved(open_case(folder)))
    await made.told(lambda flow: flow)
    flows = [each for each in made.cluster._read or () if isinstance(each, HubbleFlow)]
    own = (case.target.namespace, case.target.pod)
    times = sorted(
        each.time
        for each in flows
        if each.time and own in ((end.namespace, end.pod) for end in (each.source, each.destination))
    )
    made.moments, made.nodes = tuple(times), tuple(sorted({each.node for each in flows}))
    return made


def skewed(ahead: Mapping[str, timedelta]) -> Change:
    """Flows with the times of nodes whose clocks are ahead (or behind) by so much."""

    def change(flow: HubbleFlow) -> HubbleFlow:
        return msgspec.structs.replace(flow, time=flow.time and flow.time + ahead.get(flow.node, timedelta()))

    return change


def skews(nodes: Sequence[str]) -> list[dict[str, timedelta]]:
    """Each node half a second ahead of the others, and half a second behind; and the ends apart."""
    half = timedelta(milliseconds=500)
    ends = {node: half if number % 2 else -half for number, node in enumerate(nodes)}
    single = [{node: sign * half} for node in nodes for sign in (1, -1)]
    return [*single, ends, {node: -each for node, each in ends.items()}]


def cuts(moments: Sequence[datetime], count: int = 20) -> list[datetime]:
    """So many moments from the first flow to the last, each right after a packet."""
    last = len(moments) - 1
    return list(dict.fromkeys(moments[last * number // count] for number in range(1, count + 1))) if moments else []
