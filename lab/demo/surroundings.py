"""The visitor's own settings are set aside while the demo runs: it has no business with his Slack, cluster or proxy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

THEIRS = ("SLACK_", "KAI_", "HUBBLE_", "DBOS_", "DATABASE_URL")
KEPT_VARIABLES = ("KAI_DEBUG",)


def is_set_aside(name: str) -> bool:
    """Slack's client sends even 127.0.0.1 through a proxy of the environment; `no_proxy` does not count for it."""
    if name in KEPT_VARIABLES:
        return False
    return name.startswith(THEIRS) or name.upper() in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@contextmanager
def set_aside() -> Iterator[None]:
    """Without them inside, all of them back afterwards, and nothing of the demo's."""
    theirs = {name: value for name, value in os.environ.items() if is_set_aside(name)}
    for name in theirs:
        del os.environ[name]
    try:
        yield
    finally:
        for name in filter(is_set_aside, [*os.environ]):  # the demo's own
            del os.environ[name]
        os.environ.update(theirs)
