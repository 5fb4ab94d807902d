"""Keeps what was seen of a living cluster as a case folder, so that anybody can look at the same moment again."""

from bot.capture.folder import NotEmpty, claim, release, write_case
from bot.capture.recorder import ClusterRecorder
from bot.capture.redaction import redacted

__all__ = ["ClusterRecorder", "NotEmpty", "claim", "redacted", "release", "write_case"]
