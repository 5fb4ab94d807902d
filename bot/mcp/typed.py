"""`kai mcp`: what was typed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from bot.clusters.options import live_of
from bot.errors import UsageMistake
from bot.mcp.answers import Answers


def mcp(**asked: Any) -> int:
    """Serve until the client leaves. Raises `UsageMistake` where the extra is missing."""
    if find_spec("mcp") is None:
        raise UsageMistake("kai mcp needs the package mcp: pip install 'kai-netdebug[mcp]'")
    import_module("bot.mcp.server").serve(Answers(asked["case"], live_of(dict(asked)), asked["anonymize"]))
    return 0
