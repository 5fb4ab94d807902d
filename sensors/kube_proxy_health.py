"""Checks whether something turns Service addresses into pod addresses on every node: kube-proxy, or what replaces it.

Reads    Pods, DaemonSets, Nodes, the ConfigMaps kube-proxy and cilium-config; the log of kube-proxy on the pod's node.
Touches  nothing.
Blind    when pods cannot be read. Absent when kube-proxy is replaced and not running.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sensors.kit.cluster import Cluster, Environment, Object
from sensors.kit.kinds import CONFIG_MAP, DAEMON_SET, NODE
from sensors.kit.model import Absent, Sensor, Target
from sensors.kit.objects import (
    items,
    labels_of,
    name_of,
    named,
    namespace_of,
    number,
    one_line,
    pod_is_over,
    pod_is_ready,
    string_map,
    text,
)
from sensors.kit.reading import Kinds, if_readable, pods_near, read_kinds


@dataclass(frozen=True, slots=True)
class ProxyPod:
    """One kube-proxy pod and the node it serves."""

    pod: str
    node: str
    ready: bool | None
    restarts: int
    waiting_reason: str
    version: str


@dataclass(frozen=True, slots=True)
class KubeProxy:
    """kube-proxy on the nodes. `replaced` is what the CNI says of itself, None where nobody said; `mode` iptables, ipvs
    or nftables where the ConfigMap says so.

    `nodes_without` are nodes that have no kube-proxy pod although others have one. `both_on`: it runs while Cilium
    replaces it, two translators on one node. `lost_api` is what its log on the pod's node ends with, where that says
    that it cannot read Services or EndpointSlices any more: it then keeps the rules of the past.
    """

    replaced: bool | None
    mode: str
    target_node: str
    pods: tuple[ProxyPod, ...]
    nodes_without: tuple[str, ...]
    unread: tuple[str, ...]
    lost_api: str = ""

    @property
    def both_on(self) -> bool:
        return self.replaced is True and bool(self.pods)

    @property
    def not_ready(self) -> tuple[ProxyPod, ...]:
        return tuple(each for each in self.pods if not each.ready)

    def summary(self) -> str:
        parts = [f"kube-proxy ready on {len(self.pods) - len(self.not_ready)} of {len(self.pods)} nodes that run it"]
        parts += [f"{each.pod} on {each.node} not ready {each.waiting_reason}".rstrip() for each in self.not_ready[:4]]
        parts += [f"none on {', '.join(self.nodes_without[:4])}"] if self.nodes_without else []
        parts += ["and Cilium replaces it as well"] if self.both_on else []
        parts += [f'on {self.target_node} it says "{self.lost_api}"'] if self.lost_api else []
        return "; ".join(parts)


async def look(target: Target, cluster: Cluster) -> KubeProxy:
    """kube-proxy on every node, or `Absent` where something replaces it."""
    kinds = await read_kinds(cluster, NODE, DAEMON_SET, CONFIG_MAP)
    homes = {namespace_of(each) for each in kinds.of(DAEMON_SET) if name_of(each).startswith("kube-proxy")}
    pods = await pods_near(cluster, target.namespace, "kube-system", *sorted(homes))
    seen = kube_proxy(target, pods, kinds, await cluster.environment())
    return replace(seen, lost_api=await _lost_api(seen, pods, cluster))


async def _lost_api(seen: KubeProxy, pods: tuple[Object, ...], cluster: Cluster) -> str:
    """Last log line of kube-proxy on the pod's node about the API server; empty where it is well or unreadable."""
    here = next((each for each in pods if _is_proxy(each) and _runs_on(each, seen.target_node)), None)
    if here is None or not seen.target_node:
        return ""
    container = text(here, "spec", "containers", 0, "name") or "kube-proxy"
    said, _ = await if_readable(cluster.log(namespace_of(here), name_of(here), container, lines=LOG_LINES))
    return lost_api((said or "").splitlines())


LOG_LINES = 200
LIST_FAILED = re.compile(r"[Ff]ailed to (?:watch|list)\b.*\b(?:Service|EndpointSlice|Node)")
"""client-go's words (reflector.go) for a list or watch that fails."""


def lost_api(lines: list[str]) -> str:
    """The last of the log's final lines, if they are all complaints about what kube-proxy cannot read."""
    last = [each for each in lines if each.strip()][-3:]
    return one_line(last[-1], 200) if last and all(LIST_FAILED.search(each) for each in last) else ""


def _runs_on(pod: Object, node: str) -> bool:
    return text(pod, "spec", "nodeName") == node and not pod_is_over(pod)


def kube_proxy(target: Target, pods: tuple[Object, ...], kinds: Kinds, environment: Environment) -> KubeProxy:
    """The facts from objects that were read. Raises `Absent` where no kube-proxy is to be seen."""
    replaced = is_replaced(kinds.of(CONFIG_MAP), environment)
    own = tuple(proxy_pod(each) for each in pods if _is_proxy(each) and not pod_is_over(each))
    sets = [each for each in kinds.of(DAEMON_SET) if name_of(each).startswith("kube-proxy")]
    if not own and not sets:
        raise Absent(_why_absent(replaced))
    served = {each.node for each in own}
    return KubeProxy(
        replaced=replaced,
        mode=proxy_mode(kinds.of(CONFIG_MAP)),
        target_node=text(named(pods, target.pod, target.namespace), "spec", "nodeName"),
        pods=tuple(sorted(own, key=lambda each: (each.node, each.pod))),
        nodes_without=tuple(sorted(set(map(name_of, _linux(kinds.of(NODE)))) - served)),
        unread=kinds.complaints,
    )


def _why_absent(replaced: bool | None) -> str:
    if replaced:
        return "Cilium replaces kube-proxy"
    return "no kube-proxy pod or DaemonSet is to be seen (k3s and RKE2 run it inside their own process)"


def is_replaced(config_maps: Iterable[Object], environment: Environment) -> bool | None:
    """Checks whether Cilium does kube-proxy's work: as the cluster was described, else as cilium-config says."""
    if environment.kube_proxy_replacement is not None:
        return environment.kube_proxy_replacement
    config = next((each for each in config_maps if name_of(each) == "cilium-config"), None)
    words = {"true": True, "strict": True, "false": False, "disabled": False}
    return words.get(string_map(config, "data").get("kube-proxy-replacement", "").lower())


def _is_proxy(pod: Object) -> bool:
    """A DaemonSet's pod (kubeadm, EKS) or a static pod (GKE)."""
    labels = labels_of(pod)
    return "kube-proxy" in (labels.get("k8s-app"), labels.get("component"))


def proxy_pod(pod: Object) -> ProxyPod:
    """One kube-proxy pod in short; `version` is its image's tag."""
    statuses = items(pod, "status", "containerStatuses")
    image = text(pod, "spec", "containers", 0, "image").rpartition("/")[2].partition("@")[0]
    return ProxyPod(
        pod=name_of(pod),
        node=text(pod, "spec", "nodeName"),
        ready=pod_is_ready(pod),
        restarts=sum(number(each, "restartCount") or 0 for each in statuses),
        waiting_reason=next(filter(None, (text(each, "state", "waiting", "reason") for each in statuses)), ""),
        version=image.partition(":")[2],
    )


def proxy_mode(config_maps: Iterable[Object]) -> str:
    """`mode:` of kube-proxy's own configuration (`config.conf`); empty = its default for the platform."""
    config = next((each for each in config_maps if name_of(each).startswith("kube-proxy")), None)
    lines = (line.partition(":") for text_ in string_map(config, "data").values() for line in text_.splitlines())
    return next((value.strip().strip("\"'") for key, _, value in lines if key == "mode"), "")


def _linux(nodes: Iterable[Object]) -> Iterable[Object]:
    return (each for each in nodes if labels_of(each).get("kubernetes.io/os", "linux") == "linux")


SENSOR = Sensor(id="kube_proxy.health", look=look, gives=KubeProxy, within=8.0, layers=("nat", "service"))
