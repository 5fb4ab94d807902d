"""A diagnosis as Slack messages: the verdict on top, then the evidence layer by layer, folded. Pure: no Slack here.

Every message is a `Said`: blocks, and the `text` that notifications, screen readers and search use. Words of a cluster
pass through `safe` or `literal`, or stand in a preformatted element, which knows no markup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from bot.report.cluster_name import cluster_name
from bot.report.mrkdwn import BREAK, apart, fit, literal, safe
from bot.report.outline import Item, Point, SectionPart, ShellCommand, TextLine, Tone, brief, ledger, parts_of
from bot.report.sanitize import clean, clean_command
from bot.report.short_answer import ShortAnswer, VerdictStatus, short_answer, subject
from flows.model import Diagnosis, LayerRow, LayerState
from sensors.kit import Evidence, Sight, Target
from sensors.kit.reported import reported

SlackBlock = Mapping[str, Any]

SHOW_PROOF, COPY_KUBECTL, RERUN = "kai_show_proof", "kai_copy_kubectl", "kai_rerun"
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


def verdict(it: Diagnosis, asked_by: str = "", cluster: str = "", change: ChangeState | None = None) -> Said:
    """The root message in the end, each fact once: what it is, since when, what to change, how sure.

    Of an explanation by Claude it holds one line; the whole stands in the thread.
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
        _context(short.sure, cluster_name(cluster, it.provenance.name), it.investigation_id, asked_by),
        _feedback(it.investigation_id),
    )
    return Said(_spoken(short, headline, change), blocks)


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
        yield section(few((f"*Claude* {safe(said.text, SENTENCE)}", *_lines(said.items))))


def _claude_line(it: Diagnosis) -> Iterator[SlackBlock]:
    """Claude's view of the verdict, with the beginning of its first sentence."""
    if said := parts_of(it).get(SectionPart.CLAUDE):
        first = f": {clean(said.items[0].text)}" if said.items and isinstance(said.items[0], Point) else ""
        yield section(f"*Claude* {safe(brief(f'{said.text}{first}', CLAUDE_LINE), CLAUDE_LINE + 20)}")


def _lines(items: Iterable[Item]) -> Iterator[str]:
    """The proof, what is newly allowed, the warnings; commands stand elsewhere."""
    for item in items:
        if isinstance(item, TextLine):
            sign = "✔ " if item.tone is Tone.GOOD else ""
            yield f"{sign}{safe(item.text, 500)}"
        elif isinstance(item, Point):
            yield f"• {safe(item.text, 300)}"


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
    fix = it.fix
    if fix.proof is not None and fix.proof.replayed:
        yield _button("Show proof", SHOW_PROOF, it.investigation_id)
    if any(clean_command(each.kubectl) for each in (fix, *fix.also)) and not fix.refused:
        yield _button("Copy kubectl", COPY_KUBECTL, it.investigation_id)
    yield _button("Re-run", RERUN, it.investigation_id)


def _feedback(investigation: str) -> SlackBlock:
    def button(text: str, value: str) -> SlackBlock:
        return {"text": plain_text(text), "value": f"{value}:{investigation}", "accessibility_label": f"{text} verdict"}

    element = {
        "type": "feedback_buttons",
        "action_id": OPINION,
        "positive_button": button("Helpful", "right"),
        "negative_button": button("Not helpful", "wrong"),
    }
    return {"type": "context_actions", "elements": [element]}


# -- the thread ------------------------------------------------------------------------------------------------------


def replies(it: Diagnosis) -> tuple[tuple[str, Said], ...]:
    """One message for each layer with a name for it, failures first; what was not measured comes last."""
    rows = sorted(ledger(it), key=lambda row: _ORDER.index(row.state))
    return tuple((row.layer.value, _reply(row, it)) for row in rows)


_ORDER = (LayerState.FAIL, LayerState.INCONCLUSIVE, LayerState.PASS, LayerState.NOT_MEASURED)


def _count(looks: Sized) -> str:
    return "1 look" if len(looks) == 1 else f"{len(looks)} looks"


def _reply(row: LayerRow, it: Diagnosis) -> Said:
    first = f"*{layer_name(row)}* {STATE_WORDS[row.state]}: {safe(row.why, SENTENCE)}"
    looks = [section(_look(key, it.evidence[key])) for key in row.evidence if key in it.evidence][:10]
    folded = (fold(f"{layer_name(row)}: {_count(looks)}", looks),) if looks else ()
    return Said(f"{layer_name(row)} {STATE_WORDS[row.state]}: {safe(row.why)}", (section(first), *folded))


def _look(key: str, evidence: Evidence) -> str:
    sight = {Sight.BLIND: "not measured: ", Sight.ABSENT: "absent: "}.get(evidence.sight, "")
    return f"*{key}* {safe(evidence.sensor, 60)}: {sight}{safe(evidence.summary, 700)}"


def proof(it: Diagnosis) -> Said:
    """Result of the replay."""
    fix = parts_of(it, verbose=True).get(SectionPart.FIX)
    if fix is None or it.fix.proof is None or not it.fix.proof.replayed:
        return Said("There is no proof: this verdict proposes no change that could be replayed.")
    before = f"{it.fix.proof.denied_before} of {it.fix.proof.replayed} are denied by the policies as they are."
    lines = [f"*Proof* {before}", *_lines(fix.items)]
    return Said(safe(before), (section(few(lines)),))


def commands(it: Diagnosis) -> Said:
    """The commands as they must be typed, and the way back."""
    parts = parts_of(it)
    blocks: list[SlackBlock] = []
    for part, heading in ((SectionPart.FIX, "*Fix* for a person to review and run"), (SectionPart.UNDO, "*Undo*")):
        typed = [each.text for each in parts[part].items if isinstance(each, ShellCommand)] if part in parts else []
        blocks += [section(heading), *(code(each) for each in typed)] if typed else []
    if not blocks:
        return Said("There is no command: this verdict proposes no change.")
    return Said(f"The commands of the fix for {safe(it.target)}", tuple(blocks))


def facts(key: str, it: Diagnosis) -> Said:
    """One look with its facts, as far as a message holds them."""
    evidence = it.evidence[key]
    values = reported(evidence)
    text = apart(json.dumps(values, indent=1, ensure_ascii=False)) if values else ""
    rest = (
        f"{text[:CODE]}\n… {len(text) - CODE} more characters: take them from `-o json`" if len(text) > CODE else text
    )
    shown = (fold(f"Facts of {key}", [code(_washed(rest))]),) if text else ()
    return Said(f"{key} {safe(evidence.summary)}", (section(_look(key, evidence)), *shown))


def _washed(text: str) -> str:
    return "\n".join(_indent(line) + clean(line, 2000) for line in text.split("\n"))


def _indent(line: str) -> str:
    return " " * (len(line) - len(line.lstrip(" ")))


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


def _older_feedback(block: SlackBlock) -> Iterator[SlackBlock]:
    buttons = []
    for name, action in (("positive_button", RIGHT), ("negative_button", WRONG)):
        buttons += [{"type": "button", "action_id": action, **each[name]} for each in block["elements"]]
    yield _actions(*buttons)


_OLDER = {"container": _older_container, "context_actions": _older_feedback}
