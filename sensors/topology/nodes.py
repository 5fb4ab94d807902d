"""Says on which nodes a question plays: the pod's node and those of its peer."""

from __future__ import annotations

from sensors.kit.cluster import Cluster
from sensors.kit.kinds import POD, SERVICE
from sensors.kit.model import Target
from sensors.kit.objects import named, text
from sensors.kit.reading import read_kinds
from sensors.topology.peer import NEEDED, addressed, nodes_of, places


async def nodes_in_question(target: Target, cluster: Cluster) -> tuple[str, tuple[str, ...]]:
    """The pod's node (empty: not scheduled, or unreadable) and its peer's nodes, as far as they can be told."""
    kinds = await read_kinds(cluster, *NEEDED, SERVICE)
    node = text(named(kinds.of(POD), target.pod, target.namespace), "spec", "nodeName")
    if target.to_host is None:
        return node, ()
    where = places(kinds.of(SERVICE), kinds, await cluster.environment())
    return node, nodes_of(addressed(target.to_host, target.to_port, target.namespace, where), where)
