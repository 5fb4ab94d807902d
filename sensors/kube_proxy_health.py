"""Whether something turns Service addresses into pod addresses on every node: kube-proxy, or what replaces it.

Reads    Pods, DaemonSets, Nodes, the ConfigMaps kube-proxy and cilium-config.
Touches  nothing.
Blind    when pods cannot be read. Absent when kube-proxy is replaced and not running.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    replaces it, two translators on one node.
    """

    replaced: bool | None
    mode: str
    target_node: str
    pods: tuple[ProxyPod, ...]
    nodes_without: tuple[str, ...]
    unread: tuple[str, ...]

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
        return "; ".join(parts)
