"""Outline of a report, before any renderer decides how it looks: verdict first, proof beside the fix.

All words pass through `clean` here, so that no renderer has to remember that a cluster is not to be trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import TypeAlias

from bot.report import explained
from bot.report.sanitize import clean, clean_command
from flows.belief import ROOT_CAUSE_FROM
from flows.causes import Layer
from flows.model import Diagnosis, Finding, Fix, LayerRow, LayerState, Proof, RecordedCase
from sensors.kit import Evidence, Sight

BRIEF = 80
"""Characters of a look that carries no part of the verdict; `-v` shows all of them."""

MAX_REASON_CHARS = 120
"""Characters of a reason why something could not be seen or told; `-v` shows all of them."""

FEW = 5
"""Doubts and newly allowed ways that a short report lists; `-v` lists all."""


class Tone(StrEnum):
    """Tone of a line, for the renderer that gives it a colour."""

    PLAIN = "plain"
    BAD = "bad"
    GOOD = "good"
    UNSURE = "unsure"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Point:
    """One bullet. `lead` is set apart from the words: an evidence id and its sensor."""

    text: str
    lead: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the ledger: layer, state, why."""

    layer: str
    state: str
    why: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class TextLine:
    """A sentence of its own under a heading."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """Command to copy into a shell."""

    text: str


Item: TypeAlias = Point | Row | TextLine | ShellCommand


class SectionPart(StrEnum):
    """Subject of a section. Its value is the heading; headline and footer have none."""

    HEADLINE = " "
    ROOT_CAUSE = "Root Cause"
    COMPONENT = "Affected Component"
    WIRE = "On the wire"
    SINCE = "Since"
    ALSO_AFFECTED = "Also affected"
    CONFIDENCE = "Confidence"
    BECAUSE = "Because"
    EVIDENCE = "Evidence"
    RECOMMENDATION = "Recommendation"
    FIX = "Fix"
    NO_FIX = "No automatic fix"
    NEXT_STEP = "Next step"
    UNDO = "Undo"
    OTHER_WAY = "Another way"
    CLAUDE = "Claude"
    ALSO_FOUND = "Also found"
    LAYERS = "Layers"
    DOUBTS = "Could not tell"
    LOOK_FOR_YOURSELF = "Look for yourself"
    RULE = "  "
    OTHER_DROPS = "Dropped for other reasons"
    FOOTER = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Section on one part: a sentence right behind the heading, and what stands under it."""

    part: SectionPart
    text: str = ""
    items: tuple[Item, ...] = ()
    tone: Tone = Tone.PLAIN

    @property
    def title(self) -> str:
        return self.part.value.strip()


def parts_of(diagnosis: Diagnosis, *, verbose: bool = False) -> Mapping[SectionPart, Section]:
    """The report by what its sections are about; other ways than the fix are not among them."""
    return {each.part: each for each in outline(diagnosis, verbose=verbose) if each.part is not SectionPart.OTHER_WAY}


def outline(diagnosis: Diagnosis, *, verbose: bool = False, remembered: bool = True) -> tuple[Section, ...]:
    """The whole report as sections; empty ones are left out. `remembered`: the id leads to it."""
    sections = (
        *_verdict(diagnosis),
        also_affected(diagnosis),
        _evidence(diagnosis, verbose),
        Section(SectionPart.RECOMMENDATION, clean(diagnosis.recommended_action)),
        *_remedy(diagnosis, verbose),
        claude(diagnosis, verbose=verbose),
        _also_found(diagnosis),
        _layers(diagnosis),
        _could_not_tell(diagnosis, verbose),
        _look_for_yourself(diagnosis),
        footer(diagnosis, remembered),
    )
    return tuple(each for each in sections if each.text or each.items)


def claude(diagnosis: Diagnosis, *, verbose: bool = False) -> Section:
    """Claude's part; empty where it was not asked."""
    tones = {explained.DISPUTED: Tone.UNSURE, explained.NOTED: Tone.QUIET}
    points = (
        Point(text, tone=tones.get(kind, Tone.PLAIN)) for kind, text in explained.lines(diagnosis, verbose=verbose)
    )
    return Section(SectionPart.CLAUDE, explained.headline(diagnosis), tuple(points))


def ledger(diagnosis: Diagnosis) -> tuple[LayerRow, ...]:
    """One row for each of the eight layers; a layer nobody spoke of was not measured."""
    said = {row.layer: row for row in diagnosis.layers}
    silent = "no sensor of this flow looks at it"
    return tuple(said.get(each) or LayerRow(each, LayerState.NOT_MEASURED, (), silent) for each in Layer)


def also_affected(it: Diagnosis) -> Section:
    """The other pods that the same policy cuts off; empty where there are none, or that was not measured."""
    return Section(SectionPart.ALSO_AFFECTED, str(it.also_affected or ""), tone=Tone.BAD)


def _verdict(it: Diagnosis) -> Iterator[Section]:
    tone = Tone.BAD if it.fault_found else Tone.UNSURE if it.cause_class == "inconclusive" else Tone.GOOD
    yield Section(SectionPart.ROOT_CAUSE, clean(it.root_cause), tone=tone)
    yield Section(SectionPart.COMPONENT, clean(it.component, 300) if it.component else "")
    cap = held_down_by(it)
    yield Section(SectionPart.CONFIDENCE, f"{_percent(it.confidence)}{f' ({cap})' if cap else ''}")
    yield Section(SectionPart.BECAUSE, clean(it.reasoning))


def held_down_by(it: Diagnosis) -> str:
    """The reason why the confidence is not higher, where coverage and not the evidence holds it down; else empty."""
    if it.root.belief - it.confidence < 0.005:
        return ""
    blind = [each for each in it.evidence.values() if each.sight is Sight.BLIND]
    if not blind:
        return "capped by coverage"
    one = f"{blind[0].sensor}: {brief(clean(blind[0].why), MAX_REASON_CHARS)}"
    several = f"nothing from {', '.join(each.sensor for each in blind)}"
    return f"capped by coverage: {one if len(blind) == 1 else several}"


def _evidence(it: Diagnosis, verbose: bool) -> Section:
    """Orders the evidence: what carries the verdict in full and first, other looks in brief, the blind ones last."""
    resting = it.shown_by
    first = [key for key in resting if key in it.evidence]
    rest = [key for key, each in it.evidence.items() if key not in resting and each.sight is not Sight.BLIND]
    blind = [key for key, each in it.evidence.items() if key not in resting and each.sight is Sight.BLIND]
    points = [_point(key, it.evidence[key], key in resting, verbose) for key in (*first, *rest, *blind)]
    return Section(SectionPart.EVIDENCE, items=tuple(points))


def _point(key: str, evidence: Evidence, carries: bool, verbose: bool) -> Point:
    lead = f"{key} {clean(evidence.sensor, 60)}"
    if evidence.sight is Sight.BLIND:
        why = clean(evidence.summary)
        return Point(f"not measured: {why if verbose else brief(why, MAX_REASON_CHARS)}", lead, Tone.UNSURE)
    if carries or verbose:
        return Point(clean(evidence.summary), lead)
    return Point(brief(clean(evidence.summary)), lead, Tone.QUIET)


def brief(text: str, longest: int = BRIEF) -> str:
    """The beginning of a sentence: up to a comma or semicolon in its second half, else up to a word."""
    if len(text) <= longest:
        return text
    start = text[:longest]
    pause = max(start.rfind("; "), start.rfind(", "))
    return (start[:pause] if pause > longest // 2 else start.rpartition(" ")[0].rstrip(" →(,;:")) + "…"


def _remedy(it: Diagnosis, verbose: bool) -> Iterator[Section]:
    fix = it.fix
    if fix.refused:
        ways = tuple(changed_ways(fix, verbose))
        yield Section(SectionPart.FIX, f"none proposed: {clean(fix.refused)}", ways, tone=Tone.UNSURE)
    elif fix.kubectl or fix.also:
        yield Section(SectionPart.FIX, _fix_title(fix), tuple(_fix_items(fix, verbose)))
        yield Section(SectionPart.UNDO, items=tuple(command_lines(fix, "undo")))
    elif it.fault_found:
        yield Section(SectionPart.FIX, "no automatic one: no change could be proved to help and to be safe")
    if verbose:
        yield from (_other_way(each) for each in it.alternatives)


def _other_way(fix: Fix) -> Section:
    why_not = f"refused: {clean(fix.refused)}" if fix.refused else ""
    commands = () if fix.refused else tuple(command_lines(fix, "kubectl"))
    return Section(SectionPart.OTHER_WAY, "; ".join(filter(None, (clean(fix.title), why_not))), commands)


def _fix_title(fix: Fix) -> str:
    return clean(fix.title) if fix.automatic or not fix.title else f"{clean(fix.title)} (for a person to review first)"


def _fix_items(fix: Fix, verbose: bool) -> Iterator[Item]:
    yield from command_lines(fix, "kubectl")
    yield proof_line(fix)  # of all parts together, as they help together only
    yield from (TextLine(clean(word), Tone.QUIET) for word in (fix.proof.words if fix.proof else ()))
    yield from changed_ways(fix, verbose)
    yield from _warnings(fix)


def changed_ways(fix: Fix, verbose: bool = False) -> Iterator[Item]:
    """Ways that the change opens, and those that it takes away."""
    parts = (fix, *fix.also)
    yield from _ways("Newly allowed", [way for each in parts for way in each.newly_allowed], verbose)
    yield from _ways("No longer allowed", [way for each in parts for way in each.newly_denied], verbose)


def _ways(title: str, said: list[str], verbose: bool) -> Iterator[Item]:
    ways = list(dict.fromkeys(map(clean, said)))
    if len(ways) == 1:
        yield TextLine(f"{title}: {ways[0]}", Tone.UNSURE)
    elif ways:
        shown = ways if verbose else ways[:FEW]
        yield TextLine(f"{title}, {len(ways)} ways:", Tone.UNSURE)
        yield from (Point(way, tone=Tone.UNSURE) for way in shown)
        if len(ways) > len(shown):
            yield TextLine(f"{len(ways) - len(shown)} more (-v lists them)", Tone.UNSURE)


def _warnings(fix: Fix) -> Iterator[Item]:
    parts = (fix, *fix.also)
    for owner in dict.fromkeys(each.owner for each in parts if each.owner):
        yield TextLine(
            f"Owned by {clean(owner)}, which would undo a change made here: mend it at its source.", Tone.UNSURE
        )
    if any(each.disruptive for each in parts):
        yield TextLine("Disruptive: it interrupts other traffic or restarts something.", Tone.UNSURE)
    yield from (
        TextLine(clean(note), Tone.QUIET) for note in dict.fromkeys(note for each in parts for note in each.notes)
    )


def command_lines(fix: Fix, which: str) -> list[ShellCommand]:
    """The commands of all parts of a fix, or of its undoing (`undo`), as they must be typed."""
    typed = (clean_command(each.undo if which == "undo" else each.kubectl) for each in (fix, *fix.also))
    return [ShellCommand(text) for text in typed if text]


def proof_line(fix: Fix) -> TextLine:
    """Line on the proof of the fix, or why nothing is proved."""
    proof = fix.proof
    if proof is None:
        return TextLine("Not replayed: only a change of policies can be proved before it is made.", Tone.QUIET)
    if not proof.replayed:
        return TextLine("Not proved: no denied packet was there to replay.", Tone.UNSURE)
    return TextLine(_proved(proof), Tone.GOOD if proof.holds else Tone.UNSURE)


def _proved(proof: Proof) -> str:
    head = "Proof" if proof.holds else "Only part of it is proved"
    packets = "denied packet" if proof.replayed == 1 else "denied packets"
    undecided = f"; {proof.undecidable} cannot be decided" if proof.undecidable else ""
    return f"{head}: {proof.allowed_after} of {proof.replayed} {packets} would be allowed{undecided}"


def _also_found(it: Diagnosis) -> Section:
    return Section(SectionPart.ALSO_FOUND, items=tuple(_other(each, it) for each, _ in it.others))


def _other(finding: Finding, it: Diagnosis) -> Point:
    likely = finding.belief >= ROOT_CAUSE_FROM
    behind = "; hidden behind the root cause" if likely and it.is_hidden(finding) else ""
    return Point(
        f"{clean(finding.cause)} ({finding.cause_class}, {_percent(finding.belief)}{behind})",
        tone=Tone.PLAIN if likely else Tone.QUIET,
    )


_STATES = {
    LayerState.FAIL: ("fail", Tone.BAD),
    LayerState.PASS: ("pass", Tone.GOOD),
    LayerState.INCONCLUSIVE: ("inconclusive", Tone.UNSURE),
    LayerState.NOT_MEASURED: ("not measured", Tone.QUIET),
}


def _layers(it: Diagnosis) -> Section:
    rows = []
    for row in ledger(it):
        state, tone = _STATES[row.state]
        why = brief(clean(_without_the_verdict(row.why, it)), MAX_REASON_CHARS)
        rows.append(Row(row.layer.value.replace("_", " "), state, why, tone))
    return Section(SectionPart.LAYERS, items=tuple(rows))


def _without_the_verdict(why: str, it: Diagnosis) -> str:
    """The sentence that stands on top is not said twice."""
    return f"{it.cause_class}: the root cause" if it.root_cause in why else why


def _could_not_tell(it: Diagnosis, verbose: bool) -> Section:
    """Doubts that have one reason are one line: ten rules that miss the same file say it once."""
    by_reason: dict[str, list[str]] = {}
    for doubt in it.doubts:
        why = clean(doubt.why)
        by_reason.setdefault(why if verbose else brief(why, MAX_REASON_CHARS), []).append(clean(doubt.rule, 60))
    points = [Point(f"{why} ({', '.join(rules)})", tone=Tone.QUIET) for why, rules in by_reason.items()]
    shown = points if verbose else points[:FEW]
    left = len(points) - len(shown)
    more = (TextLine(f"{left} more (-v lists them)", Tone.QUIET),) if left else ()
    return Section(SectionPart.DOUBTS, items=(*shown, *more))


def _look_for_yourself(it: Diagnosis) -> Section:
    commands = [each.command for each in it.looks]
    commands += [it.hubble_command] if it.hubble_command not in ("", *commands) else []
    return Section(SectionPart.LOOK_FOR_YOURSELF, items=tuple(ShellCommand(clean(each)) for each in commands))


def footer(it: Diagnosis, remembered: bool = True) -> Section:
    """Provenance, the flow, and the id where the result is remembered."""
    parts = (
        f"coverage {_percent(it.coverage)}",
        _duration(it.total_ms),
        clean(it.flow, 80),
        f"decided by {clean(it.decided_by, 40).replace('+', ' and ')}",
        cluster_words(it),
        _recorded(it.provenance.recording),
        f"id {clean(it.investigation_id, 40)}" if remembered else "",
    )
    return Section(SectionPart.FOOTER, " · ".join(each for each in parts if each), tone=Tone.QUIET)


def made_from(it: Diagnosis) -> str:
    """Coverage, time, and the recording: `coverage 100% · 0.4 s`."""
    by = "" if it.decided_by == "rules" else f"decided by {clean(it.decided_by, 40).replace('+', ' and ')}"
    parts = (
        f"coverage {_percent(it.coverage)}",
        _duration(it.total_ms),
        by,
        cluster_words(it),
        _recorded(it.provenance.recording),
    )
    return " · ".join(filter(None, parts))


def cluster_words(it: Diagnosis) -> str:
    """`cluster prod-eu`; empty where nobody named it."""
    return f"cluster {clean(it.provenance.name, 60)}" if it.provenance.name else ""


def _recorded(it: RecordedCase | None) -> str:
    if it is None:
        return ""
    when = f" at {it.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if it.at else ""
    made_up = ", synthetic" if it.synthetic else ""
    return f"recorded{when} ({clean(it.name, 80)}{made_up})"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _duration(ms: float) -> str:
    return f"{ms / 1000:.1f} s"
