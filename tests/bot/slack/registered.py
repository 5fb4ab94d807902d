"""What KAI registers with Bolt, as a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

from bot.slack import listeners

Listener = Callable[..., Any]


class Registered:
    """Stands in for an app: (kind, what it listens to, listener) in the order of registration."""

    def __init__(self) -> None:
        self.found: list[tuple[str, Any, Listener]] = []

    def use(self, middleware: Listener) -> None:
        self.found.append(("use", None, middleware))

    def error(self, listener: Listener) -> None:
        self.found.append(("error", None, listener))

    def __getattr__(self, kind: str) -> Callable[[Any], Callable[[Listener], None]]:
        return lambda what: lambda listener: self.found.append((kind, what, listener))

    def of(self, kind: str) -> set[str]:
        """What is listened to by its own name."""
        return {what for each, what, _ in self.found if each == kind and isinstance(what, str)}


def registered() -> Registered:
    app, services = Registered(), MagicMock()
    services.gate.ours = ours
    listeners.register(app, services)  # type: ignore[arg-type]
    return app


async def ours(body: Any, ack: Any, next: Any) -> None:
    """With the arguments of the gate."""
