"""A living cluster behind the one port: API server, hubble-relay and probes together, for one investigation."""

from sensors.access.live.cluster import LiveCluster, LiveSettings, live_cluster
from sensors.access.live.sharing import SharedReads

__all__ = ["LiveCluster", "LiveSettings", "SharedReads", "live_cluster"]
