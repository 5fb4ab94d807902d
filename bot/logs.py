"""Log of `kai serve`: nothing secret."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from bot.report.sanitize import clean
from bot.store.packing import HIDDEN, without_secrets

MAX_LOG_CHARS = 2000
LONGEST_TRACE = 16_000


class Hiding(logging.Formatter):
    """A log line without secrets, of ours or of anybody else's, and without what a terminal would obey."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(self.lines(super().format(record)))

    def lines(self, text: str) -> list[str]:
        for each in self._secrets:
            text = text.replace(each, HIDDEN)
        return [clean(line, MAX_LOG_CHARS) for line in without_secrets(text).splitlines()]


class HidingJson(Hiding):
    """One JSON object a line, traces included: time (UTC), level, logger, message, trace."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": "\n".join(self.lines(record.getMessage())),
        }
        if record.exc_info:
            said["trace"] = "\n".join(self.lines(self.formatException(record.exc_info)))[-LONGEST_TRACE:]
        return json.dumps(said, ensure_ascii=False)


FORMATS: dict[str, type[Hiding]] = {"text": Hiding, "json": HidingJson}


def set_up_logging(level: str, secrets: Iterable[str], shape: str = "text") -> None:
    """To stderr. Libraries speak from WARNING on: one of them would write signed bodies at INFO."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATS[shape](secrets))
    handler.set_name("kai")
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if getattr(each, "name", None) != "kai"]
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("slack_bolt").setLevel(logging.ERROR)  # it warns of what is meant, with whole requests
    for ours in ("bot", "flows", "sensors"):
        logging.getLogger(ours).setLevel(level)
