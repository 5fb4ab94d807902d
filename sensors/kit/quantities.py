"""Reads quantities as Kubernetes writes them (`128Mi`, `0.5Gi`, `128M`, `1e9`): the one grammar for all of KAI.

Source: `resource.Quantity` of apimachinery: a decimal number with a decimal or binary suffix, or an exponent.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_QUANTITY = re.compile(
    r"\+?(?P<number>[0-9]{1,18}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<power>[+-]?[0-9]{1,2}))?"
)


def bytes_of(quantity: str | None) -> int | None:
    """A quantity in whole bytes, rounded up as Kubernetes does; None where it is none."""
    found = _QUANTITY.fullmatch(quantity.strip()) if quantity else None
    if found is None:
        return None
    suffix, power = found["suffix"] or "", int(found["power"] or 0)
    factor = Decimal(2 ** _BINARY[suffix]) if suffix in _BINARY else Decimal(10) ** (_DECIMAL[suffix] + power)
    return int((Decimal(found["number"]) * factor).to_integral_value(ROUND_CEILING))
