"""What the connections tried from inside the pod say of a judged one."""

from __future__ import annotations

from flows.denials.connection import JudgedConnection
from flows.model import Case
from sensors.dns_lookup import Lookups
from sensors.net_connect import Connects, Door, Role


def probe_says(case: Case, one: JudgedConnection) -> bool | None:
    """Whether a connection tried from inside the pod opened; None where this one was not tried."""
    if one.lookup:
        lookups = case.get(Lookups)
        return None if lookups is None else not lookups.no_server_answers
    connects = case.get(Connects)
    doors = [each for each in connects.doors if _is_this(each, one)] if connects else []
    asked = [each for each in doors if each.role in (Role.PEER, Role.SERVICE, Role.BACKEND)] or doors
    return any(each.is_open for each in asked) if asked else None


def _is_this(door: Door, one: JudgedConnection) -> bool:
    traffic, named = one.traffic, (door.host, door.address)
    direct = traffic.destination.ip in named and door.port == traffic.port
    service = bool(traffic.service_ip) and traffic.service_ip in named and door.port == traffic.service_port
    return door.over == traffic.protocol and (direct or service)
