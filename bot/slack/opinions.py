"""Opinions on a verdict: the thumbs on its root message, and the modal that asks what was wrong.

Everybody sees how many persons hold each opinion; a press sets one's own, and a second press takes it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.report.blocks import Said, plain_text, section, with_opinions
from bot.store import Investigation, Opinion
from bot.store.store import Store
from bot.triggers.form import value_of

WRONG_VIEW = "kai_wrong_view"
CAUSE, WORDS = "kai_real_cause", "kai_wrong_words"
LONGEST = 1000
"""Characters of what a person writes about a verdict."""


async def counted(said: Said, it: Investigation, store: Store) -> Said:
    """A root message with the number of opinions on its thumbs."""
    every = [each.opinion for each in await store.opinions.of(it.id)]
    return with_opinions(said, every.count(Opinion.RIGHT), every.count(Opinion.WRONG))


def wrong_view(investigation: str) -> dict[str, Any]:
    """Asks what was wrong. The opinion itself is kept already, whatever becomes of the modal."""
    return {
        "type": "modal",
        "callback_id": WRONG_VIEW,
        "private_metadata": investigation,
        "title": plain_text("What was wrong?"),
        "submit": plain_text("Send"),
        "close": plain_text("Skip"),
        "blocks": [
            section("It is kept with the verdict for whoever maintains KAI here (kai history --feedback)."),
            _field(CAUSE, "What was it really?", "e.g. the node's firewall"),
            _field(WORDS, "What should KAI have said or seen?", "In a few words", multiline=True),
        ],
    }


def _field(name: str, label: str, hint: str, *, multiline: bool = False) -> dict[str, Any]:
    element = {"type": "plain_text_input", "action_id": name, "multiline": multiline, "max_length": LONGEST}
    return {
        "type": "input",
        "block_id": name,
        "optional": True,
        "label": plain_text(label),
        "element": {**element, "placeholder": plain_text(hint)},
    }


def said_in(view: Mapping[str, Any]) -> tuple[str, str]:
    """The investigation and the words of a submitted modal."""
    cause, words = (value_of(view, name) for name in (CAUSE, WORDS))
    return str(view.get("private_metadata") or ""), "\n".join(filter(None, (f"cause: {cause}" if cause else "", words)))
