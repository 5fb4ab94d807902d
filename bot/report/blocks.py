"""A diagnosis as a root message in Slack, in one layout from the first look to the last word. Pure: no Slack here.

Every message is a `Said`: blocks, and the `text` that notifications, screen readers and search use. Words of a cluster
pass through `safe` or `literal`, or stand in a preformatted element, which knows no markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.report.cluster_name import cluster_name
from bot.report.mrkdwn import BREAK, apart, fit, literal, safe
from bot.report.outline import Point, SectionPart, brief, parts_of
from bot.report.sanitize import clean
from bot.report.short_answer import ShortAnswer, VerdictStatus, short_answer, subject
from flows.model import Diagnosis, LayerRow, LayerState
from sensors.kit import Target
from sensors.text import capital

SlackBlock = Mapping[str, Any]

FIX, WHY, RERUN = "kai_fix", "kai_why", "kai_rerun"
ONCE_FIX = ("kai_show_proof", "kai_copy_kubectl")
"""Buttons of messages of earlier versions, which still stand in channels: they show the fix, too."""

OPINION, RIGHT, WRONG, CANCEL = "kai_opinion", "kai_right", "kai_wrong", "kai_cancel"

SENTENCE = 1200
"""Characters of the longest sentence in a message."""

CLAUDE_LINE = 100
"""Characters of Claude's part of a root message."""

SHORT_ID = 8
"""Characters of an id that a person reads and types; buttons carry all of it."""

CODE = 6000
"""Characters of a command or of facts in one message; with the words around them it stays below Slack's budget."""

STATE_WORDS = {
    LayerState.FAIL: "✖ FAILED",
    LayerState.PASS: "✔ passed",
    LayerState.INCONCLUSIVE: "? inconclusive",
    LayerState.NOT_MEASURED: "– not measured",
}
"""A sign and a word: neither colour nor emoji alone carries a meaning."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message."""

    text: str
    blocks: tuple[SlackBlock, ...] = ()


# -- the root message, from looking to the end: one layout ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChangeState:
    """State of a proposed change, for the root message: `line` (escaped) stands in place of the fix.

    `status` and `state` replace the headline's where the change altered what is seen; else they are empty.
    """

    line: str
    status: VerdictStatus | None = None
    state: str = ""


def looking(investigation: str, target: Target, progress: str, cluster: str = "") -> Said:
    """The root message until there is a verdict. `progress`: how far it is, in words. Nothing is judged yet."""
    line = safe(f"{progress}.")
    return Said(
        safe(f"{VerdictStatus.UNDECIDED} {subject(target)}: looking. {progress}."),
        (
            _header(f"{VerdictStatus.UNDECIDED} {subject(target)}: looking"),
            section(line),
            _actions(_button("Cancel", CANCEL, investigation)),
            _context("", cluster, investigation),
        ),
    )


def verdict(
    it: Diagnosis, asked_by: str = "", cluster: str = "", change: ChangeState | None = None, again: str = ""
) -> Said:
    """The root message in the end, each fact once: what it is, since when, what to change, how sure.

    Of an explanation by Claude it holds one line; the whole stands in the thread. `again`: beside the look before.
    """
    short = short_answer(it)
    status, state = (change and change.status) or short.status, (change and change.state) or short.state
    fix = change.line if change is not None else _labelled(short.fix)
    headline = f"{status} {short.subject}: {state}"
    blocks = (
        _header(headline),
        {**section(_told(short)), "expand": True},
        *(section(each) for each in (fix,) if each),
        *_claude_line(it),
        _actions(*_buttons(it)),
        _context(
            " · ".join(filter(None, (capital(again), short.sure))),
            cluster_name(cluster, it.provenance.name),
            it.investigation_id,
            asked_by,
        ),
    )
    spoken = " ".join(filter(None, (_spoken(short, headline, change), safe(capital(again)))))
    return Said(fit(spoken, 2200), blocks)


def _told(short: ShortAnswer) -> str:
    """The cause in bold; where the packets went and since when."""
    wire = f"On the wire: {short.wire}." if short.wire else ""
    return "\n".join(filter(None, (f"*{_bold(short.cause)}*", safe(f"{wire} {short.began}"))))


def _labelled(line: str) -> str:
    """`Fix: …` with its label in bold."""
    label, colon, rest = line.partition(":")
    return f"*{safe(label)}:* {safe(rest, 900)}" if colon else safe(line)


def _spoken(short: ShortAnswer, headline: str, change: ChangeState | None) -> str:
    """Object and verdict first, for a watch or a screen reader: a word stands beside the colour."""
    fix = change.line if change is not None else safe(short.fix)
    return fit(" ".join(filter(None, (safe(f"{headline}."), safe(short.cause), fix))), 2000)


def ended(target: Target, role: str, why: str, investigation: str, asked_by: str = "", cluster: str = "") -> Said:
    """The root message of an investigation without a verdict: failed, cancelled or lost."""
    headline = f"{VerdictStatus.UNDECIDED} {subject(target)}: {_ENDS.get(role, 'ended without a verdict')}"
    return Said(
        f"{safe(f'{headline}.')} {reason(why)}".strip(),
        (
            _header(headline),
            section(reason(why) or "No reason was given."),
            _actions(_button("Run again", RERUN, investigation)),
            _context("", cluster, investigation, asked_by),
        ),
    )


def reason(why: str, longest: int = 500) -> str:
    """The reason why it ended, escaped. Who cancelled it is shown by name: Slack's own ids are for programs."""
    by = _CANCELLED_BY.fullmatch(why)
    return f"cancelled by <@{by[1]}>" if by else safe(why, longest)


_CANCELLED_BY = re.compile(r"cancelled by ([UW][A-Z0-9]{2,20})")
_ENDS = {"failed": "could not look", "cancelled": "cancelled", "lost": "broke off"}


def _bold(text: str) -> str:
    """An asterisk inside would end the bold face early."""
    return safe(text, SENTENCE).replace("*", f"{BREAK}*{BREAK}")


def layer_name(row: LayerRow) -> str:
    """`pod network`: the layer as people write it."""
    return row.layer.value.replace("_", " ")


def claude_part(it: Diagnosis) -> Iterator[SlackBlock]:
    """Claude's part, where it was asked: how it stands to the verdict, then its sentences."""
    if said := parts_of(it).get(SectionPart.CLAUDE):
        points = (f"• {safe(each.text, 300)}" for each in said.items if isinstance(each, Point))
        yield section(few((f"*Claude* {safe(said.text, SENTENCE)}", *points)))


def _claude_line(it: Diagnosis) -> Iterator[SlackBlock]:
    """Claude's view of the verdict, with the beginning of its first sentence."""
    if said := parts_of(it).get(SectionPart.CLAUDE):
        first = f": {clean(said.items[0].text)}" if said.items and isinstance(said.items[0], Point) else ""
        yield section(f"*Claude* {safe(brief(f'{said.text}{first}', CLAUDE_LINE), CLAUDE_LINE + 20)}")


def few(lines: Sequence[str], longest: int = 2900) -> str:
    """Whole lines, as many as fit, and how many did not."""
    shown: list[str] = []
    for line in lines:
        if sum(len(each) + 1 for each in shown) + len(line) > longest:
            return "\n".join([*shown, f"… {len(lines) - len(shown)} more lines"])
        shown.append(line)
    return "\n".join(shown)


def _buttons(it: Diagnosis) -> Iterator[SlackBlock]:
    """Only what does something. A button to approve the fix stands with the fix in the thread."""
    if it.fix.kubectl or it.fix.also or it.fix.refused:
        yield _button("Show fix", FIX, it.investigation_id)
    yield _button("Why?", WHY, it.investigation_id)
    yield _button("Re-run", RERUN, it.investigation_id)
    yield from (_thumb(action, it.investigation_id) for action in THUMBS)


THUMBS = {RIGHT: ("👍", "right", "Helpful"), WRONG: ("👎", "wrong", "Not helpful")}


def _thumb(action: str, investigation: str, count: int = 0) -> SlackBlock:
    """Its number says how many persons hold that opinion; a second press takes one's own back."""
    sign, opinion, label = THUMBS[action]
    spoken = f"{label}: {count} so far, press again to take yours back" if count else label
    button = _button(f"{sign} {count}" if count else sign, action, f"{opinion}:{investigation}")
    return {**button, "accessibility_label": spoken}


def with_opinions(said: Said, right: int, wrong: int) -> Said:
    """The root message with the number of opinions on its thumbs."""
    counts = {RIGHT: right, WRONG: wrong}

    def counted(element: SlackBlock) -> SlackBlock:
        action = str(element.get("action_id"))
        return _thumb(action, element["value"].partition(":")[2], counts[action]) if action in counts else element

    rows = (
        {**each, "elements": [*map(counted, each["elements"])]} if each["type"] == "actions" else each
        for each in said.blocks
    )
    return Said(said.text, tuple(rows))


# -- blocks ----------------------------------------------------------------------------------------------------------


def section(text: str) -> SlackBlock:
    """Escaped mrkdwn that Slack leaves alone: `verbatim` makes no links of what looks like one."""
    return {"type": "section", "text": mrkdwn(text)}


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def plain_text(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def code(text: str) -> SlackBlock:
    """A command or facts, literally. Too long a command is not cut: half a command is a wrong command."""
    if len(text) > CODE + 200:
        text = f"# {len(text)} characters are too many for a message: take them from `kai … -o json`"
    if apart(text) != text:  # no command and no facts of KAI's hold what Slack would call a mention
        text = "# this holds characters that do not belong here: take it from `kai … -o json`"
    element = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text or " "}]}
    return {"type": "rich_text", "elements": [element]}


def fold(title: str, children: Sequence[SlackBlock]) -> SlackBlock:
    """Details that a reader unfolds. At most ten."""
    return {
        "type": "container",
        "title": plain_text(literal(title, 150)),
        "child_blocks": list(children[:10]),
        "is_collapsible": True,
        "default_collapsed": True,
    }


def _header(text: str) -> SlackBlock:
    return {"type": "header", "text": plain_text(literal(text, 150))}


def _context(sure: str, cluster: str, investigation: str, asked_by: str = "") -> SlackBlock:
    """Confidence, what was not measured, the cluster, the short id."""
    name = cluster_name(cluster)
    parts = [
        sure,
        f"cluster {clean(name, 60)}" if name else "",
        f"id {investigation[:SHORT_ID]}",
    ]
    who = f" · asked by <@{asked_by}>" if asked_by else ""
    return {"type": "context", "elements": [mrkdwn(safe(" · ".join(filter(None, parts))) + who)]}


def _button(text: str, action: str, investigation: str) -> SlackBlock:
    return {"type": "button", "action_id": action, "text": plain_text(text), "value": literal(investigation, 100)}


def _actions(*buttons: SlackBlock) -> SlackBlock:
    return {"type": "actions", "elements": list(buttons)}


# -- for workspaces that do not know the newer blocks ----------------------------------------------------------------


def older(said: Said) -> Said:
    """The same message in blocks that every workspace knows; the siblings of a newer block stay as they are."""
    return Said(said.text, tuple(each for block in said.blocks for each in _older(block)))


def is_newer(said: Said) -> bool:
    """Does the message hold a block that a workspace may refuse?"""
    return any(block["type"] in _OLDER for block in said.blocks)


def _older(block: SlackBlock) -> Iterator[SlackBlock]:
    yield from _OLDER.get(str(block["type"]), lambda same: iter((same,)))(block)


def _older_container(block: SlackBlock) -> Iterator[SlackBlock]:
    yield {"type": "context", "elements": [mrkdwn(safe(block["title"]["text"], 150))]}
    yield from block["child_blocks"]


_OLDER = {"container": _older_container}
