"""The live Kubernetes side: an API server that KAI reads, reached as kubectl would reach it.

Importing this is cheap; the client library is loaded by `connect`.
"""

from sensors.access.kube.kube import Kube, connect
from sensors.access.kube.kubeconfig import BadKubeconfig, ClusterContext, NoKubeconfig, find_place
from sensors.access.kube.lists import RememberingLists
from sensors.access.kube.streams import ExecResult

__all__ = [
    "BadKubeconfig",
    "ClusterContext",
    "ExecResult",
    "Kube",
    "NoKubeconfig",
    "RememberingLists",
    "connect",
    "find_place",
]
