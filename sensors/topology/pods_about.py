"""Reads the pods that a question is about, where those of the whole cluster are too many.

They are the pods of the namespaces of the target, of the asked peer and of those with which the pod was seen to talk.
A pod of any other namespace is then not known: whoever reads them says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from sensors.kit.cluster import Cluster, Object
from sensors.kit.kinds import POD
from sensors.kit.model import Target
from sensors.kit.reading import if_readable
from sensors.topology.destination import Destination, destination_of
from sensors.topology.talking import recent_flows

MOST_NAMESPACES = 12


async def pods_about(target: Target, cluster: Cluster) -> tuple[tuple[Object, ...], tuple[str, ...]]:
    """Pods of those namespaces, and which namespaces were read."""
    spaces = await namespaces_about(target, cluster)
    readings = await asyncio.gather(*(if_readable(cluster.objects(POD, each)) for each in spaces))
    pods = {space: found for space, (found, _) in zip(spaces, readings, strict=True) if found is not None}
    return tuple(pod for found in pods.values() for pod in found), tuple(pods)


async def namespaces_about(target: Target, cluster: Cluster) -> tuple[str, ...]:
    """Namespaces that a question is about, the target's own first."""
    there, flows = await asyncio.gather(destination_of(target, cluster), recent_flows(target, cluster))
    worst_first = (end.namespace for each in flows.own.all() for end in (each.source, each.destination))
    named = dict.fromkeys((target.namespace, *_asked(there), *worst_first))
    return tuple(each for each in named if each)[:MOST_NAMESPACES]


def _asked(there: Destination | None) -> Iterator[str]:
    if there is not None:
        yield from (each.namespace for each in there.backends)
        yield there.service.namespace if there.service else ""
