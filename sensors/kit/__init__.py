"""Names for the author of a sensor, and nothing else."""

from sensors.kit.cluster import Cluster, Connect, Dial, DnsLookup, Environment, Object, PathMtu
from sensors.kit.model import Absent, Blind, Evidence, Facts, Sensor, Sight, Target
from sensors.kit.observe import observe

__all__ = [
    "Absent",
    "Blind",
    "Cluster",
    "Connect",
    "Dial",
    "DnsLookup",
    "Environment",
    "Evidence",
    "Facts",
    "Object",
    "PathMtu",
    "Sensor",
    "Sight",
    "Target",
    "observe",
]
