"""Reads YAML as kubectl writes it three times as fast as PyYAML does: straight from the events of its C parser.

PyYAML makes a node of everything before it makes the value, and asks some forty patterns what each scalar is.
Here a scalar that was met before is known. What kubectl never writes (anchors, tags, merge keys, keys that are no
scalars) and what cannot be read at all is left to PyYAML, with its own words for what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml
from yaml import events

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # some builds of PyYAML are without libyaml

LONGEST_KNOWN = 64
"""Characters of a scalar that is worth remembering; names, numbers and times are shorter."""

_PYYAML = yaml.SafeLoader("")
"""Says what a scalar is and what it is worth; nothing of a text stays in it."""


class _Unusual(Exception):
    """Something that kubectl does not write."""


def documents_in(text: str) -> tuple[list[Any], bool]:
    """Documents of a text, empty ones left out, and whether any of them may hold an alias. Raises `yaml.YAMLError`."""
    try:
        return [each for each in _Usual(text).documents() if each is not None], False
    except (_Unusual, yaml.YAMLError, TypeError, ValueError, RecursionError):
        return [each for each in yaml.load_all(text, LOADER) if each is not None], True


class _Usual:
    """One pass over the events of a text. Raises `_Unusual` at the first event that needs more than this."""

    def __init__(self, text: str) -> None:
        self._next = LOADER(text).get_event

    def documents(self) -> Iterator[Any]:
        while type(event := self._next()) is not events.StreamEndEvent:
            if type(event) is events.DocumentStartEvent:
                yield self._value(self._next())

    def _value(self, event: Any) -> Any:
        kind = type(event)
        if kind is events.AliasEvent or event.anchor is not None or event.tag is not None:
            raise _Unusual
        if kind is events.ScalarEvent:
            return _plain(event.value) if event.implicit[0] else event.value
        return self._mapping() if kind is events.MappingStartEvent else self._sequence()

    def _mapping(self) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        while type(event := self._next()) is not events.MappingEndEvent:
            key = self._value(event)
            found[key] = self._value(self._next())
        return found

    def _sequence(self) -> list[Any]:
        found: list[Any] = []
        while type(event := self._next()) is not events.SequenceEndEvent:
            found.append(self._value(event))
        return found


def _plain(text: str) -> Any:
    """The value of a scalar without quotes: a text, a number, a time, true, false or null."""
    return _known(text) if len(text) <= LONGEST_KNOWN else _resolved(text)


def _resolved(text: str) -> Any:
    tag = _PYYAML.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    if tag not in _PYYAML.yaml_constructors:
        raise _Unusual  # `<<` and `=`
    return _PYYAML.yaml_constructors[tag](_PYYAML, yaml.ScalarNode(tag, text))


_known = lru_cache(maxsize=8192)(_resolved)
