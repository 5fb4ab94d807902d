"""Incidents that could have been made in the same lab and were not recorded. Synthetic, from real shapes."""

from __future__ import annotations

from tests.flows.variants import corners, dataplanes, meshes, names, nodes, policies, services, shapes
from tests.flows.variants.catalog import VARIANTS, Variant


def every() -> dict[str, Variant]:
    assert names, (corners, dataplanes, meshes, nodes, policies, services, shapes)
    return VARIANTS
