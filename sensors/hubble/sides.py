"""Sides of a flow: the same few come again and again, so each is one object."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from sensors.hubble.records import FlowEndpoint, Workload


class Side(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One side of a flow without its address and port, as `read_sides` reads it: one object for one text."""

    ID: int = 0
    identity: int = 0
    cluster_name: str = ""
    namespace: str = ""
    labels: tuple[str, ...] = ()
    pod_name: str = ""
    workloads: tuple[Workload, ...] = ()


@lru_cache(maxsize=4096)
def endpoint(side: Side, ip: str, names: tuple[str, ...], service: str) -> FlowEndpoint:
    """A side of a flow with its address, always as the same object."""
    return FlowEndpoint(
        ip,
        side.identity,
        side.labels,
        side.namespace,
        side.pod_name,
        side.workloads,
        names,
        service,
        side.ID,
        side.cluster_name,
    )
