"""How plug-ins say that there is no address left."""

from __future__ import annotations

import pytest

from sensors.topology.sandboxes import says_exhausted


@pytest.mark.parametrize(
    "message",
    [
        "range is full",
        "No more IPs available",
        "failed to allocate for range 0: no IP addresses available in range set: 10.244.1.1-10.244.1.254",
        "add cmd: failed to assign an IP address to container",
        "InsufficientFreeAddressesInSubnet: the specified subnet does not have enough free addresses",
        "No more free affine blocks and strict affinity enabled",
        "NoAvailableAddress",
        "Could not allocate IP in range: ip: 192.168.2.225 / - 192.168.2.230",
        "Failed to allocate address: No available addresses",
    ],
)
def test_exhaustion_in_the_words_of_each_plug_in(message: str) -> None:
    assert says_exhausted(message)


@pytest.mark.parametrize(
    "message", ["unable to connect to Cilium agent", "connection is unauthorized", "context deadline exceeded", ""]
)
def test_other_refusals_are_no_exhaustion(message: str) -> None:
    assert not says_exhausted(message)
