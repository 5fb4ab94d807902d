"""What the connections tried from inside the pod say of a judged one."""

from __future__ import annotations

from flows.denials.connection import JudgedConnection
from flows.model import Case
from flows.policy import Traffic
from sensors.dns_lookup import Lookups
from sensors.net_connect import ConnectionAttempt, Connects, Role


def probe_says(case: Case, one: JudgedConnection) -> bool | None:
    """Whether a connection tried from inside the pod opened; None where this one was not tried."""
    if one.lookup:
        lookups = case.get(Lookups)
        return None if lookups is None else not lookups.no_server_answers
    connects = case.get(Connects)
    doors = [each for each in connects.doors if _is_this(each, one)] if connects else []
    asked = [each for each in doors if each.role in (Role.PEER, Role.SERVICE, Role.BACKEND)] or doors
    return any(each.is_open for each in asked) if asked else None


def is_direct(door: ConnectionAttempt, traffic: Traffic) -> bool:
    """Whether a try went to the very address, port and protocol of a connection."""
    return traffic.destination.ip in (door.host, door.address) and _is_attempt(door, traffic.port, traffic)


def _is_this(door: ConnectionAttempt, one: JudgedConnection) -> bool:
    traffic = one.traffic
    service = bool(traffic.service_ip) and traffic.service_ip in (door.host, door.address)
    return is_direct(door, traffic) or (service and _is_attempt(door, traffic.service_port, traffic))


def _is_attempt(door: ConnectionAttempt, port: int | None, traffic: Traffic) -> bool:
    return (door.port, door.over) == (port, traffic.protocol)
