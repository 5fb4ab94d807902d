"""An added policy's time is nearly up: what happens by itself, and the buttons of whoever wants it otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.approval.decision import words
from bot.approval.proposal import Proposal
from bot.approval.states import OPEN, UNDER_WAY, ProposalState
from bot.change.expiry import STANDING, ExpiringNote
from bot.change.extension import until, wanted_end
from bot.change.marks import EXPIRES
from bot.report.blocks import Said, SlackBlock, section
from bot.report.mrkdwn import safe
from bot.slack.notes import Kept, ThreadReply
from bot.slack.proposal_blocks import (
    APPROVE,
    EXTEND,
    KEEP,
    LET_GO,
    LONGEST_PATCH,
    REJECT,
    button,
    confirm,
    is_plain,
    patch_text,
    person,
    preformatted,
    state_line,
)
from bot.slack.renderer import Renderer
from flows.fixes.change import manifest_text


def render(note: ExpiringNote) -> Sequence[Kept]:
    line = _line(note)
    blocks = [section(line)]
    if note.proposal.state in STANDING:
        blocks += _deciding(note.extension) if _is_open(note.extension) else _choices(note)
    return (ThreadReply(note.role, Said(line, tuple(blocks))),)


def _is_open(extension: Proposal | None) -> bool:
    return extension is not None and extension.state in OPEN | UNDER_WAY


def _line(note: ExpiringNote) -> str:
    it, mine = note.proposal, note.extension
    what, many = " and ".join(safe(str(each.target), 300) for each in it.parts), len(it.parts) > 1
    if it.state not in STANDING:
        return f"↩ {what} {'are' if many else 'is'} not kept: the change is {words(it.state)}."
    if mine is not None and mine.state is ProposalState.VERIFIED:
        said = wanted_end(mine.parts[0])
        return f"✔ {what} {'stay' if many else 'stays'} {f'to the end of {said} UTC' if said else 'for good'}."
    gone = f" {person(note.let_go_by)} lets it go." if note.let_go_by else ""
    will = f"{'are' if many else 'is'} taken back at {_when(note.at)}"
    return f"⏳ {what} {will}, unless a person decides otherwise.{gone}"


def _deciding(mine: Proposal | None) -> Iterator[SlackBlock]:
    """The proposal to keep it stands in the same message: exactly what would be written, and who may still decide."""
    if mine is None:
        return
    yield section(f"*{safe(mine.title, 500)}*\n{state_line(mine)}")
    yield preformatted(patch_text(mine))
    if mine.state in OPEN:
        approve = {**button("Approve & apply", APPROVE, mine), "style": "primary", "confirm": confirm(mine)}
        yield {"type": "actions", "elements": [approve, button("Reject", REJECT, mine)]}


def _choices(note: ExpiringNote) -> Iterator[SlackBlock]:
    it, mine = note.proposal, note.extension
    if mine is not None and mine.state is ProposalState.VERIFIED:
        return
    if mine is not None:
        yield section(f"{safe(mine.title, 500)}: {state_line(mine)}")
    day = until(note.at)
    yield section(
        f"*Extend* writes `{EXPIRES}: {day}` with your own rights: it then stays to the end of that day, UTC.\n"
        f"*Make permanent* takes `{EXPIRES}` off it with your own rights; put the manifest into your repository, too.\n"
        "*Let it go:* nothing has to be done. KAI takes it back with the rights of whoever approved it."
    )
    offered = [
        {**button(f"Extend to {day}", EXTEND, it), "confirm": confirm(it, "Extend it?", f"{EXPIRES}: {day}")},
        {**button("Make permanent", KEEP, it), "confirm": confirm(it, "Keep it for good?", f"no {EXPIRES} any more")},
        *([] if note.let_go_by else [button("Let it go", LET_GO, it)]),
    ]
    yield {"type": "actions", "elements": offered}
    yield preformatted(_manifests(it))  # below the buttons, which it would push off the screen of a phone


def _manifests(it: Proposal) -> str:
    """Whole or not at all: half a policy must not come into a repository."""
    text = "---\n".join(manifest_text(permanent(each.body[0])) for each in it.parts).rstrip()
    if len(text) <= LONGEST_PATCH and is_plain(text):
        return text
    targets = [each.target for each in it.parts]
    get = (f"kubectl get -n {each.namespace} {each.kind.lower()}/{each.name} -o yaml" for each in targets)
    return "\n".join(get)


def permanent(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest without its end."""
    meta = dict(manifest["metadata"])
    notes = {key: value for key, value in (meta.pop("annotations", None) or {}).items() if key != EXPIRES}
    return {**manifest, "metadata": {**meta, **({"annotations": notes} if notes else {})}}


def _when(at: datetime) -> str:
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC>"


RENDERER = Renderer("expiring", ExpiringNote, render)
