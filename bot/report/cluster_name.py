"""Name of a cluster as people read it."""

from __future__ import annotations

UNNAMED = "default"
"""The one cluster of an installation whose settings name none; it is never shown."""


def cluster_name(asked: str, found: str = "") -> str:
    """The name that the settings have for it, else what the cluster itself is called; empty: nobody knows."""
    return asked if asked not in ("", UNNAMED) else found
