"""Reads a pod's resolv.conf: whom it asks, with which search list and options."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sensors.kit.model import Blind

USUAL_DOMAIN = "cluster.local"


@dataclass(frozen=True, slots=True)
class Resolver:
    """The pod's resolv.conf. `ndots` 1 is the resolver's default where the file sets none; `domain` is the cluster's
    DNS domain as read from the search list, None where the list has no `svc.` entry."""

    nameservers: tuple[str, ...]
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    ndots: int = 1
    domain: str | None = None


def parse_resolv_conf(text: str) -> Resolver:
    """resolv.conf(5): the last `search` (or `domain`) counts, `options` add up. Raises `Blind` without a nameserver."""
    lines = [line.split() for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "#;"]
    servers = tuple(words[1] for words in lines if words[0] == "nameserver" and len(words) > 1)
    if not servers:
        raise Blind("resolv.conf names no nameserver")
    searches = [words[1:] for words in lines if words[0] in ("search", "domain")]
    search = tuple(plain_name(each) for each in searches[-1]) if searches else ()
    options = tuple(word for words in lines if words[0] == "options" for word in words[1:])
    return Resolver(servers, search, options, _ndots(options), _domain(search))


def nameservers_in(text: str) -> tuple[str, ...]:
    """The nameservers of a resolv.conf; none where it names none."""
    try:
        return parse_resolv_conf(text).nameservers
    except Blind:
        return ()


def _ndots(options: Iterable[str]) -> int:
    said = [each.removeprefix("ndots:") for each in options if each.startswith("ndots:")]
    return min(int(said[-1]), 15) if said and said[-1].isdecimal() else 1


def _domain(search: Iterable[str]) -> str | None:
    return next((each.removeprefix("svc.") for each in search if each.startswith("svc.")), None)


def plain_name(name: str) -> str:
    """A DNS name as it is compared: lower case, without the dot at its end."""
    return name.lower().rstrip(".")
