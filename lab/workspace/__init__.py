"""A Slack-compatible workspace that anyone can start on a laptop: `python -m lab.workspace`."""

from __future__ import annotations

from lab.workspace.clock import HandClock, WallClock
from lab.workspace.driver import InteractionReply, Person
from lab.workspace.workspace import Workspace

__all__ = ["HandClock", "InteractionReply", "Person", "WallClock", "Workspace"]
