"""Begin of the fault, the change before it, and the loss: from the evidence of a diagnosis, as far as it was measured.

It reads reported facts, so that a diagnosis that was kept says the same as one just made. What the evidence does not
show is left empty: an unmeasured beginning is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.report.sanitize import clean
from flows.causes import CAUSES, Layer
from flows.model import Diagnosis
from sensors.kit.managers import made_with
from sensors.kit.reported import reported

FAILED = ("dropped", "refused", "unanswered", "reset", "denied")
"""Outcomes of connections that came to nothing (`sensors.hubble.outcomes.ConnectionOutcome`)."""

DNS_PORT = 53

RING_EDGE = timedelta(seconds=3)
"""A failure this close to the oldest hubble flow of its node may have begun before anything was remembered."""

CAUSES_WITHIN = timedelta(minutes=10)
"""A change this long before the first drop is named as what came before it; an older one is not."""

CLOCKS = timedelta(seconds=2)
"""Changes carry whole seconds, and a node's clock may be a little ahead of the API server's."""


@dataclass(frozen=True, slots=True)
class FailedConnections:
    """The connections to the requested peer that came to nothing, added up.

    `packets` and `dropped` (connection attempts) are of drops; `attempts` by outcome are of the others. `since` is the
    first failure and `last` the newest; `at_least`: hubble remembers nothing older, so it may have begun earlier.
    """

    address: str
    port: int | None
    protocol: str
    since: datetime
    at_least: bool
    packets: int
    dropped: int
    attempts: Mapping[str, int]
    last: datetime | None = None

    @property
    def wire(self) -> str:
        """`172.30.0.11 TCP 6443`: where the packets really went."""
        return " ".join(filter(None, (self.address, self.protocol, str(self.port or ""))))

    def lost(self) -> str:
        """`847 packets dropped in 820 connection attempts`."""
        parts = [f"{_count(self.packets, 'packet')} dropped in {_tries(self.dropped)}"] if self.packets else []
        parts += [f"{_tries(count)} {outcome}" for outcome, count in self.attempts.items() if count]
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class ComponentChange:
    """A change of the object that the verdict names. `how`: `with kubectl apply`; empty where nobody wrote it down."""

    at: datetime
    kind: str
    name: str
    how: str

    def __str__(self) -> str:
        return f"{self.name} was {self.kind}{f' {self.how}' if self.how else ''}"


def since(it: Diagnosis) -> str:
    """`21:09:53 UTC, 2 s after strict-egress was created with kubectl apply`; empty where no beginning was seen."""
    failed, change = failed_connections(it), last_change(it)
    if failed is None:
        return f"{change.at:%H:%M:%S} UTC: {change}" if change and change.kind == "changed" else ""
    begin = f"{failed.since:%H:%M:%S} UTC"
    if change is not None:
        return f"{begin}, {_after(failed.since, change)}"
    return f"{begin} at the latest" if failed.at_least else begin


def _after(moment: datetime, change: ComponentChange) -> str:
    seconds = (moment - change.at).total_seconds()
    return f"{f'{seconds:.0f} s' if seconds >= 1 else 'less than a second'} after {change}"


def last_change(it: Diagnosis) -> ComponentChange | None:
    """The newest change of the verdict's component before the first failure, and not long before it.

    Where a policy drops what another object (a namespace's label) should let pass, it is the newest change of a policy.
    """
    failed = failed_connections(it)
    if it.component is None:
        return None
    latest = failed.since + CLOCKS if failed else None
    seen = component_changes(it) if not _is_policy_elsewhere(it) else policy_changes(it)
    found = [each for each in seen if latest is None or latest - CAUSES_WITHIN <= each.at <= latest]
    return max(found, key=lambda each: each.at, default=None)


def _is_policy_elsewhere(it: Diagnosis) -> bool:
    cause = CAUSES.get(it.cause_class)
    by_policy = cause is not None and cause.layer is Layer.POLICY
    return by_policy and it.component is not None and not _is_policy(it.component.kind)


def _is_policy(kind: object) -> bool:
    return isinstance(kind, str) and kind.endswith("NetworkPolicy")


def component_changes(it: Diagnosis) -> tuple[ComponentChange, ...]:
    """Every change of the verdict's component that the evidence holds."""
    wanted = it.component and (it.component.kind, it.component.namespace, it.component.name)
    return tuple(change for about, change in _changes(it) if about == wanted)


def policy_changes(it: Diagnosis) -> tuple[ComponentChange, ...]:
    """Every change of any policy that the evidence holds."""
    return tuple(change for about, change in _changes(it) if _is_policy(about[0]))


def every_change(it: Diagnosis) -> tuple[ComponentChange, ...]:
    """Every change that the evidence holds, newest first."""
    return tuple(sorted((change for _, change in _changes(it)), key=lambda each: each.at, reverse=True))


def _changes(it: Diagnosis) -> Iterator[tuple[tuple[Any, ...], ComponentChange]]:
    """Each change behind its kind, namespace and name."""
    for each in rows(facts_of(it, "k8s.recent_changes"), "changes"):
        about, at = each.get("about"), moment_of(each.get("at"))
        if at is not None and isinstance(about, Mapping):
            key = tuple(about.get(part) for part in ("kind", "namespace", "name"))
            name = clean(key[2] or "", 100) if _is_policy(key[0]) else clean(f"{key[0]} {key[2]}", 120)
            kind, manager = clean(each.get("kind") or "changed", 20), clean(each.get("manager") or "", 60)
            yield key, ComponentChange(at, kind, name, made_with(manager))


# -- which connections -------------------------------------------------------------------------------------------------


def failed_connections(it: Diagnosis) -> FailedConnections | None:
    """The failures that the verdict is about: of look-ups where DNS is the cause, else of the requested peer."""
    found = meant_connections(it)
    beginnings = [at for each in found if (at := _begin(each)) is not None]
    if not found or not beginnings:
        return None
    end = found[0].get("destination")
    peer = end if isinstance(end, Mapping) else {}
    address, port, protocol = clean(peer.get("ip") or "", 60), found[0].get("port"), clean(found[0].get("protocol"), 10)
    first = min(beginnings)
    dropped, attempts = _attempts(found)
    packets = sum(_number(each.get("packets_dropped")) for each in found)
    edge = _oldest(it, found)
    at_least = edge is not None and first - edge <= RING_EDGE
    number = port if isinstance(port, int) else None
    last = max((at for each in found if (at := _end(each)) is not None), default=None)
    return FailedConnections(address, number, protocol, first, at_least, packets, dropped, attempts, last)


def meant_connections(it: Diagnosis) -> list[Mapping[str, Any]]:
    """Those failures themselves, as reported."""
    return [each for each in connections(it) if each.get("outcome") in FAILED and _is_meant(each, it)]


def _attempts(found: list[Mapping[str, Any]]) -> tuple[int, dict[str, int]]:
    """Connection attempts that were dropped, and those that failed otherwise, by how."""
    dropped = sum(_number(each.get("dropped")) for each in found)
    return dropped, {name: sum(_number(each.get(name)) for each in found) for name in FAILED if name != "dropped"}


def _begin(each: Mapping[str, Any]) -> datetime | None:
    return moment_of(each.get("first_drop")) or moment_of(each.get("first"))


def _end(each: Mapping[str, Any]) -> datetime | None:
    return moment_of(each.get("last_drop")) or moment_of(each.get("last"))


def _is_meant(each: Mapping[str, Any], it: Diagnosis) -> bool:
    """Is it a connection that the verdict is about? Failures of other peers say nothing about this one."""
    cause = CAUSES.get(it.cause_class)
    about_dns = it.cause_class == "policy.dns_blocked" or (cause is not None and cause.layer is Layer.DNS)
    if about_dns or each.get("port") == DNS_PORT:
        return about_dns and each.get("port") == DNS_PORT
    if it.target.to_host is None:
        return bool(each.get("packets_dropped"))
    return _is_requested(each, it)


def _is_requested(each: Mapping[str, Any], it: Diagnosis) -> bool:
    peer = each.get("destination")
    if not isinstance(peer, Mapping):
        return False
    names = peer.get("names")
    known = it.target.to_host in names if isinstance(names, list) else False
    return known or peer.get("ip") in _requested_addresses(it)


def _requested_addresses(it: Diagnosis) -> frozenset[str]:
    """The requested host and every address behind it: what was resolved, tried, and stands in the endpoints."""
    found = {it.target.to_host}
    for each in rows(facts_of(it, "net.connect"), "doors"):
        if each.get("about") == "asked":
            found |= {each.get("host"), each.get("address")}
    services = facts_of(it, "k8s.services")
    asked = services.get("asked")
    wanted = asked.get("service") if isinstance(asked, Mapping) else None
    for service in rows(services, "services"):
        if isinstance(wanted, Mapping) and all(service.get(key) == wanted.get(key) for key in ("namespace", "name")):
            found |= {each.get("ip") for each in rows(service, "endpoints")}
    return frozenset(each for each in found if isinstance(each, str))


def _oldest(it: Diagnosis, found: list[Mapping[str, Any]]) -> datetime | None:
    """The oldest flow that any node that saw the failures remembers."""
    nodes = {node for each in found for node in each.get("nodes") or () if isinstance(node, str)}
    memory = rows(facts_of(it, "hubble.capture_flows"), "memory")
    begins = [moment_of(each.get("first")) for each in memory if not nodes or each.get("node") in nodes]
    return min((each for each in begins if each is not None), default=None)


# -- reported facts ----------------------------------------------------------------------------------------------------


def connections(it: Diagnosis) -> Iterator[Mapping[str, Any]]:
    """The pod's connections as Hubble saw them, those with drops first."""
    yield from rows(facts_of(it, "hubble.capture_flows"), "connections")


def facts_of(it: Diagnosis, sensor: str) -> Mapping[str, Any]:
    """The reported facts of one sensor; empty where it saw nothing."""
    return next((reported(each) for each in it.evidence.values() if each.sensor == sensor), {})


def rows(facts: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """The entries of one list of facts, as far as they are mappings."""
    found = facts.get(name)
    yield from (each for each in found if isinstance(each, Mapping)) if isinstance(found, list) else ()


def moment_of(value: object) -> datetime | None:
    """A reported time in UTC; None for anything that is none."""
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC) if value else None
    except (ValueError, OverflowError):
        return None


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _tries(count: int) -> str:
    return _count(count, "connection attempt")


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
