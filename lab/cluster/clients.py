"""The clients of a case, which keep trying what they tried: the connections replayed against the present network.

What a client wants is read from its own command (`http://catalog/`), from the question of the case, and else from its
recorded connections. A refused SYN is sent again after 1 and 3 seconds, as the kernel does; then the client gives up
and tries anew a second later. Where the network of the lab would answer otherwise than was recorded, from the start,
the recorded behaviour is kept, whatever changes, and `Crowd.kept` says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flows.policy import Endpoint, Traffic
from lab.cluster.agenda import Agenda
from lab.cluster.dataplane import Dataplane, PacketOutcome
from lab.cluster.hubble import Reporter
from lab.cluster.recording import PodName, Row
from lab.cluster.resolver import look_up
from lab.cluster.shift import STAMP
from lab.cluster.store import Thing
from sensors.hubble.pb.cilium.observer.observer_pb2 import GetFlowsResponse
from sensors.kit.addresses import as_ip

URL = re.compile(r"https?://([A-Za-z0-9.\-]+)(?::(\d+))?/")
RETRY_PAUSES_S = (1.0, 2.0)
START_PAUSE_S = 1.0
MAX_CLIENT_TARGETS = 20
FIRST_PORT, LAST_PORT = 32768, 60999


@dataclass(frozen=True, slots=True)
class ClientTarget:
    """One client, one peer. `url` as the client's log calls it; empty where it does not say."""

    pod: PodName
    host: str
    port: int
    url: str = ""

    def __str__(self) -> str:
        return f"{'/'.join(self.pod)} to {self.host}:{self.port}"


@dataclass
class Crowd:
    """All clients. `tell` takes hubble flows, `note` a line of a client's log (pod, url, whether it went well)."""

    dataplane: Dataplane
    reporter: Reporter
    agenda: Agenda
    tell: Callable[[Any], None]
    note: Callable[[PodName, str, bool], None]
    kept: dict[ClientTarget, str] = field(default_factory=dict)
    attempts: dict[ClientTarget, list[str]] = field(default_factory=dict)
    _port: int = FIRST_PORT

    def begin(self, wishes: Iterable[ClientTarget]) -> None:
        for number, wish in enumerate(wishes):
            self.attempts[wish] = []
            if wish in self.kept:
                self._play_again(wish)
            else:
                self.agenda.after(START_PAUSE_S + number * 0.01, lambda wish=wish: self._try(wish))  # type: ignore[misc]

    # -- one attempt ---------------------------------------------------------------------------------------------------

    def _try(self, wish: ClientTarget) -> None:
        source = self.dataplane.source(wish.pod)
        if source is None or not source.ip:
            self._end(wish, "not running", START_PAUSE_S)
            return
        if as_ip(wish.host):
            self._connect(wish, source, wish.host, ())
            return
        asked = look_up(self.dataplane, wish.pod, wish.host)
        for each in asked:
            if each.traffic is not None:
                port = self._next_port()
                flows = self.reporter.dns(each.traffic, each.outcome, port, each.name, each.rcode, each.addresses)
                self._tell(flows)
        last = asked[-1] if asked else None
        if last is None or not last.addresses:
            silent = last is not None and last.error == "timeout"
            self._end(wish, "unresolved", START_PAUSE_S + (sum(RETRY_PAUSES_S) if silent else 0.0))
            return
        self._connect(wish, source, last.addresses[0], () if last.name.endswith("cluster.local") else (last.name,))

    def _connect(self, wish: ClientTarget, source: Endpoint, address: str, names: tuple[str, ...]) -> None:
        place = self.dataplane.place(address, wish.port)
        if place is None:
            self._end(wish, "unreachable", START_PAUSE_S)
            return
        self._send(wish, self.dataplane.traffic(source, place, names=names), self._next_port(), 0)

    def _send(self, wish: ClientTarget, traffic: Traffic, port: int, tries: int) -> None:
        outcome = self.dataplane.send(self._as_now(traffic))
        self._tell(self.reporter.tcp(self._as_now(traffic), outcome, port))
        if outcome.result != "timeout":
            self._end(wish, outcome.result, START_PAUSE_S)
        elif tries < len(RETRY_PAUSES_S):
            self.agenda.after(RETRY_PAUSES_S[tries], lambda: self._send(wish, traffic, port, tries + 1))
        else:
            self._end(wish, _how(outcome), START_PAUSE_S)

    def _as_now(self, traffic: Traffic) -> Traffic:
        """The same packet with the labels its ends have now."""
        from flows.fixes.proof import moved

        return moved(traffic, self.dataplane.world)

    def _end(self, wish: ClientTarget, result: str, pause: float) -> None:
        self.attempts[wish].append(result)
        if wish.url or sum(each.pod == wish.pod for each in self.attempts) == 1:
            self.note(wish.pod, wish.url, result == "open")
        self.agenda.after(pause, lambda: self._try(wish))

    def _tell(self, flows: Iterable[Any]) -> None:
        for each in flows:
            self.tell(each)

    def _next_port(self) -> int:
        self._port = self._port + 1 if self._port < LAST_PORT else FIRST_PORT
        return self._port

    # -- what is kept as recorded --------------------------------------------------------------------------------------

    def _play_again(self, wish: ClientTarget) -> None:
        """The recorded flows of the client once more, one recording's length later, for ever."""
        mine = [each for each in self.dataplane.recording.messages if _is_of(each, wish.pod)]
        if not mine:
            return
        first, last = mine[0].time.ToDatetime(), mine[-1].time.ToDatetime()
        length = max((last - first).total_seconds(), START_PAUSE_S) + START_PAUSE_S
        for each in mine:
            offset = (each.time.ToDatetime() - first).total_seconds()
            self.agenda.after(offset, lambda each=each: self.tell(self._dated(each)))  # type: ignore[misc]
        self.agenda.after(length, lambda: self._play_again(wish))

    def _dated(self, message: Any) -> Any:
        again = GetFlowsResponse()
        again.CopyFrom(message)
        for stamp in (again.time, again.flow.time):
            stamp.FromDatetime(self.agenda.now)
        again.flow.uuid = f"{self.reporter.random.getrandbits(128):032x}"
        return again


def _how(outcome: PacketOutcome) -> str:
    return f"denied {outcome.denied.value}" if outcome.denied else "timeout"


def _is_of(message: Any, pod: PodName) -> bool:
    if not message.HasField("flow"):
        return False
    ends = (message.flow.source, message.flow.destination)
    return any((end.namespace, end.pod_name) == pod for end in ends)


# -- what clients want ------------------------------------------------------------------------------------------------


def wishes_of(dataplane: Dataplane, target: ClientTarget | None) -> list[ClientTarget]:
    """Every client of the case, the asked one first."""
    found = [target] if target is not None else []
    for pod in dataplane.of_kind("Pod"):
        named = list(_of_command(pod))
        meant = named or list(_of_flows(dataplane, pod, found))
        for each in meant:
            found += [] if any(_same(each, known) for known in found) else [each]
    if target is not None:
        url = next((each.url for each in _target_commands(dataplane, target) if _same(each, target)), "")
        found[0] = ClientTarget(target.pod, target.host, target.port, url)
    return found[:MAX_CLIENT_TARGETS]


def _target_commands(dataplane: Dataplane, target: ClientTarget) -> Iterator[ClientTarget]:
    pod = dataplane.things.get(("v1", "Pod", *target.pod))
    return _of_command(pod) if pod is not None else iter(())


def _same(one: ClientTarget, other: ClientTarget) -> bool:
    return (one.pod, one.host, one.port) == (other.pod, other.host, other.port)


def _of_command(pod: Thing) -> Iterator[ClientTarget]:
    """URLs in the commands of its containers."""
    name = (str(pod["metadata"].get("namespace")), str(pod["metadata"]["name"]))
    for container in pod["spec"]["containers"]:
        words = [str(each) for each in (*(container.get("command") or ()), *(container.get("args") or ()))]
        for found in URL.finditer(" ".join(words)):
            port = int(found[2]) if found[2] else 443 if found[0].startswith("https") else 80
            yield ClientTarget(name, found[1], port, found[0])


def _of_flows(dataplane: Dataplane, pod: Thing, known: Iterable[ClientTarget]) -> Iterator[ClientTarget]:
    """Recorded connections of a pod whose command says nothing, those behind a known wish left out."""
    name = (str(pod["metadata"].get("namespace")), str(pod["metadata"]["name"]))
    asked = {(wish.host, wish.port) for wish in known if wish.pod == name}
    behind = {place for each in asked for place in _behind(dataplane, *each)}
    for flow in (each.flow for each in dataplane.recording.messages if _is_of(each, name)):
        syn = flow.l4.TCP.flags.SYN and not flow.l4.TCP.flags.ACK
        address = (str(flow.IP.destination), int(flow.l4.TCP.destination_port))
        if syn and flow.source.pod_name == name[1] and address not in behind:
            behind.add(address)
            yield ClientTarget(name, *address)


def _behind(dataplane: Dataplane, host: str, port: int) -> set[tuple[str, int]]:
    """All places a wish may lead to."""
    found = {(host, port)}
    for service in dataplane.of_kind("Service"):
        meta, spec = service["metadata"], service["spec"]
        names = (meta["name"], f"{meta['name']}.{meta['namespace']}", spec.get("clusterIP"))
        if host in names or host == f"{meta['name']}.{meta['namespace']}.svc.cluster.local":
            ports = [each.get("name", "") for each in spec.get("ports") or () if each.get("port") == port]
            found |= {end for each in ports for end in dataplane.backends(meta["namespace"], meta["name"], each)}
    return found


# -- comparing with the recording -------------------------------------------------------------------------------------


def differences(dataplane: Dataplane, pod: PodName) -> Iterator[tuple[Row, str]]:
    """Recorded probes of a pod which the lab's network would answer otherwise, each with what it would say."""
    source = dataplane.source(pod)
    if source is None:
        return
    for row in dataplane.recording.rows(pod, "connect.json"):
        address = str(row.get("address") or row.get("host"))
        if not as_ip(address) or str(row.get("protocol", "tcp")).lower() != "tcp":
            continue
        outcome = dataplane.connect(source, address, int(row["port"]))
        if not outcome.known or outcome.result != row.get("result"):
            yield row, outcome.result if outcome.known else outcome.why


def dns_differs(dataplane: Dataplane, pod: PodName) -> str:
    """In which recorded look-up the lab would say something else; empty where it agrees."""
    rows = {str(each.get("name")).rstrip("."): each for each in dataplane.recording.rows(pod, "dns.json")}
    for name, row in rows.items():
        asked = look_up(dataplane, pod, f"{name}.")
        if asked and (asked[-1].rcode or "none") != (row.get("rcode") or "none"):
            said = row.get("rcode") or row.get("error")
            return f"{name}: recorded {said}, here {asked[-1].rcode or asked[-1].error or asked[-1].why}"
    return ""


# -- logs --------------------------------------------------------------------------------------------------------------


@dataclass
class Diary:
    """Lines that clients add to their logs: the recorded words for the same result, with the present moment."""

    agenda: Agenda
    read: Callable[[PodName], str]
    lines: dict[PodName, list[str]] = field(default_factory=dict)
    _words: dict[tuple[PodName, str, bool], str] = field(default_factory=dict)

    def note(self, pod: PodName, url: str, well: bool) -> None:
        key = (pod, url, well)
        if key not in self._words:
            self._words[key] = _entry(self.read(pod), url, well)
        if self._words[key]:
            moment = self.agenda.now.strftime("%Y-%m-%dT%H:%M:%SZ")
            self.lines.setdefault(pod, []).append(STAMP.sub(moment, self._words[key]))


def _entry(text: str, url: str, well: bool) -> str:
    """The newest recorded entry about the URL (any, where none is known) with that result.

    An entry is a line with a stamp and those that belong to it. Where the client's loop is one of those that write
    `level=error msg="GET …"` and it never succeeded in the recording, its words for success are those of the others.
    """
    entries: list[str] = []
    for line in text.splitlines():
        if STAMP.match(line) or not entries:
            entries.append(line)
        else:
            entries[-1] += f"\n{line}"
    word = "level=info" if well else "level=error"
    mine = [each for each in entries if url in each and word in each]
    if mine or not well or not url:
        return mine[-1] if mine else ""
    failed = [each for each in entries if url in each and STAMP.match(each)]
    return f'{failed[-1][:20]} level=info msg="GET {url}" status="200 0.001000s"' if failed else ""
