"""The facts of a look in few words: `key: value` pairs without quotes, noise and what is empty."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

MAX_LIST_ENTRIES = 5
"""Entries of one list; how many more there are is said."""

MAX_DEPTH = 6
MANY_ZEROS = 3
NOISE = frozenset(
    (
        *("began", "identities", "source_identity", "destination_identity", "identity_labels", "pod-template-hash"),
        *("memory", "metrics", "garbage", "first_garbage", "truncated", "cut_short", "attempts_dropped", "flows_read"),
        *("heartbeat", "kubelet", "kernel", "conditions", "namespace_labels", "session_affinity"),
        *("internal_traffic_policy", "search_restart", "clash_resolve", "chaintoolong", "left_out", "probed"),
    )
)
"""Keys that tell nothing about why a pod cannot talk, or that another key tells better."""

PRIVATE = frozenset(("env", "environment", "data", "binaryData", "stringData", "args", "command", "httpHeaders"))
"""Keys whose values never leave."""

_LEFT_OUT = NOISE | PRIVATE
_FRACTION = re.compile(r"(?<=T\d\d:\d\d:\d\d)\.\d+(?=Z)")
_OWN_LABEL = re.compile(r"io\.cilium|io\.kubernetes")

Washing = Callable[[object], str]


def digest(facts: Mapping[str, Any], wash: Washing, longest: int) -> str:
    """Facts as one line of at most `longest` characters, cut at a whole entry where there is one; empty for nothing."""
    if longest <= 0:
        return ""
    line = "; ".join(_enough(_pairs(facts, wash, 0), longest))
    if len(line) <= longest:
        return line
    kept = line[: longest - 1]
    return f"{kept[: max(kept.rfind('; '), kept.rfind(', '), longest // 2)]}…"


def _enough(pairs: Iterable[str], longest: int) -> Iterator[str]:
    """As many as show whether the line has to be cut: what would be cut off anyway is not washed."""
    left = longest
    for each in pairs:
        yield each
        left -= len(each)
        if left < 0:
            return


def _pairs(facts: Mapping[str, Any], wash: Washing, depth: int) -> Iterator[str]:
    """`key: value` for what tells something; more than a few zeros are counted."""
    kept = {key: value for key, value in facts.items() if key not in _LEFT_OUT and not _is_empty(value)}
    zeros = [key for key, value in kept.items() if value == 0 and not isinstance(value, bool)]
    many = len(zeros) > MANY_ZEROS
    for key, value in kept.items():
        if not (many and key in zeros) and (said := _value(value, wash, depth)):
            yield f"{wash(key)}: {said}"
    if many:
        yield f"{len(zeros)} other counters: 0"


def _value(value: Any, wash: Washing, depth: int) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(_pairs(value, wash, depth + 1)) if depth < MAX_DEPTH else ""
        return f"{{{inside}}}" if inside else ""
    if isinstance(value, list | tuple):
        return _items(value, wash, depth)
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return _FRACTION.sub("", wash(value))


def _items(values: Iterable[Any], wash: Washing, depth: int) -> str:
    own = [each for each in values if not _is_noise(each)]
    said = [word for each in own[:MAX_LIST_ENTRIES] if (word := _value(each, wash, depth + 1))]
    more = [f"{len(own) - MAX_LIST_ENTRIES} more"] if len(own) > MAX_LIST_ENTRIES else []
    return f"[{', '.join([*said, *more])}]" if said else ""


def _is_noise(value: Any) -> bool:
    """Labels that Cilium adds, and events that tell of the usual course of things."""
    if isinstance(value, Mapping):
        return value.get("type") == "Normal" and "reason" in value
    return isinstance(value, str) and _OWN_LABEL.search(value) is not None


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, list | tuple | Mapping) and not value)
