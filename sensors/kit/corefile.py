"""The configuration of CoreDNS: its server blocks, and what the directives in them do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sensors.kit import Blind, Object
from sensors.kit.objects import (
    items,
    mapping,
    name_of,
    named,
    namespace_of,
    one_line,
    text,
)


@dataclass(frozen=True, slots=True)
class Forward:
    """A `forward` line: questions for `zone` go to `upstreams` (addresses, or a resolv.conf path)."""

    zone: str
    upstreams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corefile:
    """The DNS servers' configuration. `zones` are the server blocks' keys, `cluster_zones` what the kubernetes plugin
    serves, `plugins` the directives used anywhere, `rewrites` the lines of rewrite, template and hosts."""

    config_map: str
    zones: tuple[str, ...]
    cluster_zones: tuple[str, ...]
    plugins: tuple[str, ...]
    forwards: tuple[Forward, ...]
    cache_seconds: int | None
    rewrites: tuple[str, ...] = ()
    text: str = field(default="", metadata={"report": False})


def find_corefile(server: Object | None, config_maps: Iterable[Object] | None) -> tuple[Corefile | None, str]:
    """The ConfigMap that the DNS servers mount (else the one named `coredns`), parsed; or why there is none."""
    mounted = [text(each, "configMap", "name") for each in items(server, "spec", "template", "spec", "volumes")]
    candidates = [each for each in config_maps or () if "Corefile" in mapping(each, "data")]
    for name in (*mounted, "coredns"):
        found = named(candidates, name)
        if found is not None:
            config_map = f"{namespace_of(found)}/{name_of(found)}"
            return _parsed(text(found, "data", "Corefile"), config_map)
    return None, "no ConfigMap with a Corefile was found"


def _parsed(said: str, config_map: str) -> tuple[Corefile | None, str]:
    try:
        return parse_corefile(said, config_map), ""
    except Blind as why:
        return None, str(why)


def parse_corefile(said: str, config_map: str = "") -> Corefile:
    """Server blocks and their directives. Raises `Blind` where no server block is found."""
    rows = list(_directives(said))
    if not any(words for _, words in rows):
        raise Blind(f"the Corefile of {config_map or 'CoreDNS'} holds no server block")
    named_ = [(zone, words) for zone, words in rows if words]
    caches = [int(words[1]) for _, words in named_ if words[0] == "cache" and len(words) > 1 and words[1].isdecimal()]
    return Corefile(
        config_map=config_map,
        zones=tuple(dict.fromkeys(zone for zone, _ in rows if not zone.startswith("("))),
        cluster_zones=tuple(dict.fromkeys(zone for _, words in named_ for zone in _cluster_zones(words))),
        plugins=tuple(dict.fromkeys(words[0] for _, words in named_)),
        forwards=tuple(_forward(words) for _, words in named_ if words[0] in ("forward", "proxy") and len(words) > 1),
        cache_seconds=caches[0] if caches else None,
        rewrites=tuple(one_line(" ".join(words)) for _, words in named_ if words[0] in REWRITING),
        text=said,
    )


REWRITING = frozenset({"rewrite", "template", "hosts", "file", "alias"})


def _directives(said: str) -> Iterable[tuple[str, list[str]]]:
    """(zones of the server block, words) for each directive right inside a server block; braces nest."""
    depth, zone = 0, ""
    for line in said.splitlines():
        words = line.partition("#")[0].replace("{", " { ").replace("}", " } ").split()
        bare = [each for each in words if each not in "{}"]
        if depth == 0 and "{" in words:
            zone = " ".join(bare)
            yield zone, []
        elif depth == 1 and bare:
            yield zone, bare
        depth = max(depth + words.count("{") - words.count("}"), 0)


def _cluster_zones(words: list[str]) -> list[str]:
    return [each for each in words[1:] if not each.endswith(".arpa")] if words[0] == "kubernetes" else []


def _forward(words: list[str]) -> Forward:
    return Forward(words[1], tuple(words[2:]))
