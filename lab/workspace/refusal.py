"""Slack says no: an error code, and sometimes more."""

from __future__ import annotations

from typing import Any

from lab.workspace.limits import Problem


class MethodRefusal(Exception):
    """Raised by a method; answered as `{"ok": false, "error": …}`, with HTTP status 200 as Slack does."""

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.body: dict[str, Any] = {"ok": False, "error": error, **more}

    @classmethod
    def of(cls, problem: Problem) -> MethodRefusal:
        body = problem.answer()
        return cls(body["error"], **{name: body[name] for name in body.keys() - {"ok", "error"}})


def refuse(problem: Problem | None) -> None:
    """Raises when there is a problem."""
    if problem:
        raise MethodRefusal.of(problem)
