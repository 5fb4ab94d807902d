"""A proposal as Slack messages: the card with its buttons, what the root message says of it, and the edit modal. Pure.

What is shown is what is applied: the patch stands whole in a preformatted element, character by character. Where it
cannot (too long, or a character that nobody sees), there is no button to approve it, and the card says so.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.approval.decision import words
from bot.approval.proposal import PartKind, Proposal, ProposalPart
from bot.approval.states import IN_FORCE, ProposalState
from bot.change.extension import end_of
from bot.report.blocks import ChangeState, Said, SlackBlock, plain_text, section
from bot.report.cluster_name import cluster_name
from bot.report.mrkdwn import literal, safe
from bot.report.outline import brief
from bot.report.sanitize import clean
from bot.report.short_answer import VerdictStatus
from flows.fixes.change import manifest_text
from sensors.text import capital

APPROVE, REJECT, EDIT, UNDO = "kai_approve", "kai_reject", "kai_edit", "kai_undo"
EXTEND, KEEP, LET_GO = "kai_extend", "kai_keep", "kai_let_go"
SHOW_FIX, CHECK = "kai_show_fix", "kai_check_again"
EDITED, REJECTED = "kai_edited", "kai_rejected"
TEXT_BLOCK, TEXT_ACTION = "text", "text"

LONGEST_PATCH = 2800
"""Characters of a patch that one message shows whole."""

MAX_SHOWN_WAYS = 8
"""Newly allowed or denied ways in a card; the rest are counted."""

LONGEST_INPUT = 3000
"""Slack's own limit of a text field: a longer patch cannot be edited in a modal."""

MOST_INPUTS = 20
"""Objects of one fix that are edited in one modal."""

NO_END = "It has no end: it stays until it is removed."

_SIGNS = {
    ProposalState.VERIFIED: "✔",
    ProposalState.PROPOSED: "◇",
    ProposalState.APPROVED: "…",
    ProposalState.APPLYING: "…",
    ProposalState.APPLIED: "…",
    ProposalState.ROLLING_BACK: "…",
    ProposalState.ROLLED_BACK: "↩",
}
_WORDS = {
    ProposalState.APPROVED: "Approved, being checked once more",
    ProposalState.APPLYING: "Being applied",
    ProposalState.APPLIED: "Applied, being verified",
    ProposalState.VERIFIED: "Verified",
    ProposalState.NOT_VERIFIED: "Applied, not verified",
    ProposalState.ROLLING_BACK: "Being rolled back",
    ProposalState.ROLLED_BACK: "Rolled back",
    ProposalState.STUCK: "Applied, and could not be rolled back",
    ProposalState.UNKNOWN: "Written, result unknown",
}


# -- the patch, exactly ------------------------------------------------------------------------------------------------


def part_text(part: ProposalPart) -> str:
    """The change of one object as text: each operation as it is sent, or the manifest as YAML, whole."""
    if part.kind is PartKind.DELETE:
        return f"delete {part.target}"
    if part.kind is PartKind.CREATE:
        return f"create {part.target}\n{manifest_text(part.body[0]).removesuffix(chr(10))}"
    lines = [json.dumps(each, ensure_ascii=False) for each in part.body]
    return "\n".join([f"patch {part.target}", *lines])


def patch_text(it: Proposal) -> str:
    return "\n".join(part_text(each) for each in it.parts)


def is_shown_whole(it: Proposal) -> bool:
    """Can a person in Slack see exactly what would be applied? If not, it is approved in a terminal only."""
    text = patch_text(it)
    return len(text) <= LONGEST_PATCH and is_plain(text)


def is_plain(text: str) -> bool:
    """Is every character of it one that a person sees?"""
    return all(_is_plain(letter) for letter in text)


def _is_plain(letter: str) -> bool:
    return (
        letter == "\n"
        or (letter.isprintable() and unicodedata.category(letter) not in ("Cf", "Mn", "Me", "Zs"))
        or (letter == " ")
    )


# -- the card ----------------------------------------------------------------------------------------------------------


def proposal_message(it: Proposal, given: int = 0, needed: int = 1, *, terminal_only: bool = False) -> Said:
    """The proposal in the thread, in whatever state it is. Once it is decided the patch is behind *Show fix*.

    Its length would part what became of it from the buttons by more than the screen of a phone.
    `terminal_only`: the operator's rules want no approval by a button.
    """
    whole = is_shown_whole(it)
    state = state_line(it, given, needed)
    blocks = [
        section(f"*{safe(it.title, 1000)}*"),
        section(state),
        *([preformatted(patch_text(it) if whole else _escaped(it))] if it.state is ProposalState.PROPOSED else []),
        *_about(it),
    ]
    if it.state is ProposalState.PROPOSED and not whole:
        blocks.append(
            section(f"It cannot be shown here exactly as it is, so it is approved in a terminal: {_terminal(it)}")
        )
    if it.state is ProposalState.PROPOSED and whole and terminal_only:
        blocks.append(section(f"Here changes are approved in a terminal only: {_terminal(it)}"))
    if it.state is ProposalState.PROPOSED and whole and not is_editable(it):
        blocks.append(section("It is too long to be edited in Slack: reject it, and change the object yourself."))
    buttons = list(_buttons(it, whole, whole and not terminal_only))
    blocks += [{"type": "actions", "elements": buttons}] if buttons else []
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": _foot(it)}]})
    return Said(f"{state} {safe(it.title, 500)}", tuple(blocks))


def state_line(it: Proposal, given: int = 0, needed: int = 1) -> str:
    """State in a sentence, escaped."""
    sign = _SIGNS.get(it.state, "✖")
    if it.state is ProposalState.PROPOSED:
        count = f" ({given} of {needed} approvals)" if needed > 1 else ""
        why = f" {_sentence(it.why)}" if it.why else ""
        return f"{sign} Waiting for an approval{count}.{why}"
    said, why = _WORDS.get(it.state, words(it.state).capitalize()), _once(it)
    return f"{sign} {said}{f': {_why(why)}' if why else ''}"


def plain_state(it: Proposal) -> str:
    """State for a terminal."""
    said, why = _WORDS.get(it.state, words(it.state).capitalize()), _once(it)
    return clean(f"{said}: {why}" if why else said, 1000)


def _once(it: Proposal) -> str:
    """The reason why it is where it is, without the word that its state says already."""
    return it.why.removeprefix(f"{it.state.value}: ")


def _why(why: str) -> str:
    """Reason, with the name of the person who rejected, edited or undid it: Slack's own ids are for programs."""
    head, colon, rest = why.partition(": ")
    did, _, by = head.rpartition("by ")
    if by.startswith(("U", "W")) and by.isalnum() and by.isupper():
        return f"{f'{safe(did, 100)} by ' if did else ''}<@{by}>{colon}{safe(rest, 600)}"
    return safe(why, 800)


def _sentence(why: str) -> str:
    return f"{capital(_why(why))}."


def _about(it: Proposal) -> Iterator[SlackBlock]:
    lines = []
    if it.proved.replayed:
        lines.append(f"✔ Proved on the policies of now: {proof_words(it)}")
    lines += [f"• {safe(str(each), 200)}" for each in it.proved.flows[:5]]
    lines += [*_ways("Newly allowed", it.proved.newly_allowed), *_ways("No longer allowed", it.proved.newly_denied)]
    if lines:
        yield section("\n".join(lines))
    if it.state is ProposalState.PROPOSED and all(each.kind is PartKind.CREATE for each in it.parts):
        end = end_of(each.body[0] for each in it.parts)
        until = f"It is taken back by itself at {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC." if end else NO_END
        yield section(until)


def _ways(title: str, ways: tuple[str, ...]) -> list[str]:
    left = len(ways) - MAX_SHOWN_WAYS
    more = [f"• and {left} more"] if left > 0 else []
    return [f"{title}:", *(f"• {safe(each, 200)}" for each in ways[:MAX_SHOWN_WAYS]), *more] if ways else []


def proof_words(it: Proposal) -> str:
    many = "connection" if it.proved.replayed == 1 else "connections"
    return f"{it.proved.allowed} of {it.proved.replayed} denied {many} would be allowed"


def _buttons(it: Proposal, whole: bool, approvable: bool) -> Iterator[SlackBlock]:
    if it.state is ProposalState.PROPOSED:
        if approvable:
            yield {**button("Approve & apply", APPROVE, it), "style": "primary", "confirm": confirm(it)}
        if whole and is_editable(it):
            yield button("Edit", EDIT, it)
        yield button("Reject", REJECT, it)
    if it.state in IN_FORCE:
        yield button("Undo", UNDO, it)
        yield button("Check again", CHECK, it)
    yield button("Show fix", SHOW_FIX, it)


def button(text: str, action: str, it: Proposal) -> SlackBlock:
    """It carries the id and nothing else."""
    label = literal(f"{text}: {it.title}", 75)
    return {
        "type": "button",
        "action_id": action,
        "text": plain_text(text),
        "value": it.id,
        "accessibility_label": label,
    }


def confirm(it: Proposal, title: str = "Apply this change?", what: str = "") -> SlackBlock:
    """Slack's question before a press counts. It is for the person: what counts is examined after the press."""
    objects = ", ".join(str(each.target) for each in it.parts)
    said = what or f"change {it.sha256[:8]}"
    where = f" in cluster {name}" if (name := cluster_name(it.cluster)) else ""
    text = literal(f"{objects}{where}: {said}, with your own Kubernetes rights.", 300)
    return {
        "title": plain_text(title),
        "text": plain_text(text),
        "confirm": plain_text("Approve & apply"),
        "deny": plain_text("Not now"),
    }


def _foot(it: Proposal) -> str:
    parts = [f"change {it.sha256[:8]}", f"id {it.id}"]
    if it.state is ProposalState.PROPOSED:
        parts.insert(0, f"expires {_when(it.expires_at)}")
    if it.edited_by:
        parts.append(f"edited by {person(it.edited_by)}")
    return " · ".join(parts)


def person(who: str) -> str:
    return f"<@{who}>" if who.isalnum() and who.isupper() else safe(who, 100)


def _when(moment: datetime) -> str:
    return f"<!date^{int(moment.timestamp())}^{{time}}|{moment.astimezone(UTC):%H:%M} UTC>"


def preformatted(text: str) -> SlackBlock:
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
    blocks = (
        section(may),
        section("*The change*"),
        preformatted(patch_text(it)[:LONGEST_PATCH] if is_shown_whole(it) else _escaped(it)),
        section("*The way back*"),
        preformatted(_way_back(it)),
        section(f"In a terminal: {_terminal(it)}, `kai reject {it.id}`, `kai undo {it.id}`"),
    )
    return Said(may, blocks)


def _way_back(it: Proposal) -> str:
    """What an undo does: the same kinds of change, the other way round."""
    backwards = {PartKind.CREATE: PartKind.DELETE, PartKind.DELETE: PartKind.CREATE}
    parts = (replace(each, kind=backwards.get(each.kind, each.kind), body=each.inverse) for each in reversed(it.parts))
    back = replace(it, parts=tuple(parts))
    return patch_text(back) if is_shown_whole(back) else _escaped(back)


# -- the root message --------------------------------------------------------------------------------------------------


def on_root(it: Proposal) -> ChangeState:
    """Result of the fix, in place of the fix on the root message of the verdict."""
    title, state = safe(brief(clean(it.title), ROOT_TITLE)), state_line(replace(it, why=brief(it.why, ROOT_WHY)))
    if it.state is ProposalState.PROPOSED:
        proof = f" Replayed: {proof_words(it)}." if it.proved.replayed else ""
        return ChangeState(f"*Fix:* {title}.{proof} {state}")
    if it.state in _CLOSED:
        return ChangeState(f"*Fix:* {title}. {state}.")
    line = f"*{state}.* The change: {title}."
    if it.state is ProposalState.VERIFIED:
        return ChangeState(line, VerdictStatus.HEALTHY, "talks again")
    if it.state in (ProposalState.NOT_VERIFIED, ProposalState.STUCK, ProposalState.UNKNOWN):
        return ChangeState(line, VerdictStatus.DEGRADED, "changed, not verified")
    return ChangeState(line)


ROOT_TITLE, ROOT_WHY = 105, 105
"""Characters of a change's title and of its reason on the root message; the card in the thread has all of them."""

_CLOSED = (ProposalState.EXPIRED, ProposalState.REJECTED, ProposalState.SUPERSEDED)
"""States after which nothing of the change stands, and nobody can approve it any more."""


# -- modals ------------------------------------------------------------------------------------------------------------


def editable(part: ProposalPart) -> str:
    """Text of one object that a person edits: the manifest as YAML, or the operations as JSON."""
    if part.kind is PartKind.CREATE:
        return manifest_text(part.body[0])
    return json.dumps(list(part.body), indent=1, ensure_ascii=False)


def is_editable(it: Proposal) -> bool:
    """Do all of its objects fit into the fields of one modal?"""
    return len(it.parts) <= MOST_INPUTS and all(len(editable(each)) <= LONGEST_INPUT for each in it.parts)


def edit_view(it: Proposal) -> Mapping[str, Any]:
    fields = [(str(each.target), editable(each)) for each in it.parts]
    return _view(EDITED, "Edit the change", "Prove it", it, fields, LONGEST_INPUT)


def reject_view(it: Proposal) -> Mapping[str, Any]:
    return _view(REJECTED, "Reject the change", "Reject", it, [("Why not?", "")], 500)


def _view(
    callback: str, title: str, submit: str, it: Proposal, fields: Sequence[tuple[str, str]], longest: int
) -> Mapping[str, Any]:
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": it.id,
        "title": plain_text(title),
        "submit": plain_text(submit),
        "close": plain_text("Close"),
        "blocks": [_field(at, label, text, longest) for at, (label, text) in enumerate(fields)],
    }


def _field(at: int, label: str, text: str, longest: int) -> SlackBlock:
    field: dict[str, Any] = {
        "type": "plain_text_input",
        "action_id": TEXT_ACTION,
        "multiline": True,
        "max_length": longest,
        **({"initial_value": text} if text else {}),
    }
    named = plain_text(literal(label, 150))
    return {"type": "input", "block_id": f"{TEXT_BLOCK}{at}", "label": named, "element": field}


def submitted(view: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The proposal's id and the texts of a submitted modal, in the order of its fields."""
    return str(view.get("private_metadata") or ""), list(texts_of(view).values())


def texts_of(view: Mapping[str, Any]) -> dict[str, str]:
    """The text of each field of a submitted modal, by its block."""
    values = (view.get("state") or {}).get("values") or {}
    found = dict[str, str]()
    for at in range(MOST_INPUTS):
        if (said := values.get(f"{TEXT_BLOCK}{at}")) is not None:
            text = (said.get(TEXT_ACTION) or {}).get("value")
            found[f"{TEXT_BLOCK}{at}"] = text if isinstance(text, str) else ""
    return found or {f"{TEXT_BLOCK}0": ""}
