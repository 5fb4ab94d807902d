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

from bot.report.mrkdwn import BREAK, apart, literal, safe
from bot.report.outline import Command, Item, Line, Part, Point, Section, Tone, ledger, parts_of, proof_line
from bot.report.sanitize import clean, clean_command
from flows.model import Diagnosis, LayerRow, LayerState
from sensors.kit import Evidence, Sight, Target
from sensors.kit.reported import reported

Block = Mapping[str, Any]

SHOW_PROOF, COPY_KUBECTL, RERUN = "kai_show_proof", "kai_copy_kubectl", "kai_rerun"
OPINION, RIGHT, WRONG, CANCEL = "kai_opinion", "kai_right", "kai_wrong", "kai_cancel"

SENTENCE = 1200
"""Characters of the longest sentence in a message."""

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
    blocks: tuple[Block, ...] = ()


# -- the root message, from looking to the end -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Task:
    """One layer while it is looked at: `state` is pending, in_progress, complete or error (nothing could look)."""

    layer: str
    state: str
    words: str = ""


def looking(investigation: str, target: Target, tasks: Sequence[Task], progress: str) -> Said:
    """The root message until there is a verdict. `progress`: how far it is, in words."""
    title = literal(f"Looking into {_question(target)}: {progress}", 250)
    cards = tuple(_task(each) for each in tasks)
    plan: Block = {"type": "plan", "title": title, "tasks": list(cards)}
    shown = (plan,) if cards else (section(safe(title)),)
    return Said(
        safe(title), (*shown, _actions(_button("Cancel", CANCEL, investigation)), _context(f"id {investigation}"))
    )


def _task(task: Task) -> Block:
    name = task.layer.replace("_", " ")
    title = f"{name}: {task.words}" if task.words else name
    return {"type": "task_card", "task_id": task.layer, "title": literal(title, 250), "status": task.state}


def verdict(it: Diagnosis, asked_by: str = "") -> Said:
    """The root message in the end: what it is, what to change, how sure, what the fix is proved to do."""
    parts = parts_of(it)
    blocks = (
        _header(_headline(it)),
        _sentence(it),
        *_fields(it, parts),
        *_remedy(parts),
        *claude_part(parts),
        _actions(*_buttons(it)),
        _context(parts[Part.FOOTER].text, asked_by),
        _feedback(it.investigation_id),
    )
    return Said(_spoken(it, parts), blocks)


def ended(target: Target, role: str, why: str, investigation: str, asked_by: str = "") -> Said:
    """The root message of an investigation without a verdict: failed, cancelled or lost."""
    headline = _ENDS.get(role, "Ended without a verdict")
    return Said(
        f"{safe(f'{headline}: {_question(target)}.')} {reason(why)}".strip(),
        (
            _header(f"{headline}: {_question(target)}"),
            section(reason(why) or "No reason was given."),
            _actions(_button("Run again", RERUN, investigation)),
            _context(f"id {investigation}", asked_by),
        ),
    )


def reason(why: str, longest: int = SENTENCE) -> str:
    """Why it ended, escaped. Who cancelled it is shown by name: Slack's own ids are for programs."""
    by = _CANCELLED_BY.fullmatch(why)
    return f"cancelled by <@{by[1]}>" if by else safe(why, longest)


_CANCELLED_BY = re.compile(r"cancelled by ([UW][A-Z0-9]{2,20})")
_ENDS = {"failed": "✖ Could not look", "cancelled": "– Cancelled", "lost": "✖ Broke off"}


def _headline(it: Diagnosis) -> str:
    if it.fault_found:
        return f"✖ {it.target}{_failure(it)}"
    if it.cause_class == "inconclusive":
        return f"? No cause is shown for {_question(it.target)}"
    return f"✔ No fault found for {_question(it.target)}"


def _failure(it: Diagnosis) -> str:
    """What is seen of the fault. Who gets an answer has reached his peer, whatever the answer says."""
    if it.cause_class == "app.error":
        return f" gets errors from {it.target.to or 'its peer'}"
    return f" cannot reach {it.target.to}" if it.target.to else " cannot talk"


def _question(target: Target) -> str:
    return f"{target} → {target.to}" if target.to else str(target)


def _sentence(it: Diagnosis) -> Block:
    return {**section(f"*{_bold(it.root_cause)}*"), "expand": True}


def _bold(text: str) -> str:
    """An asterisk inside would end the bold face early."""
    return safe(text, SENTENCE).replace("*", f"{BREAK}*{BREAK}")


def _fields(it: Diagnosis, parts: Mapping[Part, Section]) -> Iterator[Block]:
    said = {
        "Affected component": str(it.component) if it.component else "",
        "Confidence": parts[Part.CONFIDENCE].text,
        "Layer": _failing(it),
        "Cause class": it.cause_class,
    }
    fields = [mrkdwn(f"*{name}*\n{safe(text, 400)}") for name, text in said.items() if text]
    yield {"type": "section", "fields": fields}
    if because := parts.get(Part.BECAUSE):
        yield section(f"*Because* {safe(because.text, SENTENCE)}")


def _failing(it: Diagnosis) -> str:
    return ", ".join(_layer_name(row) for row in ledger(it) if row.state is LayerState.FAIL)


def _layer_name(row: LayerRow) -> str:
    return row.layer.value.replace("_", " ")


def _remedy(parts: Mapping[Part, Section]) -> Iterator[Block]:
    if said := parts.get(Part.RECOMMENDATION):
        yield section(f"*Recommendation* {safe(said.text, SENTENCE)}")
    if fix := parts.get(Part.FIX):
        yield section(few((f"*Fix* {safe(fix.text, SENTENCE)}", *_lines(fix.items))))


def claude_part(parts: Mapping[Part, Section]) -> Iterator[Block]:  # what Claude adds, where it was asked
    if said := parts.get(Part.CLAUDE):
        yield section(few((f"*Claude* {safe(said.text, SENTENCE)}", *_lines(said.items))))


def _lines(items: Iterable[Item]) -> Iterator[str]:
    """The proof, what is newly allowed, the warnings; commands stand elsewhere."""
    for item in items:
        if isinstance(item, Line):
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


def _buttons(it: Diagnosis) -> Iterator[Block]:
    """Only what does something. A button to approve the fix will stand first, once approving exists."""
    fix = it.fix
    if fix.proof is not None and fix.proof.replayed:
        yield _button("Show proof", SHOW_PROOF, it.investigation_id)
    if any(clean_command(each.kubectl) for each in (fix, *fix.also)) and not fix.refused:
        yield _button("Copy kubectl", COPY_KUBECTL, it.investigation_id)
    yield _button("Re-run", RERUN, it.investigation_id)


def _feedback(investigation: str) -> Block:
    def button(text: str, value: str) -> Block:
        return {"text": plain_text(text), "value": f"{value}:{investigation}", "accessibility_label": f"{text} verdict"}

    element = {
        "type": "feedback_buttons",
        "action_id": OPINION,
        "positive_button": button("Helpful", "right"),
        "negative_button": button("Not helpful", "wrong"),
    }
    return {"type": "context_actions", "elements": [element]}


def _spoken(it: Diagnosis, parts: Mapping[Part, Section]) -> str:
    """Verdict and object first, for a watch or a screen reader."""
    fix = parts.get(Part.FIX)
    proof = proof_line(it.fix).text if fix and fix.items else ""
    words = [f"{_headline(it)}: {clean(it.root_cause)}", f"Confidence: {parts[Part.CONFIDENCE].text}"]
    words += [f"Fix: {fix.text}"] if fix and fix.text else []
    return safe(". ".join(filter(None, (*words, proof))), 2000)


# -- the thread ------------------------------------------------------------------------------------------------------


def replies(it: Diagnosis) -> tuple[tuple[str, Said], ...]:
    """One message for each layer with a name for it, failures first; what was not measured comes last."""
    rows = sorted(ledger(it), key=lambda row: _ORDER.index(row.state))
    return tuple((row.layer.value, _reply(row, it)) for row in rows)


_ORDER = (LayerState.FAIL, LayerState.INCONCLUSIVE, LayerState.PASS, LayerState.NOT_MEASURED)


def heard(layer: str, seen: Mapping[str, Evidence], looks: int) -> Said:
    """A layer's evidence before the verdict: what was seen stands open, and nothing is called good or bad."""
    name = layer.replace("_", " ")
    done = f"{len(seen)} of {looks} looks done, not judged yet"
    spoken = "; ".join(f"{key} {clean(each.summary)}" for key, each in seen.items())
    lines = [section(_look(key, each)) for key, each in seen.items()][:10]
    return Said(safe(f"{name} … {done}: {spoken}", 2000), (section(f"*{name}* … {done}"), *lines))


def _count(looks: Sized) -> str:
    return "1 look" if len(looks) == 1 else f"{len(looks)} looks"


def _reply(row: LayerRow, it: Diagnosis) -> Said:
    first = f"*{_layer_name(row)}* {STATE_WORDS[row.state]}: {safe(row.why, SENTENCE)}"
    looks = [section(_look(key, it.evidence[key])) for key in row.evidence if key in it.evidence][:10]
    folded = (fold(f"{_layer_name(row)}: {_count(looks)}", looks),) if looks else ()
    return Said(f"{_layer_name(row)} {STATE_WORDS[row.state]}: {safe(row.why)}", (section(first), *folded))


def _look(key: str, evidence: Evidence) -> str:
    sight = {Sight.BLIND: "not measured: ", Sight.ABSENT: "absent: "}.get(evidence.sight, "")
    return f"*{key}* {safe(evidence.sensor, 60)}: {sight}{safe(evidence.summary, 700)}"


def proof(it: Diagnosis) -> Said:
    """What was replayed, and what came of it."""
    fix = parts_of(it, verbose=True).get(Part.FIX)
    if fix is None or it.fix.proof is None or not it.fix.proof.replayed:
        return Said("There is no proof: this verdict proposes no change that could be replayed.")
    before = f"{it.fix.proof.denied_before} of {it.fix.proof.replayed} are denied by the policies as they are."
    lines = [f"*Proof* {before}", *_lines(fix.items)]
    return Said(safe(before), (section(few(lines)),))


def commands(it: Diagnosis) -> Said:
    """The commands as they must be typed, and the way back."""
    parts = parts_of(it)
    blocks: list[Block] = []
    for part, heading in ((Part.FIX, "*Fix* for a person to review and run"), (Part.UNDO, "*Undo*")):
        typed = [each.text for each in parts[part].items if isinstance(each, Command)] if part in parts else []
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


def section(text: str) -> Block:
    """Escaped mrkdwn that Slack leaves alone: `verbatim` makes no links of what looks like one."""
    return {"type": "section", "text": mrkdwn(text)}


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def plain_text(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def code(text: str) -> Block:
    """A command or facts, literally. Too long a command is not cut: half a command is a wrong command."""
    if len(text) > CODE + 200:
        text = f"# {len(text)} characters are too many for a message: take them from `kai … -o json`"
    if apart(text) != text:  # no command and no facts of KAI's hold what Slack would call a mention
        text = "# this holds characters that do not belong here: take it from `kai … -o json`"
    element = {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text or " "}]}
    return {"type": "rich_text", "elements": [element]}


def fold(title: str, children: Sequence[Block]) -> Block:
    """Details that a reader unfolds. At most ten."""
    return {
        "type": "container",
        "title": plain_text(literal(title, 150)),
        "child_blocks": list(children[:10]),
        "is_collapsible": True,
        "default_collapsed": True,
    }


def _header(text: str) -> Block:
    return {"type": "header", "text": plain_text(literal(text, 150))}


def _context(text: str, asked_by: str = "") -> Block:
    who = f" · asked by <@{asked_by}>" if asked_by else ""
    return {"type": "context", "elements": [mrkdwn(safe(text) + who)]}


def _button(text: str, action: str, investigation: str) -> Block:
    return {"type": "button", "action_id": action, "text": plain_text(text), "value": literal(investigation, 100)}


def _actions(*buttons: Block) -> Block:
    return {"type": "actions", "elements": list(buttons)}


# -- for workspaces that do not know the newer blocks ----------------------------------------------------------------


def older(said: Said) -> Said:
    """The same message in blocks that every workspace knows; the siblings of a newer block stay as they are."""
    return Said(said.text, tuple(each for block in said.blocks for each in _older(block)))


def is_newer(said: Said) -> bool:
    """Does the message hold a block that a workspace may refuse?"""
    return any(block["type"] in _OLDER for block in said.blocks)


def _older(block: Block) -> Iterator[Block]:
    yield from _OLDER.get(str(block["type"]), lambda same: iter((same,)))(block)


def _older_plan(block: Block) -> Iterator[Block]:
    rows = [f"{_SIGNS.get(each['status'], '·')} {safe(each['title'], 150)}" for each in block["tasks"]]
    yield section(few([f"*{_bold(block['title'])}*", *rows]))


def _older_container(block: Block) -> Iterator[Block]:
    yield {"type": "context", "elements": [mrkdwn(safe(block["title"]["text"], 150))]}
    yield from block["child_blocks"]


def _older_feedback(block: Block) -> Iterator[Block]:
    buttons = []
    for name, action in (("positive_button", RIGHT), ("negative_button", WRONG)):
        buttons += [{"type": "button", "action_id": action, **each[name]} for each in block["elements"]]
    yield _actions(*buttons)


_SIGNS = {"pending": "·", "in_progress": "…", "complete": "✔", "error": "–"}
_OLDER = {"plan": _older_plan, "container": _older_container, "context_actions": _older_feedback}
