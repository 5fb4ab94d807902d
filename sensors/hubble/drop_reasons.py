"""Drop reasons: what each of Cilium's drop numbers means, and where to look next.

Numbers are the truth: agents newer than us send numbers we do not know, and two names in `flow.proto` say something
else than what happened (136, 161; see `misnamed`). Sources: `bpf/lib/drop_reasons.h`, `pkg/monitor/api/drop.go` (the
text) and `api/v1/flow/flow.proto` (the enum) of Cilium 1.19; 206 and 207 from 1.21-dev. Meanings are ours.
The table itself is `drop_reasons.csv`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class DropClass(StrEnum):
    """Part of the datapath that dropped the packet."""

    POLICY = "policy"
    CONNTRACK = "conntrack"
    NAT = "nat"
    SERVICE = "service"
    MTU = "mtu"
    ROUTE = "route"
    IDENTITY = "identity"
    ENCRYPTION = "encryption"
    PROXY = "proxy"
    AUTH = "auth"
    QOS = "qos"
    STARTUP = "startup"
    PACKET = "packet"
    FILTER = "filter"
    HARMLESS = "harmless"
    UNUSED = "unused"
    UNKNOWN = "unknown"


class Noise(StrEnum):
    """Conditions under which a drop of this reason says nothing about a pod that cannot talk."""

    NEVER = "never"
    IPV6 = "ipv6"  # neighbour and multicast chatter of an IPv6 stack nobody uses
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class DropReason:
    """One drop number. `enum` is the name Hubble filters take, `name` the one to show, `text` Cilium's own words."""

    number: int
    enum: str
    text: str
    group: DropClass
    meaning: str
    check: str = ""
    noise: Noise = Noise.NEVER
    misnamed: str = ""  # the honest name, where the enum's is wrong

    @property
    def name(self) -> str:
        return self.misnamed or self.enum


def _table() -> Iterator[DropReason]:
    """The rows of `drop_reasons.csv`; an unknown class or noise in it is an error at once."""
    with open(os.path.join(os.path.dirname(__file__), "drop_reasons.csv"), encoding="utf-8") as table:
        for row in csv.DictReader(table):
            words = row["enum"], row["text"], DropClass(row["group"]), row["meaning"], row["check"]
            yield DropReason(int(row["number"]), *words, Noise(row["noise"] or Noise.NEVER), row["misnamed"])


DROP_REASONS = {each.number: each for each in _table()}
_BY_NAME = {each.enum: each.number for each in DROP_REASONS.values() if each.enum}


def reason(number: int) -> DropReason:
    """Meaning of a drop number; an unknown number is of class `unknown`, with its digits as name."""
    known = DROP_REASONS.get(number)
    return known or DropReason(number, "", "", DropClass.UNKNOWN, "a reason newer than this program")


def number_of(said: str | int) -> int:
    """The number behind `drop_reason_desc`, whether written as enum name, number or digits; 0 = nobody can tell."""
    if isinstance(said, int):
        return said
    if said.isascii() and said.isdigit() and len(said) < 10:
        return int(said)
    return _BY_NAME.get(said, 0)


def name_of(number: int, said: str | int = "") -> str:
    """The honest name of a number; for one we do not know, what the emitter called it, else the digits."""
    known = DROP_REASONS.get(number)
    if known is not None and known.name:
        return known.name
    if isinstance(said, str) and said and not said.isdigit() and said != "DROP_REASON_UNKNOWN":
        return said
    return str(number) if number else ""
