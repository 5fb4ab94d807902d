"""The Services on the pod's path: what they select, where their endpoints really are, and why backends are not ready.

Reads    Services, EndpointSlices, Pods, ReplicaSets, Namespaces, Nodes, Events.
Touches  nothing.
Blind    when Services cannot be read. What else is missing reads as None in the facts and is named in `unread`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sensors.kit.objects import Owner, Ref
from sensors.kit.peer import Asked


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a Service as written; `target_port` is a number, a container port's name, or None (same as `port`)."""

    name: str
    protocol: str
    port: int
    target_port: int | str | None
    node_port: int | None
    app_protocol: str


@dataclass(frozen=True, slots=True)
class EndpointFacts:
    """One backend address from the EndpointSlices; `ports` are (Service port's name, real port, protocol).

    `ready` counts an unset condition as ready, as the API says. Empty `ports` on an address: a named target port that
    the pod does not have.
    """

    ip: str
    ready: bool
    serving: bool
    terminating: bool
    node: str
    pod: str
    ports: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class BackendPod:
    """A pod that the selector matches. `why` says in the cluster's words why it is not ready (empty when ready).

    `declared` are its container ports (name, port, protocol); `targets` what each Service port (by name) becomes on
    this pod, None where the pod has no container port of that name.
    """

    pod: str
    ready: bool
    node: str
    ips: tuple[str, ...]
    phase: str
    why: str
    workload: Ref | None
    declared: tuple[tuple[str, int, str], ...]
    targets: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True, slots=True)
class LabelMiss:
    """A workload whose pods a selector just misses.

    `key` is the label that differs, `wanted` what the selector asks, `found` what the pods have (None = no such
    label); `differing` how many keys of the selector differ in all.
    """

    workload: Ref | None
    pods: int
    key: str
    wanted: str
    found: str | None
    differing: int


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """One Service. `endpoints` and `matching_pods` are None where slices or pods could not be read, never "none".

    `near_misses` is filled when the selector matches no pod: the workloads of the namespace that come closest.
    """

    namespace: str
    name: str
    type: str
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...]
    selector: Mapping[str, str]
    ports: tuple[ServicePort, ...]
    headless: bool
    external_name: str
    internal_traffic_policy: str
    external_traffic_policy: str
    session_affinity: str
    publish_not_ready: bool
    source_ranges: tuple[str, ...]
    created: datetime | None
    owner: Owner | None
    endpoints: tuple[EndpointFacts, ...] | None
    matching_pods: tuple[BackendPod, ...] | None
    near_misses: tuple[LabelMiss, ...] = ()

    @property
    def ref(self) -> Ref:
        return Ref("Service", self.namespace, self.name)

    @property
    def ready_endpoints(self) -> tuple[EndpointFacts, ...] | None:
        """Endpoints that get traffic; None where EndpointSlices could not be read."""
        return None if self.endpoints is None else tuple(each for each in self.endpoints if each.ready)

    def port(self, number: int, protocol: str = "") -> ServicePort | None:
        """The Service's port of that number (and protocol)."""
        fits = (each for each in self.ports if each.port == number and protocol in ("", each.protocol))
        return next(fits, None)


@dataclass(frozen=True, slots=True)
class Services:
    """The asked peer, the Services on the path, and every Service address of the cluster in `by_ip`."""

    asked: Asked | None
    services: tuple[ServiceFacts, ...]
    unread: tuple[str, ...]
    by_ip: Mapping[str, Ref] = field(repr=False, metadata={"report": False})

    def find(self, namespace: str, name: str) -> ServiceFacts | None:
        """A Service among those described (the asked one, the namespace's, kube-dns, kubernetes)."""
        return next((each for each in self.services if (each.namespace, each.name) == (namespace, name)), None)

    @property
    def asked_service(self) -> ServiceFacts | None:
        """The existing Service that the question is about."""
        ref = self.asked.service if self.asked else None
        return self.find(ref.namespace, ref.name) if ref else None

    def summary(self) -> str:
        if self.asked is None:
            return f"{len(self.services)} Services on the path; the question names no peer"
        meant = self.asked_service
        return _line(meant) if meant else _asked_line(self.asked)


def _line(service: ServiceFacts) -> str:
    ports = ", ".join(f"{each.port}→{each.target_port or each.port}/{each.protocol}" for each in service.ports)
    if service.endpoints is None:
        return f"{service.ref} ({ports}): its endpoints could not be read"
    ready = len(service.ready_endpoints or ())
    return f"{service.ref} ({ports}): {ready} of {len(service.endpoints)} endpoints ready"


def _asked_line(asked: Asked) -> str:
    near = asked.nearest or tuple(map(str, asked.elsewhere)) or asked.nearest_namespaces
    hint = f"; nearest: {', '.join(near)}" if near else ""
    return f"{asked.host} is {asked.kind.value.replace('_', ' ')}{': ' + asked.why if asked.why else ''}{hint}"
