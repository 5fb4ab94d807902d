"""The peer meant by `svc/NAME[:PORT]` or `deploy/NAME[:PORT]`: the Service in front, else the address of a pod.

Anything else is a host and is left as it was typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.clusters.target import WORKLOAD_KINDS, Listing, NoSuchPod, read_listing, resolve_among
from sensors.kit.addresses import HostPort, host_port
from sensors.kit.cluster import Cluster, Object
from sensors.kit.nearest import did_you_mean
from sensors.kit.objects import get, items, labels_of, name_of, namespace_of, selects, string_map


def names_an_object(word: str) -> bool:
    """Is it `KIND/NAME` and no host?"""
    kind, slash, name = word.partition("/")
    return bool(slash and name) and kind.lower() in WORKLOAD_KINDS


async def peer_of(cluster: Cluster, word: str, namespace: str) -> HostPort:
    """Address to connect to. Raises `ValueError` for a bad host, `NoSuchPod` for an object that is not there."""
    if not names_an_object(word):
        return host_port(word)
    place = host_port(word.partition("/")[2])
    return _meant(await read_listing(cluster), WORKLOAD_KINDS[word.partition("/")[0].lower()], place, namespace)


def _meant(listing: Listing, kind: str, place: HostPort, namespace: str) -> HostPort:
    """`place.host` is an object's name, or `NAME.NAMESPACE`."""
    name, _, space = place.host.partition(".")
    space = space or namespace
    if kind == "Service":
        return _service(_named(listing.services, name, space), place)
    pod = resolve_among(listing, f"{kind.lower()}/{name}", space).target
    return _before(listing, pod.pod, space, place)


def _named(services: Sequence[Object], name: str, space: str) -> Object:
    here = {name_of(each): each for each in services if namespace_of(each) == space}
    if name not in here:
        raise NoSuchPod(f'no Service "{name}" in namespace "{space}"{did_you_mean(name, here)}')
    return here[name]


def _service(service: Object, place: HostPort) -> HostPort:
    host = f"{name_of(service)}.{namespace_of(service)}"
    ports = [each["port"] for each in items(service, "spec", "ports") if isinstance(each.get("port"), int)]
    if place.port is None and len(ports) != 1:
        listed = ", ".join(map(str, ports)) or "none"
        raise NoSuchPod(f"say the port of Service {host}, as in svc/{host}:PORT (it has {listed})")
    return HostPort(host, place.port or ports[0], place.protocol)


def _before(listing: Listing, pod: str, space: str, place: HostPort) -> HostPort:
    """The one Service that selects the pod; without one the pod's own address."""
    found = next(each for each in listing.pods if (namespace_of(each), name_of(each)) == (space, pod))
    before = [each for each in listing.services if namespace_of(each) == space and _selects(each, found)]
    if len(before) == 1:
        return _service(before[0], place)
    if before:
        raise NoSuchPod(f"several Services stand before {pod}: say one, as in svc/{name_of(before[0])}")
    address: Any = get(found, "status", "podIP")
    if not address or place.port is None:
        raise NoSuchPod(f"{space}/{pod} is behind no Service: say its port, as in --to pod/{pod}:PORT")
    return HostPort(str(address), place.port, place.protocol)


def _selects(service: Object, pod: Object) -> bool:
    return selects(string_map(service, "spec", "selector"), labels_of(pod))
