"""Finds what Slack would refuse before it is sent: sizes of texts, blocks and whole messages.

Sources: the Block Kit reference, and public bug reports for the two limits that Slack does not document: about 13,200
characters of text in all blocks of a message, and one table in a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bot.report.blocks import Said

Json = Mapping[str, Any]

MAX_BLOCK_CHARS = 12_000
"""Characters of text in all blocks of a message; Slack refuses somewhere above 13,170."""

TEXT = 4_000
BLOCKS, VIEW_BLOCKS = 50, 100


def problems(said: Said) -> tuple[str, ...]:
    """Problems that Slack would see in a message, each with its place; empty when nothing."""
    return tuple(_message(said))


def view_problems(view: Json) -> tuple[str, ...]:
    """The same for a modal or a home tab."""
    return tuple(_view(view))


def length(value: Any) -> int:
    """Characters of all texts in some blocks."""
    if isinstance(value, Mapping):
        own = sum(len(each) for name, each in value.items() if name in ("text", "title") and isinstance(each, str))
        return own + sum(length(each) for each in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return sum(map(length, value))
    return 0


def _message(said: Said) -> Iterator[str]:
    if not said.text.strip():
        yield "a message without text is silence for a screen reader"
    if len(said.text) > TEXT:
        yield f"text: {len(said.text)} characters, {TEXT} at most"
    yield from _blocks(said.blocks, BLOCKS)
    if (total := length(list(said.blocks))) > MAX_BLOCK_CHARS:
        yield f"{total} characters in all blocks, {MAX_BLOCK_CHARS} at most"
    if sum(block.get("type") in ("table", "data_table") for block in said.blocks) > 1:
        yield "more than one table"


def _view(view: Json) -> Iterator[str]:
    for name in ("title", "submit", "close"):
        if name in view:
            yield from _text(view[name], name, 24)
    if len(view.get("private_metadata", "")) > 3000:
        yield "private_metadata: 3000 characters at most"
    yield from _blocks(view["blocks"], VIEW_BLOCKS)


def _blocks(blocks: Sequence[Json], most: int) -> Iterator[str]:
    if len(blocks) > most:
        yield f"{len(blocks)} blocks, {most} at most"
    for number, block in enumerate(blocks):
        yield from _block(block, f"blocks[{number}]")


def _block(block: Json, place: str) -> Iterator[str]:
    check = _CHECKS.get(block.get("type", ""))
    if check is None:
        yield f"{place}: no block of KAI's is a {block.get('type')!r}"
    else:
        yield from check(block, f"{place} ({block['type']})")
    if len(block.get("block_id", "")) > 255:
        yield f"{place}: block_id, 255 characters at most"


def _text(text: Json, place: str, most: int) -> Iterator[str]:
    words = text.get("text", "")
    if not words:
        yield f"{place}: empty"
    if len(words) > most:
        yield f"{place}: {len(words)} characters, {most} at most"


def _section(block: Json, place: str) -> Iterator[str]:
    if "text" in block:
        yield from _text(block["text"], place, 3000)
    fields = block.get("fields", ())
    if len(fields) > 10 or not (fields or "text" in block):
        yield f"{place}: between one and ten fields, or a text"
    for field in fields:
        yield from _text(field, f"{place} field", 2000)
    if "accessory" in block:
        yield from _element(block["accessory"], place)


def _header(block: Json, place: str) -> Iterator[str]:
    yield from _text(block["text"], place, 150)


def _context(block: Json, place: str) -> Iterator[str]:
    yield from _count(block["elements"], place, 10)
    for each in block["elements"]:
        yield from _text(each, place, 3000)


def _actions(block: Json, place: str) -> Iterator[str]:
    yield from _count(block["elements"], place, 25)
    for each in block["elements"]:
        yield from _element(each, place)


def _feedback(block: Json, place: str) -> Iterator[str]:
    yield from _count(block["elements"], place, 5)
    for each in block["elements"]:
        for name in ("positive_button", "negative_button"):
            yield from _element({"type": "button", **each[name]}, f"{place} {name}")


def _element(element: Json, place: str) -> Iterator[str]:
    for name, most in (("action_id", 255), ("value", 2000), ("accessibility_label", 75), ("url", 3000)):
        if len(element.get(name, "")) > most:
            yield f"{place}: {name}, {most} characters at most"
    if "text" in element:
        yield from _text(element["text"], f"{place} {element['type']}", 75)
    if "placeholder" in element:
        yield from _text(element["placeholder"], f"{place} placeholder", 150)
    if len(element.get("initial_value", "")) > 3000:
        yield f"{place}: initial_value, 3000 characters at most"
    options = [*element.get("options", ()), *([element["initial_option"]] if "initial_option" in element else [])]
    for option in options:
        yield from option_problems(option, place)


def option_problems(option: Json, place: str = "option") -> Iterator[str]:
    """One entry of a select."""
    yield from _text(option["text"], place, 75)
    if not 0 < len(option["value"]) <= 150:
        yield f"{place}: value, 1 to 150 characters"


def _input(block: Json, place: str) -> Iterator[str]:
    yield from _text(block["label"], place, 2000)
    if "hint" in block:
        yield from _text(block["hint"], place, 2000)
    yield from _element(block["element"], place)


def _container(block: Json, place: str) -> Iterator[str]:
    yield from _text(block["title"], place, 150)
    yield from _count(block["child_blocks"], place, 10)
    for number, child in enumerate(block["child_blocks"]):
        if child["type"] not in _IN_A_CONTAINER:
            yield f"{place}: no {child['type']} in a container"
        yield from _block(child, f"{place}[{number}]")


def _rich(block: Json, place: str) -> Iterator[str]:
    yield from _count(block["elements"], place, 100)


def _count(things: Sequence[Any], place: str, most: int) -> Iterator[str]:
    if not 0 < len(things) <= most:
        yield f"{place}: {len(things)} elements, 1 to {most}"


_IN_A_CONTAINER = ("actions", "context", "divider", "header", "image", "rich_text", "section", "table")
_CHECKS: Mapping[str, Callable[[Json, str], Iterator[str]]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "context_actions": _feedback,
    "input": _input,
    "container": _container,
    "rich_text": _rich,
    "divider": lambda block, place: iter(()),
}
