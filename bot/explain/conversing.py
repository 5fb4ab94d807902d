"""Answers questions in a thread that the rules' own answers do not cover, paid for like every call of Claude."""

from __future__ import annotations

from dataclasses import dataclass

from flows.agent.asking import ClaudeClient, Purse
from flows.agent.conversation import in_words, spoken
from flows.agent.untrusted import new_nonce
from flows.model import Diagnosis

ANSWER_TIMEOUT_S = 20.0
"""Seconds for one answer."""


@dataclass(frozen=True, slots=True)
class Conversing:
    """One for each process, and for each `kai ask`."""

    client: ClaudeClient

    async def __call__(self, it: Diagnosis, investigation: str, question: str, person: str) -> tuple[str, ...]:
        """The answer line by line. Raises `NoAnswer`."""
        nonce, settings = new_nonce(), self.client.settings
        purse = Purse(investigation, person)
        said = await spoken(
            it,
            question,
            nonce,
            settings.model,
            lambda request: self.client.ask(f"converse-{nonce}", request, purse, ANSWER_TIMEOUT_S),
            anonymize=settings.anonymize,
        )
        return in_words(said, investigation)
