"""Store of KAI: investigations, their evidence and verdicts, and what was said about them where.

This folder is the only code that opens a database. `open_store(url)` gives a `Store`; frozen
dataclasses go in and come out.
"""

from __future__ import annotations

from bot.store.records import (
    LIVE,
    Admitted,
    Ceiling,
    EvidenceRow,
    Feedback,
    Full,
    Investigation,
    InvestigationState,
    Message,
    MessageState,
    Opinion,
    OriginKind,
    Posted,
    Request,
    StoredVerdict,
)

__all__ = [
    "LIVE",
    "Admitted",
    "Ceiling",
    "EvidenceRow",
    "Feedback",
    "Full",
    "Investigation",
    "InvestigationState",
    "Message",
    "MessageState",
    "Opinion",
    "OriginKind",
    "Posted",
    "Request",
    "StoredVerdict",
]
