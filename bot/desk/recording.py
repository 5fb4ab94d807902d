"""Keeps what is seen while it is seen, and what came of it in the shape that is stored."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.desk.ports import Saw
from bot.report.json_result import encode
from bot.store import EvidenceRow
from bot.store.records import rows_of
from bot.store.store import Store
from flows.engine import Concluded
from flows.model import Diagnosis
from sensors.kit import Evidence
from sensors.kit.reported import reported


class AnswerRecorder:
    """A watcher that writes each answer down."""

    def __init__(self, store: Store, investigation: str) -> None:
        self._store, self._investigation = store, investigation

    async def watch(self, moment: Saw | Concluded) -> None:
        if isinstance(moment, Saw):
            row = await asyncio.to_thread(row_of, moment.id, moment.evidence)
            await self._store.investigations.saw(self._investigation, row, int(moment.id[1:]))


def written(it: Diagnosis) -> tuple[dict[str, Any], tuple[EvidenceRow, ...]]:
    """The result to store, and its evidence one by one. A second or so of work for a thread where facts are many."""
    result = encode(it)
    return result, rows_of(result)


def row_of(key: str, evidence: Evidence) -> EvidenceRow:
    return EvidenceRow(key, evidence.sensor, evidence.sight.value, evidence.summary, reported(evidence))
