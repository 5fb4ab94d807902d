"""Works out what kind of cluster this is from what the cluster says of itself; what nobody says stays unknown.

Pure. Sources: Cilium's ConfigMap `cilium-config` and CiliumNodes, labels of the network plug-ins' DaemonSets, the
ServiceCIDR objects of Kubernetes 1.33, flags in the manifests of static control plane pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from sensors.kit.cluster import Environment, Object
from sensors.kit.kinds import CILIUM_NODE, CONFIG_MAP, DAEMON_SET, NODE, POD, Kind
from sensors.kit.objects import items, label_of, labels_of, mapping, named, string_map, text, texts
from sensors.kit.reading import Kinds
from sensors.topology.agents import AGENTS

SERVICE_CIDR = Kind("ServiceCIDR", "networking.k8s.io/v1", "servicecidrs", namespaced=False)

ENVIRONMENT_KINDS = (POD, NODE, DAEMON_SET, CONFIG_MAP, CILIUM_NODE, SERVICE_CIDR)
"""The kinds that say what kind of cluster this is."""

CILIUM_CONFIG = "cilium-config"
UNNAMED = "default"
"""What Cilium calls a cluster that nobody named."""
REPLACES = {"true": True, "strict": True, "false": False, "disabled": False}
RANGE_FLAG = "--service-cluster-ip-range="
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager")
VERSION_NUMBER = re.compile(r"v?(\d+\.\d+(?:\.\d+)?[\w.+-]*)")


def environment_of(kinds: Kinds, kubernetes: str | None, flow_source: str | None) -> Environment:
    """Environment that the objects show. `kubernetes` is the API server's version."""
    config, cni = string_map(named(kinds.of(CONFIG_MAP), CILIUM_CONFIG), "data"), cni_of(kinds)
    called = config.get("cluster-name", "")
    return Environment(
        cni=cni,
        cni_version=cni_version(kinds, cni),
        kubernetes=kubernetes,
        kube_proxy_replacement=REPLACES.get(config.get("kube-proxy-replacement", "").lower()),
        service_cidrs=service_cidrs(kinds),
        pod_cidrs=pod_cidrs(kinds),
        flow_source=flow_source,
        name=called if called not in ("", UNNAMED) else None,
    )


def cni_of(kinds: Kinds) -> str | None:
    """The network plug-in that decides about packets. Cilium goes first: chained behind another it still decides."""
    found = {cni for each in _agents(kinds) if (cni := _cni_of(_template_labels(each)))}
    if "cilium" in found or kinds.of(CILIUM_NODE) or named(kinds.of(CONFIG_MAP), CILIUM_CONFIG):
        return "cilium"
    return min(found, key=list(AGENTS).index, default=None)  # calico before aws-vpc-cni, which it may run behind


def _agents(kinds: Kinds) -> tuple[Object, ...]:
    """The DaemonSets, or where they may not be read the pods."""
    sets = kinds.known(DAEMON_SET)
    return kinds.of(POD) if sets is None else sets


def _template_labels(thing: Object) -> Mapping[str, str]:
    return string_map(thing, "spec", "template", "metadata", "labels") or labels_of(thing)


def _cni_of(labels: Mapping[str, str]) -> str | None:
    return next((cni for cni, pairs in AGENTS.items() if any(labels.get(key) == each for key, each in pairs)), None)


def cni_version(kinds: Kinds, cni: str | None) -> str | None:
    """From the tag of the agent's image; an image named by its digest alone tells nothing."""
    images = (
        text(container, "image")
        for each in _agents(kinds)
        if cni is not None and _cni_of(_template_labels(each)) == cni
        for container in _containers(each)
    )
    return version_in(image.partition("@")[0].rpartition("/")[2].partition(":")[2] for image in images)


def _containers(thing: Object) -> tuple[Mapping[str, object], ...]:
    template = mapping(thing, "spec", "template")
    return items(template, "spec", "containers") if template else items(thing, "spec", "containers")


def version_in(words: Iterable[str]) -> str | None:
    """The first thing that looks like a version: `cilium v1.19.6+g12` is `1.19.6+g12`."""
    return next((found[1] for each in words if (found := VERSION_NUMBER.search(each))), None)


def service_cidrs(kinds: Kinds) -> tuple[str, ...]:
    """ServiceCIDR objects say it best; before Kubernetes 1.33 only the control plane's own flags do."""
    said = [cidr for each in kinds.of(SERVICE_CIDR) for cidr in texts(each, "spec", "cidrs")]
    return _networks(said or _ranges_in_flags(kinds.of(POD)))


def _ranges_in_flags(pods: Iterable[Object]) -> list[str]:
    return [
        cidr
        for pod in pods
        if label_of(pod, "component") in CONTROL_PLANE
        for container in items(pod, "spec", "containers")
        for word in (*texts(container, "command"), *texts(container, "args"))
        if word.startswith(RANGE_FLAG)
        for cidr in word.removeprefix(RANGE_FLAG).split(",")
    ]


def pod_cidrs(kinds: Kinds) -> tuple[str, ...]:
    """Cilium's own ranges where it hands addresses out, else those of the Nodes."""
    cilium = [cidr for each in kinds.of(CILIUM_NODE) for cidr in texts(each, "spec", "ipam", "podCIDRs")]
    nodes = (
        cidr for each in kinds.of(NODE) for cidr in (*texts(each, "spec", "podCIDRs"), text(each, "spec", "podCIDR"))
    )
    return _networks(cilium or nodes)


def _networks(written: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for each in written if _is_network(each)))


def _is_network(cidr: str) -> bool:
    try:
        ip_network(cidr, strict=False)
    except ValueError:
        return False
    return bool(cidr)
