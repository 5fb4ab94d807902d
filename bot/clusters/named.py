"""The way to a cluster that a person in a terminal names with --cluster, by the settings file."""

from __future__ import annotations

from bot.cluster_settings import named
from bot.clusters.options import Live
from bot.clusters.served import live_to
from bot.errors import UsageMistake
from bot.settings import clusters_of


def way_to(live: Live) -> Live:
    """Raises `BadSettings` with the clusters that there are, `UsageMistake` where two ways are named."""
    it = named(clusters_of(), live.cluster)
    if live.context not in (None, it.context):
        said = f"cluster {it.name} is context {it.context}, and --context says {live.context}"
        raise UsageMistake(f"{said}: leave one out")
    return live_to(it, live)
