"""Answers to questions about a verdict, from what is stored and by rules alone. What they do not cover is said so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bot.answers.about import about
from bot.answers.grammar import nearest
from bot.answers.known import AnswerFacts
from bot.answers.question import Question, Topic
from bot.report import details, incident
from bot.report.blocks import STATE_WORDS, Said, code, few, layer_name, section
from bot.report.mrkdwn import safe
from bot.report.outline import brief, changed_ways, held_down_by, ledger, proof_line
from bot.report.sanitize import clean
from bot.report.short_answer import cause_of, sentence, state_of
from flows.model import Diagnosis, LayerState
from sensors.kit import Sight

MOST_LINES = 6
"""Changes, other pods or evidence that one answer lists; the rest are counted."""


def answer(question: Question, known: AnswerFacts) -> Said:
    """Answers a question from the stored facts."""
    return _ANSWERS[question.topic](question, known)


def cannot(text: str) -> Said:
    """One sentence for what no rule answers, with the nearest questions."""
    return _lines([f"I can't answer that from this investigation. Ask: {' · '.join(nearest(text))}"])


# -- the cause ---------------------------------------------------------------------------------------------------------


def _why(question: Question, known: AnswerFacts) -> Said:
    it = known.it
    shown = f" Shown by {safe(', '.join(it.shown_by))}." if it.shown_by else ""
    because = safe(sentence(clean(it.reasoning)), 1200) or "No reason was written down."
    lines = [f"*{_plain(cause_of(it, 900))}*", f"{because}{shown}"]
    lines += [f"Also found: {safe(each.cause)} ({each.belief:.0%})" for each, _ in it.others[:3]]
    return _lines(lines)


def _plain(text: str) -> str:
    return safe(text, 1000).replace("*", "")


def _since(question: Question, known: AnswerFacts) -> Said:
    it = known.it
    failed, since = incident.failed_connections(it), incident.since(it)
    if not since:
        return _lines([f"No beginning was measured. {_sight_of(it, 'hubble.capture_flows')}"])
    lost = failed.lost() if failed else ""
    last = f"Last seen at {_time(failed.last)}." if failed and failed.last else ""
    return _lines([f"*Since {safe(since)}.*", *filter(None, (" ".join(filter(None, (sentence(lost), last))),))])


def _changed(question: Question, known: AnswerFacts) -> Said:
    it = known.it
    seen, culprit = incident.every_change(it), incident.last_change(it)
    if not seen:
        return _lines([f"No change was seen. {_sight_of(it, 'k8s.recent_changes')}"])
    head = (
        f"*{safe(sentence(f'{culprit} at {_time(culprit.at)}'))}*" if culprit else "*No change of the cause was seen.*"
    )
    before = f"The first failure: {safe(incident.since(it))}." if culprit and incident.since(it) else ""
    others = [f"• {_time(each.at)} {safe(each, 200)}" for each in seen if each != culprit]
    more = [f"• and {len(others) - MOST_LINES} more"] if len(others) > MOST_LINES else []
    also = ["Other changes, newest first:", *others[:MOST_LINES], *more] if others else []
    return _lines([*filter(None, (head, before)), *also])


def _affected(question: Question, known: AnswerFacts) -> Said:
    lines = list[str]()
    if (also := known.it.also_affected) is not None:
        lines.append(f"*Also affected: {safe(also)}.*" if also.pods else "*It drops no other pod's packets.*")
        lines += [f"• {safe(each, 200)}" for each in also.pods[:MOST_LINES]]
    if known.alike:
        lines.append("KAI found the same cause for:")
        lines += [f"• {safe(each.target, 200)} ({_time(each.at)})" for each in known.alike[:MOST_LINES]]
    if not lines:
        lines = ["Other pods were not measured, and no other investigation of the last day found the same cause."]
    return _lines(lines)


def _not_measured(question: Question, known: AnswerFacts) -> Said:
    it = known.it
    rows = [row for row in ledger(it) if row.state in (LayerState.NOT_MEASURED, LayerState.INCONCLUSIVE)]
    blind = [(key, each) for key, each in it.evidence.items() if each.sight is Sight.BLIND]
    if not rows and not blind:
        return _lines(["Every layer was measured and decided, and every sensor could look."])
    lines = [f"• *{layer_name(row)}* {STATE_WORDS[row.state]}: {safe(row.why, 250)}" for row in rows]
    lines += [f"• *{key}* {safe(each.sensor)} could not look: {safe(each.why, 250)}" for key, each in blind[:8]]
    return _lines([f"*Not measured or not decided* (coverage {it.coverage:.0%})", *lines])


def _sure(question: Question, known: AnswerFacts) -> Said:
    it = known.it
    cap = held_down_by(it)
    held = f"It is {safe(cap, 400)}." if cap else "Nothing that was not measured holds it down."
    lines = [f"*{it.confidence:.0%} sure.* {held} Coverage {it.coverage:.0%}."]
    rivals = [f"Less believed: {safe(each.cause)} ({each.belief:.0%})" for each, _ in it.others[:2]]
    return _lines([*lines, *rivals])


def _layers(question: Question, known: AnswerFacts) -> Said:
    rows = [
        f"{STATE_WORDS[row.state]} *{layer_name(row)}* {safe(brief(clean(row.why), 120))}" for row in ledger(known.it)
    ]
    return _lines(rows)


def _about(question: Question, known: AnswerFacts) -> Said:
    return about(question, known.it)


def _evidence(question: Question, known: AnswerFacts) -> Said:
    it = known.it
    if not question.evidence:
        lines = [f"• *{key}* {safe(each.sensor)}: {safe(each.summary, 200)}" for key, each in it.evidence.items()]
        return _lines(["*Evidence* (show evidence E3 shows one with its facts)", *lines])
    if question.evidence not in it.evidence:
        return _lines([f"There is no {question.evidence} here; there are {', '.join(map(safe, it.evidence))}."])
    return details.facts(question.evidence, it)


def _by_hand(question: Question, known: AnswerFacts) -> Said:
    it = known.it
    looks = [(each.shows, each.command) for each in it.looks]
    if it.hubble_command and it.hubble_command not in [command for _, command in looks]:
        looks.append(("the traffic, as Hubble remembers it", it.hubble_command))
    if not looks:
        return _lines(["No command shows this cause without KAI."])
    blocks = [part for shows, command in looks for part in (section(safe(sentence(shows))), code(clean(command)))]
    return Said("Commands that show it without KAI", tuple(blocks))


# -- the fix -----------------------------------------------------------------------------------------------------------


def _fix(question: Question, known: AnswerFacts) -> Said:
    return details.fix(known.it)


def _proof(question: Question, known: AnswerFacts) -> Said:
    return details.proof(known.it)


def _undo(question: Question, known: AnswerFacts) -> Said:
    said = details.undo(known.it)
    press = "Where the change was applied, its Undo button takes it back with your own rights."
    return Said(said.text, (*said.blocks, section(press))) if known.in_slack and known.change else said


def _safe(question: Question, known: AnswerFacts) -> Said:
    fix = known.it.fix
    if fix.refused:
        return _lines([f"*No: KAI refuses to propose it.* {safe(sentence(clean(fix.refused)), 600)}"])
    if not (fix.kubectl or fix.also):
        return _lines([details.NO_CHANGE])
    parts = (fix, *fix.also)
    lines = [f"*{safe(proof_line(fix).text)}*", *details.lines_of(tuple(changed_ways(fix)))]
    replayed = fix.proof is not None  # what was not replayed takes away nobody knows what
    lines += ["It takes nothing away."] if replayed and not any(each.newly_denied for each in parts) else []
    lines.append("It interrupts other traffic." if any(each.disruptive for each in parts) else "It interrupts nothing.")
    lines += [f"{safe(each.owner)} would undo it: change it at its source." for each in parts if each.owner]
    lines.append(
        "It can be taken back: ask how do I roll back?" if fix.undo else "There is no command that takes it back."
    )
    return _lines(lines)


def _approvers(question: Question, known: AnswerFacts) -> Said:
    if not known.it.fix.kubectl and not known.it.fix.also:
        return _lines([details.NO_CHANGE])
    return _lines([known.approvers or NOBODY])


def _apply(question: Question, known: AnswerFacts) -> Said:
    """A sentence applies nothing: only a button does, under the rights of whoever presses it."""
    if not known.it.fix.kubectl and not known.it.fix.also:
        return _fix(question, known)
    how = "Words apply nothing: press *Approve & apply* on the change in this thread." if known.change else NOBODY
    return _lines([*filter(None, (how, known.change))])


def _fixed(question: Question, known: AnswerFacts) -> Said:
    it = known.it
    when = f" at {_time(known.looked_at)}" if known.looked_at else ""
    lines = [f"When KAI looked{when}: {safe(state_of(it))}.", known.change, "To look now: run again."]
    return _lines([each for each in lines if each])


def _again(question: Question, known: AnswerFacts) -> Said:
    return _lines([f"Run it again: kai netdebug {safe(known.it.target.pod)} -n {safe(known.it.target.namespace)}"])


def _thanks(question: Question, known: AnswerFacts) -> Said:
    return _lines(["You are welcome."])


def _unknown(question: Question, known: AnswerFacts) -> Said:
    return cannot("")


NOBODY = "Nobody can approve it here: apply the command yourself (show fix), with your own rights."

_ANSWERS: Mapping[Topic, Callable[[Question, AnswerFacts], Said]] = {
    Topic.WHY: _why,
    Topic.ABOUT: _about,
    Topic.LAYERS: _layers,
    Topic.CHANGED: _changed,
    Topic.SINCE: _since,
    Topic.AFFECTED: _affected,
    Topic.NOT_MEASURED: _not_measured,
    Topic.SURE: _sure,
    Topic.FIX: _fix,
    Topic.PROOF: _proof,
    Topic.UNDO: _undo,
    Topic.SAFE: _safe,
    Topic.APPROVERS: _approvers,
    Topic.FIXED: _fixed,
    Topic.EVIDENCE: _evidence,
    Topic.BY_HAND: _by_hand,
    Topic.AGAIN: _again,
    Topic.APPLY: _apply,
    Topic.THANKS: _thanks,
    Topic.UNKNOWN: _unknown,
}


def _sight_of(it: Diagnosis, sensor: str) -> str:
    """Why a sensor has nothing to say about it."""
    found = next((each for each in it.evidence.values() if each.sensor == sensor), None)
    if found is None:
        return f"{sensor} did not look."
    return safe(
        sentence(
            f"{sensor} could not look: {clean(found.why)}"
            if found.sight is Sight.BLIND
            else f"{sensor}: {clean(found.summary)}"
        )
    )


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M:%S} UTC"


def _lines(lines: list[str]) -> Said:
    return Said(lines[0].replace("*", ""), (section(few(lines)),))
