"""Checks whether Claude names evidence against the verdict that a change is to mend."""

from __future__ import annotations

from bot.store.store import Store


async def is_disputed(store: Store, investigation: str) -> bool:
    """By the verdict as it is kept now. One that was approved before Claude spoke stays approved."""
    verdict = await store.investigations.verdict(investigation)
    said = verdict.result.get("explanation") if verdict is not None else None
    other = said.get("other_cause") if isinstance(said, dict) else None
    return bool(isinstance(other, dict) and other.get("against"))
