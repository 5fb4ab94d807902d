"""Compares a judged connection with the connections tried from inside the pod."""

from __future__ import annotations

from flows.denials.connection import JudgedConnection
from flows.model import Case
from flows.policy import Traffic
from sensors.dns_lookup import Lookups
from sensors.net_connect import ConnectionAttempt, Connects, Role


def probe_says(case: Case, one: JudgedConnection) -> bool | None:
    """Checks whether a connection tried from inside the pod opened; None where this one was not tried."""
    if one.lookup:
        lookups = case.get(Lookups)
        return None if lookups is None else not lookups.no_server_answers
    connects = case.get(Connects)
    attempts = [each for each in connects.doors if _is_this(each, one)] if connects else []
    asked = [each for each in attempts if each.role in (Role.PEER, Role.SERVICE, Role.BACKEND)] or attempts
    return any(each.is_open for each in asked) if asked else None


def is_direct(attempt: ConnectionAttempt, traffic: Traffic) -> bool:
    """Checks whether a try went to the very address, port and protocol of a connection."""
    return traffic.destination.ip in (attempt.host, attempt.address) and _is_attempt(attempt, traffic.port, traffic)


def _is_this(attempt: ConnectionAttempt, one: JudgedConnection) -> bool:
    traffic = one.traffic
    service = bool(traffic.service_ip) and traffic.service_ip in (attempt.host, attempt.address)
    return is_direct(attempt, traffic) or (service and _is_attempt(attempt, traffic.service_port, traffic))


def _is_attempt(attempt: ConnectionAttempt, port: int | None, traffic: Traffic) -> bool:
    return (attempt.port, attempt.over) == (port, traffic.protocol)
