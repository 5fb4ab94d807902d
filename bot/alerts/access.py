"""Rights of KAI in the channels where alerts are read and answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ChannelAccess:
    """`refusals`: Slack's word by channel where its history was asked for, empty where it was given.

    `silent`: by channel why KAI says nothing there, empty where it speaks: another organisation shares it.

    `why`: Slack could not be asked at all, and the reason; then nothing else is known.
    """

    scopes: frozenset[str] = frozenset()
    refusals: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    silent: Mapping[str, str] = field(default_factory=dict)
