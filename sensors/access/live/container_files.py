"""Reads /proc/net in the pod's own container, for clusters without a probe: `cat` with a fixed path, nothing else.

Containers of a pod share its network namespace, so any running one will do. Most small images have no `cat`.
"""

from __future__ import annotations

from sensors.access.kube import Kube
from sensors.kit.cluster import Object
from sensors.kit.model import Blind
from sensors.kit.objects import get, items, name_of, namespace_of, one_line, text

PATHS = {
    **{f"net/{each}": f"/proc/net/{each}" for each in ("snmp", "netstat", "sockstat", "tcp", "tcp6")},
    "resolv.conf": "/etc/resolv.conf",
}
FILE_TIMEOUT_S = 4.0


def running_container(pod: Object) -> str:
    """The first container that runs. Raises `Blind`."""
    for each in items(pod, "status", "containerStatuses"):
        if get(each, "state", "running") is not None and text(each, "name"):
            return text(each, "name")
    raise Blind(f"no container of {namespace_of(pod)}/{name_of(pod)} is running")


async def read_inside(kube: Kube, pod: Object, name: str) -> str:
    """One file of the pod. Raises `Blind`, and `Absent` when the pod is gone."""
    if name not in PATHS:
        raise Blind(f"{name} cannot be read from the pod's own container")
    container = running_container(pod)
    ended = await kube.exec(namespace_of(pod), name_of(pod), container, ("cat", PATHS[name]), within=FILE_TIMEOUT_S)
    if ended.exit_code != 0:
        said = one_line(ended.stderr.decode(errors="replace"), 120) or f"cat ended with exit code {ended.exit_code}"
        raise Blind(f"{PATHS[name]} in container {container}: {said}")
    return ended.stdout.decode(errors="replace")
