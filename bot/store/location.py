"""Default location of the store."""

from __future__ import annotations

import os
from pathlib import Path


def default_url() -> str:
    """A file in the person's own state folder, where nothing else is said."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return f"sqlite:///{Path(state).expanduser() / 'kai' / 'kai.db'}"
