"""Settings for Claude: which model, where, for how much. Read by whoever starts KAI; nothing here reads anything."""

from __future__ import annotations

from dataclasses import dataclass, field

from flows.agent.money import Ceilings, Prices

USUAL_MODEL = "claude-sonnet-5-5"
PROVIDERS = ("anthropic", "bedrock", "vertex")


@dataclass(frozen=True, slots=True)
class ClaudeSettings:
    """`key` is that of Anthropic's API; Bedrock and Vertex find their own by their SDKs, in `region` and `project`.

    `timeout` is seconds of one call, with its retries. `second_look` asks once more, for what should be taken back.
    `anonymize`: names and addresses are sent as pseudonyms.
    """

    key: str = field(default="", repr=False)
    model: str = USUAL_MODEL
    provider: str = "anthropic"
    base_url: str = ""
    region: str = ""
    project: str = ""
    timeout: float = 20.0
    second_look: bool = False
    anonymize: bool = False
    prices: Prices = field(default_factory=Prices)
    ceilings: Ceilings = field(default_factory=Ceilings)

    @property
    def enabled(self) -> bool:
        """There is a key, or a cloud that has one."""
        return bool(self.key) or self.provider != "anthropic"
