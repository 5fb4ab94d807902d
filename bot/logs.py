"""What `kai serve` writes to its log: nothing secret."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

from bot.report.sanitize import clean
from bot.store.packing import HIDDEN, without_secrets


class Hiding(logging.Formatter):
    """A log line without secrets, of ours or of anybody else's, and without what a terminal would obey."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for each in self._secrets:
            text = text.replace(each, HIDDEN)
        return "\n".join(clean(line, 2000) for line in without_secrets(text).splitlines())


def set_up_logging(level: str, secrets: Iterable[str]) -> None:
    """To stderr. Libraries speak from WARNING on: one of them would write signed bodies at INFO."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Hiding(secrets))
    handler.set_name("kai")
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if getattr(each, "name", None) != "kai"]
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("slack_bolt").setLevel(logging.ERROR)  # it warns of what is meant, with whole requests
    for ours in ("bot", "flows", "sensors"):
        logging.getLogger(ours).setLevel(level)
