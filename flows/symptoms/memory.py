"""Memory for a DNS server that was killed for having too little."""

from __future__ import annotations

from sensors.kit.quantities import bytes_of

MIN_MEMORY = "170Mi"
"""CoreDNS' own limit in the manifest Kubernetes ships (`cluster/addons/dns/coredns/coredns.yaml.base`)."""

MAX_MEMORY = "1Gi"
"""More than any cluster asks for: with `autopath`, its hungriest plug-in, a pod or Service costs 4 kB (CoreDNS'
`Scaling_CoreDNS.md`), so that 160,000 of them stay below 700 MB. Whoever fills this leaks, or is flooded."""


def sensible_limit(current: str | None) -> str | None:
    """The larger of what CoreDNS ships with and twice what was not enough; None where more memory is no cure."""
    now, least, most = bytes_of(current) or 0, bytes_of(MIN_MEMORY) or 0, bytes_of(MAX_MEMORY) or 0
    if now >= most:
        return None
    return MIN_MEMORY if 2 * now <= least else MAX_MEMORY if 2 * now >= most else _written(2 * now)


def _written(size: int) -> str:
    return f"{size // 2**20}Mi" if size % 2**20 == 0 else str(size)
