"""A proposal as Slack messages: the card with its buttons, what the root message says of it, and the edit modal. Pure.

What is shown is what is applied: the patch stands whole in a preformatted element, character by character. Where it
cannot (too long, or a character that nobody sees), there is no button to approve it, and the card says so.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.approval.decision import words
from bot.approval.proposal import Kind, Part, Proposal
from bot.approval.states import IN_FORCE, State
from bot.report.blocks import Block, Said, plain_text, section
from bot.report.mrkdwn import literal, safe
from bot.report.sanitize import clean

APPROVE, REJECT, EDIT, UNDO = "kai_approve", "kai_reject", "kai_edit", "kai_undo"
SHOW_FIX, CHECK = "kai_show_fix", "kai_check_again"
EDITED, REJECTED = "kai_edited", "kai_rejected"
TEXT_BLOCK, TEXT_ACTION = "text", "text"

LONGEST_PATCH = 2800
"""Characters of a patch that one message shows whole."""

MOST_WAYS = 8
"""Newly allowed or denied ways in a card; the rest are counted."""

LONGEST_INPUT = 3000
"""Slack's own limit of a text field: a longer patch cannot be edited in a modal."""

_SIGNS = {
    State.VERIFIED: "✔",
    State.PROPOSED: "◇",
    State.APPROVED: "…",
    State.APPLYING: "…",
    State.APPLIED: "…",
    State.ROLLING_BACK: "…",
    State.ROLLED_BACK: "↩",
}
_WORDS = {
    State.APPROVED: "Approved, being checked once more",
    State.APPLYING: "Being applied",
    State.APPLIED: "Applied, being verified",
    State.VERIFIED: "Verified",
    State.NOT_VERIFIED: "Applied, not verified",
    State.ROLLING_BACK: "Being rolled back",
    State.ROLLED_BACK: "Rolled back",
    State.STUCK: "Applied, and could not be rolled back",
    State.UNKNOWN: "Written, result unknown",
}


# -- the patch, exactly ------------------------------------------------------------------------------------------------


def part_text(part: Part) -> str:
    """The change of one object as text: each operation, or each key of a manifest, as it is sent."""
    if part.kind is Kind.DELETE:
        return f"delete {part.target}"
    if part.kind is Kind.CREATE:
        return f"create {part.target}\n{json.dumps(part.body[0], indent=1, ensure_ascii=False)}"
    lines = [json.dumps(each, ensure_ascii=False) for each in part.body]
    return "\n".join([f"patch {part.target}", *lines])


def patch_text(it: Proposal) -> str:
    return "\n".join(part_text(each) for each in it.parts)


def is_shown_whole(it: Proposal) -> bool:
    """Can a person in Slack see exactly what would be applied? If not, it is approved in a terminal only."""
    text = patch_text(it)
    return len(text) <= LONGEST_PATCH and all(_is_plain(letter) for letter in text)


def _is_plain(letter: str) -> bool:
    return (
        letter == "\n"
        or (letter.isprintable() and unicodedata.category(letter) not in ("Cf", "Mn", "Me", "Zs"))
        or (letter == " ")
    )


# -- the card ----------------------------------------------------------------------------------------------------------


def card(it: Proposal, given: int = 0, needed: int = 1) -> Said:
    """The proposal in the thread, in whatever state it is. Once it is decided the patch is behind *Show fix*.

    Its length would part what became of it from the buttons by more than the screen of a phone.
    """
    whole = is_shown_whole(it)
    state = state_line(it, given, needed)
    blocks = [
        section(f"*{safe(it.title, 1000)}*"),
        section(state),
        *([preformatted(patch_text(it) if whole else _escaped(it))] if it.state is State.PROPOSED else []),
        *_about(it),
    ]
    if it.state is State.PROPOSED and not whole:
        blocks.append(
            section(f"It cannot be shown here exactly as it is, so it is approved in a terminal: {_terminal(it)}")
        )
    buttons = list(_buttons(it, whole))
    blocks += [{"type": "actions", "elements": buttons}] if buttons else []
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": _foot(it)}]})
    return Said(f"{state} {safe(it.title, 500)}", tuple(blocks))


def state_line(it: Proposal, given: int = 0, needed: int = 1) -> str:
    """Where it stands, in a sentence, escaped."""
    sign = _SIGNS.get(it.state, "✖")
    if it.state is State.PROPOSED:
        count = f" ({given} of {needed} approvals)" if needed > 1 else ""
        why = f" {_sentence(it.why)}" if it.why else ""
        return f"{sign} Waiting for an approval{count}.{why}"
    said, why = _WORDS.get(it.state, words(it.state).capitalize()), _once(it)
    return f"{sign} {said}{f': {_why(why)}' if why else ''}"


def plain_state(it: Proposal) -> str:
    """Where it stands, for a terminal."""
    said, why = _WORDS.get(it.state, words(it.state).capitalize()), _once(it)
    return clean(f"{said}: {why}" if why else said, 1000)


def _once(it: Proposal) -> str:
    """Why it is where it is, without the word that its state says already."""
    return it.why.removeprefix(f"{it.state.value}: ")


def _why(why: str) -> str:
    """Who rejected, edited or undid it is shown by name: Slack's own ids are for programs."""
    head, colon, rest = why.partition(": ")
    did, _, by = head.rpartition("by ")
    if by.startswith(("U", "W")) and by.isalnum() and by.isupper():
        return f"{f'{safe(did, 100)} by ' if did else ''}<@{by}>{colon}{safe(rest, 600)}"
    return safe(why, 800)


def _sentence(why: str) -> str:
    said = _why(why)
    return f"{said[:1].upper()}{said[1:]}."


def _about(it: Proposal) -> Iterator[Block]:
    lines = []
    if it.proved.replayed:
        lines.append(f"✔ Proved on the policies of now: {proof_words(it)}")
    lines += [f"• {safe(str(each), 200)}" for each in it.proved.flows[:5]]
    lines += [*_ways("Newly allowed", it.proved.newly_allowed), *_ways("No longer allowed", it.proved.newly_denied)]
    if lines:
        yield section("\n".join(lines))


def _ways(title: str, ways: tuple[str, ...]) -> list[str]:
    left = len(ways) - MOST_WAYS
    more = [f"• and {left} more"] if left > 0 else []
    return [f"{title}:", *(f"• {safe(each, 200)}" for each in ways[:MOST_WAYS]), *more] if ways else []


def proof_words(it: Proposal) -> str:
    many = "connection" if it.proved.replayed == 1 else "connections"
    return f"{it.proved.allowed} of {it.proved.replayed} denied {many} would be allowed"


def _buttons(it: Proposal, whole: bool) -> Iterator[Block]:
    if it.state is State.PROPOSED:
        if whole:
            yield {**_button("Approve & apply", APPROVE, it), "style": "primary", "confirm": _confirm(it)}
            if len(it.parts) == 1 and len(editable(it)) <= LONGEST_INPUT:
                yield _button("Edit", EDIT, it)
        yield _button("Reject", REJECT, it)
    if it.state in IN_FORCE:
        yield _button("Undo", UNDO, it)
        yield _button("Check again", CHECK, it)
    yield _button("Show fix", SHOW_FIX, it)


def _button(text: str, action: str, it: Proposal) -> Block:
    """The button carries the id and nothing else."""
    label = literal(f"{text}: {it.title}", 75)
    return {
        "type": "button",
        "action_id": action,
        "text": plain_text(text),
        "value": it.id,
        "accessibility_label": label,
    }


def _confirm(it: Proposal) -> Block:
    objects = ", ".join(str(each.target) for each in it.parts)
    text = literal(f"{objects} in cluster {it.cluster}, change {it.sha256[:8]}, with your own Kubernetes rights.", 300)
    return {
        "title": plain_text("Apply this change?"),
        "text": plain_text(text),
        "confirm": plain_text("Approve & apply"),
        "deny": plain_text("Not now"),
    }


def _foot(it: Proposal) -> str:
    parts = [f"change {it.sha256[:8]}", f"id {it.id}"]
    if it.state is State.PROPOSED:
        parts.insert(0, f"expires {_when(it.expires_at)}")
    if it.edited_by:
        parts.append(f"edited by {_person(it.edited_by)}")
    return " · ".join(parts)


def _person(who: str) -> str:
    return f"<@{who}>" if who.isalnum() and who.isupper() else safe(who, 100)


def _when(moment: datetime) -> str:
    return f"<!date^{int(moment.timestamp())}^{{time}}|{moment.astimezone(UTC):%H:%M} UTC>"


def preformatted(text: str) -> Block:
    element = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [element]}


def _escaped(it: Proposal) -> str:
    """For what cannot be shown exactly: every odd character by its number, and the rest cut."""
    text = json.dumps([{"target": str(each.target), "body": list(each.body)} for each in it.parts])
    return (
        text if len(text) <= LONGEST_PATCH else f"{text[:LONGEST_PATCH]}… ({len(text) - LONGEST_PATCH} more characters)"
    )


def _terminal(it: Proposal) -> str:
    return f"`kai approve {it.id}`"


# -- for one person ----------------------------------------------------------------------------------------------------


def shown(it: Proposal, may: str) -> Said:
    """The change and its way back, for one person, with whether they may approve it."""
    back = json.dumps([list(each.inverse) for each in it.parts], ensure_ascii=True)
    blocks = (
        section(may),
        section("*The change*"),
        preformatted(patch_text(it)[:LONGEST_PATCH] if is_shown_whole(it) else _escaped(it)),
        section("*The way back*"),
        preformatted(back[:LONGEST_PATCH]),
        section(f"In a terminal: {_terminal(it)}, `kai reject {it.id}`, `kai undo {it.id}`"),
    )
    return Said(may, blocks)


# -- the root message --------------------------------------------------------------------------------------------------


def on_root(root: Said, it: Proposal) -> Said:
    """The root message of the verdict, with what became of the fix on top of it."""
    line = state_line(it)
    if it.state in (State.PROPOSED, State.SUPERSEDED, State.EXPIRED, State.REJECTED):
        line = f"Fix: {line}"
    head = {"type": "header", "text": plain_text(literal(f"{_SIGNS.get(it.state, '✖')} {_headline(it)}", 150))}
    rest = [each for each in root.blocks if each["type"] != "header"] if it.state is State.VERIFIED else root.blocks
    top = (head, section(line)) if it.state is State.VERIFIED else (section(f"*{line}*"),)
    return replace(root, text=f"{line} {root.text}"[:3900], blocks=(*top, *rest))


def _headline(it: Proposal) -> str:
    return f"{it.target} talks again" if it.state is State.VERIFIED else _WORDS.get(it.state, it.state.value)


# -- modals ------------------------------------------------------------------------------------------------------------


def editable(it: Proposal) -> str:
    """What a person edits: the operations, or the manifest, as JSON."""
    part = it.parts[0]
    return json.dumps(part.body[0] if part.kind is Kind.CREATE else list(part.body), indent=1, ensure_ascii=False)


def edit_view(it: Proposal) -> Mapping[str, Any]:
    return _view(EDITED, "Edit the change", "Prove it", it, str(it.parts[0].target), editable(it), LONGEST_INPUT)


def reject_view(it: Proposal) -> Mapping[str, Any]:
    return _view(REJECTED, "Reject the change", "Reject", it, "Why not?", "", 500)


def _view(
    callback: str, title: str, submit: str, it: Proposal, label: str, text: str, longest: int
) -> Mapping[str, Any]:
    field: dict[str, Any] = {
        "type": "plain_text_input",
        "action_id": TEXT_ACTION,
        "multiline": True,
        "max_length": longest,
        **({"initial_value": text} if text else {}),
    }
    block = {"type": "input", "block_id": TEXT_BLOCK, "label": plain_text(literal(label, 150)), "element": field}
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": it.id,
        "title": plain_text(title),
        "submit": plain_text(submit),
        "close": plain_text("Close"),
        "blocks": [block],
    }


def submitted(view: Mapping[str, Any]) -> tuple[str, str]:
    """The proposal's id and the text of a submitted modal."""
    values = (view.get("state") or {}).get("values") or {}
    said = ((values.get(TEXT_BLOCK) or {}).get(TEXT_ACTION) or {}).get("value")
    return str(view.get("private_metadata") or ""), said if isinstance(said, str) else ""
