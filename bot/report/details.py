"""Parts of a verdict for whoever asks for them: the whole fix, its proof, its undoing, the reasons, a layer, a look."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from bot.report import thread
from bot.report.blocks import (
    CODE,
    SENTENCE,
    SHORT_ID,
    STATE_WORDS,
    Said,
    SlackBlock,
    code,
    few,
    fold,
    layer_name,
    section,
)
from bot.report.mrkdwn import apart, safe
from bot.report.outline import Item, Point, SectionPart, ShellCommand, TextLine, Tone, command_lines, parts_of
from bot.report.sanitize import clean
from bot.report.short_answer import short_answer
from flows.model import Diagnosis, LayerRow
from sensors.kit.reported import reported

NO_CHANGE = "This verdict proposes no change."

LONGEST_PIECE = 2900
"""Characters of one code block; a longer command stands in several, divided at line ends."""

MOST_COMMANDS, LONGEST_TERMS = 4400, 2200
"""Characters of the commands under one heading, and of the proof below: with the way back they are one message."""

LONGEST_LOOK = 700


def fix(it: Diagnosis) -> Said:
    """The whole fix: the command, the way back, the proof, what it opens and what it closes."""
    found = parts_of(it, verbose=True).get(SectionPart.FIX)
    if found is None or not (found.items or it.fix.refused):
        return Said(_no_change(it), (section(_no_change(it)),))
    said = [line for line in found.items if not isinstance(line, ShellCommand)]
    blocks: list[SlackBlock] = [section(f"*{safe(found.text, SENTENCE)}*")]
    for title, which in (("Command", "kubectl"), ("Undo", "undo")):
        blocks += _commands(it, title, which)
    blocks += [section(few(list(lines_of(said)), LONGEST_TERMS))] if said else []
    return Said(safe(found.text), tuple(blocks))


def _no_change(it: Diagnosis) -> str:
    return " ".join(filter(None, (NO_CHANGE, safe(it.recommended_action, SENTENCE))))


def undo(it: Diagnosis) -> Said:
    """The way back of the fix."""
    said = _commands(it, "Undo", "undo")
    return Said("The way back", said) if said else Said(NO_CHANGE, (section(NO_CHANGE),))


def _commands(it: Diagnosis, title: str, which: str) -> tuple[SlackBlock, ...]:
    typed = [] if it.fix.refused else [each.text for each in command_lines(it.fix, which)]
    if not typed:
        return ()
    whole = f"kai show {it.investigation_id[:SHORT_ID]} --{'undo' if which == 'undo' else 'fix'}"
    if (size := sum(map(len, typed))) > MOST_COMMANDS:
        return (section(f"*{title}*"), code(f"# {size} characters are too many for Slack: take them from {whole}"))
    parts = [piece for text in typed for piece in pieces(text)]
    more = f" (in {len(parts)} parts; whole: {safe(whole)})" if len(parts) > len(typed) else ""
    return (section(f"*{title}*{more}"), *map(code, parts))


def pieces(text: str, longest: int = LONGEST_PIECE) -> tuple[str, ...]:
    """A command in pieces that a code block holds. One that has no line ends stays whole."""
    if len(text) <= longest or any(len(line) > longest for line in text.split("\n")):
        return (text,)
    found, piece = [], ""
    for line in text.split("\n"):
        if piece and len(piece) + 1 + len(line) > longest:
            found.append(piece)
            piece = line
        else:
            piece = f"{piece}\n{line}" if piece else line
    return (*found, piece)


def proof(it: Diagnosis) -> Said:
    """Result of the replay."""
    found = parts_of(it, verbose=True).get(SectionPart.FIX)
    if found is None or it.fix.proof is None or not it.fix.proof.replayed:
        none = "There is no proof: this verdict proposes no change that could be replayed."
        return Said(none, (section(none),))
    before = f"{it.fix.proof.denied_before} of {it.fix.proof.replayed} are denied by the policies as they are."
    return Said(safe(before), (section(few([f"*Proof* {before}", *lines_of(found.items)])),))


def lines_of(items: Sequence[Item]) -> Iterator[str]:
    """The proof, what is newly allowed, the warnings; commands stand elsewhere."""
    for item in items:
        if isinstance(item, TextLine):
            sign = "✔ " if item.tone is Tone.GOOD else ""
            yield f"{sign}{safe(item.text, 500)}"
        elif isinstance(item, Point):
            yield f"• {safe(item.text, 300)}"


def why(it: Diagnosis) -> Said:
    """The cause, since when, the failing layer with the looks that show it, and what passed or was not decided."""
    short = short_answer(it)
    head = "\n".join(filter(None, (f"*{safe(short.cause, SENTENCE).replace('*', '')}*", safe(short.began))))
    text = safe(short.cause) or "No cause is known."
    return Said(text, (section(head), *thread.failing(it).blocks, *thread.decided(it)))


def layer(row: LayerRow, it: Diagnosis) -> Said:
    """One layer: its state, why, and the looks it rests on."""
    first = f"*{layer_name(row)}* {STATE_WORDS[row.state]}: {safe(row.why, SENTENCE)}"
    looks = [section(_look(key, it)) for key in row.evidence if key in it.evidence][:10]
    count = "1 look" if len(looks) == 1 else f"{len(looks)} looks"
    folded = (fold(f"{layer_name(row)}: {count}", looks),) if looks else ()
    return Said(f"{layer_name(row)} {STATE_WORDS[row.state]}: {safe(row.why)}", (section(first), *folded))


def _look(key: str, it: Diagnosis) -> str:
    return thread.look(key, it.evidence[key], LONGEST_LOOK).removeprefix("• ")


def facts(key: str, it: Diagnosis) -> Said:
    """One look with its facts, as far as a message holds them."""
    evidence = it.evidence[key]
    values = reported(evidence)
    text = apart(json.dumps(values, indent=1, ensure_ascii=False)) if values else ""
    cut = f"{text[:CODE]}\n… {len(text) - CODE} more characters: take them from `-o json`" if len(text) > CODE else text
    shown = (fold(f"Facts of {key}", [code(_washed(cut))]),) if text else ()
    return Said(f"{key} {safe(evidence.summary)}", (section(_look(key, it)), *shown))


def _washed(text: str) -> str:
    return "\n".join(_indent(line) + clean(line, 2000) for line in text.split("\n"))


def _indent(line: str) -> str:
    return " " * (len(line) - len(line.lstrip(" ")))
