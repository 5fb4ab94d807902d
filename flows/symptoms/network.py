"""Looks that can exist on this cluster's network.

No rule of its own: nobody is asked for Hubble on a network other than Cilium, nor held to be blind without it.
"""

from __future__ import annotations

from flows.model import Case

CILIUM_ONLY = ("hubble.capture_flows",)


def can_exist(case: Case, sensor: str) -> bool:
    """False where the network plug-in is known and brings nothing that this sensor could read."""
    cni = case.environment.cni
    return sensor not in CILIUM_ONLY or cni in (None, "", "cilium") or case.environment.flow_source is not None
