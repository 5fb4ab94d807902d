"""Says on which nodes a question plays: the pod's node and those of its peer."""

from __future__ import annotations

import asyncio

from sensors.kit.cluster import Cluster
from sensors.kit.model import Target
from sensors.kit.objects import named, text
from sensors.kit.reading import if_readable, pods_near
from sensors.topology.destination import destination_at, surroundings


async def nodes_in_question(target: Target, cluster: Cluster) -> tuple[str, tuple[str, ...]]:
    """The pod's node (empty: not scheduled, or unreadable) and its peer's nodes, as far as they can be told."""
    (where, _), (pods, _) = await asyncio.gather(
        surroundings(cluster), if_readable(pods_near(cluster, target.namespace))
    )
    node = text(named(pods or (), target.pod, target.namespace), "spec", "nodeName")
    if target.to_host is None:
        return node, ()
    return node, tuple(sorted(destination_at(target.to_host, target.to_port, target.namespace, where).nodes))
