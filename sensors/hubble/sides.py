"""Sides of a flow: as they are written, and with their address as records have them."""

from __future__ import annotations

import msgspec

from sensors.hubble.records import FlowEndpoint, Workload


class Side(msgspec.Struct, frozen=True, gc=False):
    """One side of a flow without its address and port, as it is written."""

    ID: int = 0
    identity: int = 0
    cluster_name: str = ""
    namespace: str = ""
    labels: tuple[str, ...] = ()
    pod_name: str = ""
    workloads: tuple[Workload, ...] = ()


def endpoint(side: Side, ip: str, names: tuple[str, ...], service: str) -> FlowEndpoint:
    """A side of a flow with its address. Its reader keeps it, for the same text comes again and again."""
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
