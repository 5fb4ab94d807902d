"""Addresses at which clouds hand out credentials: nothing is sent there, and no fix may open them.

From their own manuals: AWS (instance, task and pod identity), Google, Azure, Alibaba, Oracle. The probe carries the
same table, for it runs as a file of its own on a node; a test holds the two together.
"""

from __future__ import annotations

from ipaddress import ip_address

METADATA_ADDRESSES = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
        ),
    )
)
