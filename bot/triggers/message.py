"""A message somebody points at: which pod and which namespace does it speak of? Labels first, then names alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bot.store import OriginKind
from bot.triggers.commands import Command, Fill, Investigate, Misread
from bot.triggers.slack_text import words_of
from bot.triggers.slash import name, pod_word
from bot.triggers.trigger import Payload, Trigger

MAX_DEPTH = 8
MAX_SEARCHED_CHARS = 8000
"""Characters of a message that are searched."""

_VALUE = r"[ \t\"'`*]*[:=][ \t\"'`*]*([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?![\w/])"
_POD = re.compile(rf"(?im)(?<![\w-])(?:kube_)?pod(?:_name|name)?{_VALUE}")
_NAMESPACE = re.compile(rf"(?im)(?<![\w-])(?:kube_|exported_)?(?:namespace|ns)(?:_name)?{_VALUE}")
_BOTH = re.compile(
    r"(?<![\w/.-])([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?![\w/])"
)
_NAME = re.compile(r"(?<![\w./-])[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?![\w/])")
_PARAGRAPHS = ("rich_text_section", "rich_text_preformatted", "rich_text_quote")
_NOT_SHOWN = frozenset(
    {
        *("block_id", "action_id", "type", "subtype", "ts", "user", "channel", "team", "url", "value", "id", "color"),
        *("bot_id", "app_id", "bot_profile", "username", "previous_message", "edited", "footer_icon"),
    }
)


def text_of(message: Mapping[str, Any]) -> str:
    """Everything a reader sees: text, blocks, attachments with their fields. Bounded, whatever is sent."""
    return words_of("\n".join(_texts(message, 0)))[:MAX_SEARCHED_CHARS]


def parse(message: Mapping[str, Any]) -> Fill:
    """Pod and namespace as far as labels, or `namespace/pod`, name exactly one; empty where they do not."""
    text = text_of(message)
    pod, namespace = _only(_POD.findall(text)), _only(_NAMESPACE.findall(text))
    if not (pod and namespace):
        space, name = _pair(text)
        if name and pod in ("", name) and namespace in ("", space):
            return Fill(name, space)
    return Fill(pod, namespace)


def match(message: Mapping[str, Any], pods: Iterable[tuple[str, str]]) -> Fill:
    """The pod that exists (`pods`: namespace, name) and is named in the message; empty when none or several are."""
    names = set(_NAME.findall(text_of(message)))
    found = sorted({(space, pod) for space, pod in pods if pod in names})
    if len(found) > 1:
        found = [each for each in found if each[0] in names]
    return Fill(found[0][1], found[0][0]) if len(found) == 1 else Fill()


def _only(found: list[str]) -> str:
    """One value, however often it is said."""
    return found[0] if len(set(found)) == 1 else ""


def _pair(text: str) -> tuple[str, str]:
    pairs = {each for each in _BOTH.findall(text) if "-" in each[1]}
    return next(iter(pairs)) if len(pairs) == 1 else ("", "")


def _texts(value: Any, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        yield from _of_mapping(value, depth)
    elif isinstance(value, list):
        for each in value[:100]:
            yield from _texts(each, depth + 1)


def _of_mapping(value: Mapping[str, Any], depth: int) -> Iterator[str]:
    if value.get("type") in _PARAGRAPHS and isinstance(value.get("elements"), list):
        yield _paragraph(value["elements"])
        return
    if isinstance(value.get("title"), str) and isinstance(value.get("value"), str):
        yield f"{value['title']}: {value['value']}"  # a field of an attachment
    for field, each in value.items():
        if field in _NOT_SHOWN:
            continue
        if isinstance(each, str):
            yield each
        else:
            yield from _texts(each, depth + 1)


def _paragraph(elements: list[Any]) -> str:
    """Rich text, whose words stand side by side."""
    words = (each.get("text") or each.get("url") for each in elements[:100] if isinstance(each, Mapping))
    return "".join(each for each in words if isinstance(each, str))


def read(message: Payload) -> Command:
    """The question about the pod that the message names, else the form with what it does name."""
    return complete(parse(message))


def complete(fill: Fill) -> Investigate | Fill:
    """The question, if pod and namespace are there and could be names."""
    try:
        return Investigate(pod_word(fill.pod), name(fill.namespace, "namespace"))
    except Misread:
        return fill


TRIGGER = Trigger("message", OriginKind.SHORTCUT, read)
