"""A request comes in: below Slack, webhooks and terminals, which all take the same way to the desk."""

from __future__ import annotations

from bot.intake.intake import Intake, Origin, Taken

__all__ = ["Intake", "Origin", "Taken"]
