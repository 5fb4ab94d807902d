"""The network of the lab: what would happen to a packet now, with the policies, Services and pods as they are now.

Policies are judged by a second opinion (`lab.oracle`), not by the simulator of the product: a fix in which only the
simulator believes does not work here. Where a recording shows something else, the recording is kept (`keep`).
Translation follows Cilium's socket load balancing: a Service without ready backends is EPERM before any packet, an
unknown port of a Service leaves as it is and nobody answers. Changes count after a delay: labels after `identity`
seconds, everything else sooner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flows.policy import Direction, Endpoint, Judgement, PolicyWorld, Profile, Traffic
from lab.cluster.agenda import Agenda
from lab.cluster.opinion import NetworkOpinion
from lab.cluster.recording import PodName, RecordedBackend, ServedRecording
from lab.cluster.store import StoreEvent, Thing

ConnectionKey = tuple[str, str, str, str]  # apiVersion, kind, namespace, name
LABELLED = ("Pod", "Namespace")


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds until a change counts. A changed label waits for new identities: about 26 s on a real cluster."""

    identity: float = 26.0
    policy: float = 0.5
    service: float = 0.2
    controller: float = 1.0
    start: float = 3.0


@dataclass(frozen=True, slots=True)
class PacketOutcome:
    """Result of a connection: open, refused, timeout, unreachable or (UDP) sent, with the kernel's word.

    `judged` is None where no packet left. `denied` is the side that refused, `known` False where the lab cannot tell.
    """

    result: str
    errno: str | None = None
    judged: Judgement | None = None
    denied: Direction | None = None
    known: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class TranslatedAddress:
    """Destination of a connection after translation. `service` names the Service it was addressed to."""

    address: str
    port: int
    service: tuple[str, str] | None = None
    service_ip: str = ""
    service_port: int | None = None


NO_BACKENDS = PacketOutcome("unreachable", "EPERM", why="the Service has no ready endpoints")


@dataclass
class Dataplane:
    """The network as it counts now: `things` are the objects that took effect."""

    world: PolicyWorld
    things: dict[ConnectionKey, Thing]
    recording: ServedRecording
    agenda: Agenda
    delays: Delays = Delays()
    ancestors: dict[PodName, PodName] = field(default_factory=dict)
    _versions: dict[ConnectionKey, int] = field(default_factory=dict)
    _turn: int = 0
    _opinion: tuple[PolicyWorld, NetworkOpinion] | None = None
    revision: int = 1

    @classmethod
    def of(
        cls, things: Iterable[Thing], profile: Profile, recording: ServedRecording, agenda: Agenda, delays: Delays
    ) -> Dataplane:
        known = {key_of(each): each for each in things}
        return cls(PolicyWorld.of(known.values(), profile), known, recording, agenda, delays)

    # -- changes -------------------------------------------------------------------------------------------------------

    def hear(self, change: StoreEvent) -> None:
        """An object changed in the API: it counts later."""
        self.agenda.after(self._delay(change), lambda: self._see(change))

    def _delay(self, change: StoreEvent) -> float:
        kind = change.resource.kind
        if kind in LABELLED:
            known = self.things.get(key_of(change.thing))
            is_new = known is None or change.type == "DELETED"
            return 0.0 if is_new or _labels(known) == _labels(change.thing) else self.delays.identity
        return self.delays.policy if "Policy" in kind else self.delays.service

    def _see(self, change: StoreEvent) -> None:
        key = key_of(change.thing)
        if self._versions.get(key, 0) > change.version:
            return
        self._versions[key] = change.version
        self.revision += "Policy" in change.resource.kind
        if change.type == "DELETED":
            self.things.pop(key, None)
            self.world = self.world.with_objects([], [change.thing])
        else:
            self.things[key] = change.thing
            self.world = self.world.with_objects([change.thing])

    # -- translation ---------------------------------------------------------------------------------------------------

    def place(self, address: str, port: int, protocol: str = "TCP") -> TranslatedAddress | None:
        """Destination of a connection to this address; None: a Service without a ready endpoint."""
        service = self._service_at(address)
        if service is None:
            return TranslatedAddress(address, port)
        meta = service["metadata"]
        name = (meta["namespace"], meta["name"])
        wanted = [each for each in service["spec"].get("ports") or () if _is_port(each, port, protocol)]
        if not wanted:
            return TranslatedAddress(address, port)
        backends = self.backends(*name, wanted[0].get("name", ""))
        if not backends:
            return None
        self._turn += 1
        ip, number = backends[self._turn % len(backends)]
        return TranslatedAddress(ip, number, name, address, port)

    def backends(self, namespace: str, service: str, port_name: str) -> list[tuple[str, int]]:
        """Ready endpoints of one port of a Service, from its EndpointSlices."""
        found = []
        for each in self._slices(namespace, service):
            ports = [port for port in each.get("ports") or () if (port.get("name") or "") == (port_name or "")]
            ready = [
                end for end in each.get("endpoints") or () if (end.get("conditions") or {}).get("ready") is not False
            ]
            found += [(end["addresses"][0], port["port"]) for port in ports for end in ready]
        return sorted(found)

    def _slices(self, namespace: str, service: str) -> list[Thing]:
        return [
            each
            for each in self.of_kind("EndpointSlice")
            if each["metadata"].get("namespace") == namespace
            and (each["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == service
        ]

    def of_kind(self, kind: str) -> list[Thing]:
        return [thing for key, thing in self.things.items() if key[1] == kind]

    def _service_at(self, address: str) -> Thing | None:
        for each in self.of_kind("Service"):
            if address in (each["spec"].get("clusterIPs") or [each["spec"].get("clusterIP")]):
                return each
        return None

    # -- packets -------------------------------------------------------------------------------------------------------

    def source(self, pod: PodName) -> Endpoint | None:
        return self.world.endpoint_of_pod(*pod)

    def traffic(
        self, source: Endpoint, place: TranslatedAddress, protocol: str = "TCP", names: Sequence[str] = ()
    ) -> Traffic:
        there = self.world.endpoint_at(place.address)
        known = tuple(names) or self.names_of((source.namespace, source.pod), place.address)
        return Traffic(
            source,
            replace(there, fqdns=known) if known and not there.is_pod else there,
            protocol,
            place.port,
            service=place.service,
            service_ip=place.service_ip,
            service_port=place.service_port,
        )

    def names_of(self, pod: PodName, address: str) -> tuple[str, ...]:
        """The names whose answers led this pod to an address."""
        return self.recording.seen_names.get(pod, {}).get(address, ())

    def judge(self, traffic: Traffic) -> Judgement:
        """Verdict of the policies on a packet, as the network has it and not as the product says."""
        if self._opinion is None or self._opinion[0] is not self.world:
            self._opinion = self.world, NetworkOpinion(self.things.values(), self.world.profile)
        return self._opinion[1].on(self.world.judge(traffic))

    def send(self, traffic: Traffic) -> PacketOutcome:
        """Sends the first packet of a TCP connection, after translation."""
        judged = self.judge(traffic)
        if judged.allowed is None:
            return PacketOutcome("timeout", "ETIMEDOUT", judged, known=False, why="the policies cannot be decided here")
        if judged.allowed is False:
            side = Direction.EGRESS if judged.egress.allowed is False else Direction.INGRESS
            return PacketOutcome("timeout", "ETIMEDOUT", judged, side, why=f"{side.value} denied")
        answer = self.backend_at(traffic)
        if answer is RecordedBackend.OPEN:
            return PacketOutcome("open", None, judged)
        if answer is RecordedBackend.REFUSED:
            return PacketOutcome("refused", "ECONNREFUSED", judged)
        known = answer is RecordedBackend.SILENT
        return PacketOutcome(
            "timeout", "ETIMEDOUT", judged, known=known, why="" if known else "that address and port are not recorded"
        )

    def connect(self, source: Endpoint, address: str, port: int, names: Sequence[str] = ()) -> PacketOutcome:
        """A whole TCP connection from inside a pod."""
        place = self.place(address, port)
        if place is None:
            return NO_BACKENDS
        return self.send(self.traffic(source, place, names=names))

    def datagram(self, source: Endpoint, address: str, port: int, *, answer_is_due: bool) -> PacketOutcome:
        """One UDP datagram from inside a pod. Without a question nobody answers, let through or not."""
        if answer_is_due:
            return self.query(source, address, port)[0]
        return PacketOutcome("sent") if self.place(address, port, "UDP") is not None else NO_BACKENDS

    def query(self, source: Endpoint, server: str, port: int = 53) -> tuple[PacketOutcome, Traffic | None]:
        """A DNS question over UDP: `open` means that an answer comes back."""
        place = self.place(server, port, "UDP")
        if place is None:
            return NO_BACKENDS, None
        traffic = self.traffic(source, place, "UDP")
        judged = self.judge(traffic)
        if judged.allowed is None:
            return PacketOutcome(
                "timeout", judged=judged, known=False, why="the policies cannot be decided here"
            ), traffic
        if judged.allowed is False:
            side = Direction.EGRESS if judged.egress.allowed is False else Direction.INGRESS
            return PacketOutcome("timeout", judged=judged, denied=side), traffic
        return PacketOutcome("open", judged=judged), traffic

    def shows_dns(self, source: Endpoint) -> bool:
        """Checks whether a policy sends the pod's look-ups through the DNS proxy."""
        return any(policy.shows_dns for policy, _ in self.world.selecting(source, Direction.EGRESS))

    # -- backends -----------------------------------------------------------------------------------------------------

    def backend_at(self, traffic: Traffic) -> RecordedBackend | None:
        """Backend behind an address and port; None where neither objects nor the recording tell."""
        there, number = traffic.destination, traffic.port or 0
        if there.is_pod and not there.host_network:
            return self._pod_backend((there.namespace, there.pod), number)
        if (there.ip, number) in self.recording.backends:
            return self.recording.backends[(there.ip, number)]
        if self._is_endpoint(there.ip, number):
            return RecordedBackend.OPEN
        if self._service_at(there.ip) is not None:
            return (
                RecordedBackend.SILENT
            )  # a port the Service does not have: the packet leaves the cluster untranslated
        return None

    def _pod_backend(self, pod: PodName, port: int) -> RecordedBackend | None:
        thing = self.things.get(("v1", "Pod", *pod))
        if thing is None:
            return RecordedBackend.SILENT
        if not _runs(thing):
            return RecordedBackend.REFUSED
        listening = self.recording.listening(self.ancestor(pod))
        if listening is not None:
            return RecordedBackend.OPEN if listening.get(port) else RecordedBackend.REFUSED
        if port in _declared(thing):
            return RecordedBackend.OPEN
        return self.recording.backends.get((str(thing["status"].get("podIP")), port))

    def ancestor(self, pod: PodName) -> PodName:
        """The recorded pod whose files a pod of the lab's own making shows."""
        while pod in self.ancestors:
            pod = self.ancestors[pod]
        return pod

    def _is_endpoint(self, ip: str, port: int) -> bool:
        return any(
            ip in end.get("addresses", ()) and any(each.get("port") == port for each in thing.get("ports") or ())
            for thing in self.of_kind("EndpointSlice")
            for end in thing.get("endpoints") or ()
        )


def key_of(thing: Thing) -> ConnectionKey:
    meta = thing["metadata"]
    return str(thing.get("apiVersion")), str(thing.get("kind")), str(meta.get("namespace") or ""), str(meta["name"])


def _labels(thing: Mapping[str, Any] | None) -> Mapping[str, str]:
    return ((thing or {}).get("metadata") or {}).get("labels") or {}


def _is_port(port: Mapping[str, Any], number: int, protocol: str) -> bool:
    return port.get("port") == number and port.get("protocol", "TCP") == protocol


def _runs(pod: Thing) -> bool:
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return any("running" in (each.get("state") or {}) for each in statuses)


def _declared(pod: Thing) -> set[int]:
    return {port["containerPort"] for each in pod["spec"]["containers"] for port in each.get("ports") or ()}
