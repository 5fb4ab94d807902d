"""Commands of a chat, whichever way it came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bot.triggers.alert import Alert
from sensors.kit import Target


class Misread(ValueError):
    """The words cannot be understood. The message is one line that says what to write instead."""


@dataclass(frozen=True, slots=True)
class Investigate:
    """Command to investigate a pod. `since` in seconds bounds how far back hubble flows are read; None: all there are.

    `cluster` as it was named; empty: the channel's.
    """

    pod: str
    namespace: str
    to_host: str | None = None
    to_port: int | None = None
    since: int | None = None
    to_protocol: str | None = None
    cluster: str = ""

    @property
    def target(self) -> Target:
        """The pod and its peer as they were written."""
        return Target(self.pod, self.namespace, self.to_host, self.to_port, self.to_protocol)


@dataclass(frozen=True, slots=True)
class Fill:
    """The question is not complete: ask for the rest with a form. `hint` says what was not clear."""

    pod: str = ""
    namespace: str = ""
    to: str = ""
    since: str = ""
    hint: str = ""
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Drops:
    """Command that lists what policies drop in a namespace."""

    namespace: str
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Help:
    """Command that lists the commands."""


@dataclass(frozen=True, slots=True)
class StatusCommand:
    """Command that lists running investigations."""


@dataclass(frozen=True, slots=True)
class History:
    """Command that lists recent investigations."""


@dataclass(frozen=True, slots=True)
class ShowCommand:
    """A verdict once more. `id`: an investigation's id or its beginning."""

    id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """End an investigation. An empty `id` means the one of this thread."""

    id: str = ""


Command: TypeAlias = Investigate | Drops | Fill | Help | StatusCommand | History | ShowCommand | Cancel | Alert
