"""A cluster in a box: a recorded case as an API server and a hubble-relay, whose network obeys the policies."""

from __future__ import annotations

from lab.cluster.cluster import LabCluster, Wishes
from lab.cluster.dataplane import Delays

__all__ = ["Delays", "LabCluster", "Wishes"]
