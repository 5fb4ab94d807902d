"""How much memory a DNS server should have that was killed for having too little."""

from __future__ import annotations

from sensors.kit.quantities import bytes_of

LEAST = "170Mi"
"""CoreDNS' own limit in the manifest Kubernetes ships (`cluster/addons/dns/coredns/coredns.yaml.base`)."""


def sensible_limit(current: str | None) -> str:
    """The larger of what CoreDNS ships with and twice what was not enough."""
    now = bytes_of(current) or 0
    return LEAST if 2 * now <= (bytes_of(LEAST) or 0) else _written(2 * now)


def _written(size: int) -> str:
    return f"{size // 2**20}Mi" if size % 2**20 == 0 else str(size)
