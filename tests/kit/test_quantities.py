"""One grammar for Kubernetes quantities."""

from __future__ import annotations

import pytest

from sensors.kit.quantities import bytes_of


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("128Mi", 128 << 20),
        ("0.5Gi", 512 << 20),
        ("1Ti", 1 << 40),
        ("128M", 128_000_000),
        ("1.5k", 1500),
        ("1e9", 10**9),
        ("12E2", 1200),
        ("1E", 10**18),
        ("100m", 1),
        ("1500m", 2),
        ("178257920", 178257920),
        (".5Ki", 512),
        ("+1Ki", 1024),
        (" 1Ki ", 1024),
    ],
)
def test_a_quantity_is_a_number_of_bytes(written: str, size: int) -> None:
    assert bytes_of(written) == size


@pytest.mark.parametrize("written", [None, "", "lots", "1 Gi", "-1Gi", "1gi", "1Kib", "٣Mi", "1e", "9" * 40, "1e999"])
def test_anything_else_is_none(written: str | None) -> None:
    assert bytes_of(written) is None
