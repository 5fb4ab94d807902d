"""Drops by policies in a namespace, as a report in text, as JSON and as a message in Slack. Each rule is said once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.report.blocks import Said, mrkdwn, section
from bot.report.mrkdwn import fit, safe
from bot.report.outline import Item, Section, SectionPart, ShellCommand, TextLine, Tone
from bot.report.sanitize import clean, clean_command
from flows.drops import DeniedPair, MissingRule, NamespaceDrops
from sensors.kit.managers import made_with
from sensors.kit.reported import rfc3339
from sensors.text import counted

API_VERSION = "kai.v1"
MOST_RULES, MOST_PAIRS = 10, 5
"""Rules, and pairs of one rule, that a report lists; `-v` lists all."""

MOST_IN_CHAT = 6
"""Rules in one message."""


def headline(it: NamespaceDrops) -> str:
    """`shop: policies deny 6 pairs of workloads (142 packets dropped)`."""
    space = clean(it.namespace, 100)
    if it.not_measured:
        return f"{space}: not measured"
    if it.rules:
        pairs = counted(it.pairs, "pair") + " of workloads"
        return f"{space}: policies deny {pairs} ({counted(it.packets, 'packet')} dropped)"
    return f"{space}: no packet dropped by a policy was seen"


def is_clear(it: NamespaceDrops) -> bool:
    """Nothing was dropped, and everything that could show it was looked at."""
    return not it.not_measured and not it.rules and not it.doubts


def sections(it: NamespaceDrops, *, verbose: bool = False, also: str = "", more: str = "") -> tuple[Section, ...]:
    """The report. `also` ends each command (`--case DIR`), `more` the last line (the recording)."""
    sign, tone = ("✖", Tone.BAD) if it.rules else ("✔", Tone.GOOD) if is_clear(it) else ("?", Tone.UNSURE)
    shown = it.rules if verbose else it.rules[:MOST_RULES]
    left = len(it.rules) - len(shown)
    parts = (
        Section(SectionPart.HEADLINE, f"{sign} {headline(it)}", tone=tone),
        Section(SectionPart.NEXT_STEP, _unmeasured(it), tone=Tone.UNSURE),
        *(_rule(each, verbose, also) for each in shown),
        Section(SectionPart.RULE, f"{counted(left, 'more rule')}; -v lists them" if left else ""),
        Section(SectionPart.OTHER_DROPS, "; ".join(_others(it))),
        Section(SectionPart.DOUBTS, "; ".join(map(clean, it.doubts)), tone=Tone.UNSURE),
        Section(SectionPart.FOOTER, " · ".join(filter(None, (*_seen(it), more))), tone=Tone.QUIET),
    )
    return tuple(each for each in parts if each.text or each.items)


def _unmeasured(it: NamespaceDrops) -> str:
    why = clean(it.not_measured)
    return (
        f"Hubble could not be asked: {why}. Without it no drop can be seen; kai doctor says what is missing"
        if why
        else ""
    )


def _rule(it: MissingRule, verbose: bool, also: str) -> Section:
    return Section(SectionPart.RULE, clean(it.what), tuple(_items(it, verbose, also)), Tone.BAD)


def _items(it: MissingRule, verbose: bool, also: str) -> Iterator[Item]:
    if changed := change_words(it):
        yield TextLine(changed, Tone.UNSURE)
    shown = it.pairs if verbose else it.pairs[:MOST_PAIRS]
    for each in shown:
        yield TextLine(pair_words(each))
        yield ShellCommand(f"  {clean_command(each.look)}{also}")
    if left := len(it.pairs) - len(shown):
        yield TextLine(f"{counted(left, 'more pair')}; -v lists them", Tone.QUIET)


def change_words(it: MissingRule) -> str:
    """`Created 2026-11-23 21:09:51 UTC with kubectl apply`; empty where no policy is known."""
    change = it.changed
    if change is None:
        return ""
    said = f"{change.kind.value.capitalize()} {_moment(change.at)} UTC {made_with(change.manager)}"
    return clean(said).rstrip()


def pair_words(it: DeniedPair) -> str:
    """`shop/api → shop/db, TCP 5432: 142 packets dropped in 120 attempts, 21:09:53 to 21:11:06 UTC`."""
    lost = f"{counted(it.packets, 'packet')} dropped in {counted(it.attempts, 'attempt')}"
    return clean(f"{it.source} → {it.destination}, {it.port}: {lost}{_span(it.first, it.last)}")


def _span(first: datetime | None, last: datetime | None) -> str:
    if first is None or last is None:
        return ""
    begin, end = f"{first.astimezone(UTC):%H:%M:%S}", f"{last.astimezone(UTC):%H:%M:%S}"
    return f", at {begin} UTC" if begin == end else f", {begin} to {end} UTC"


def _moment(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _others(it: NamespaceDrops) -> Iterator[str]:
    for each in it.others:
        yield clean(f"{counted(each.packets, 'packet')} ({each.reason}, {each.number})")


def _seen(it: NamespaceDrops) -> Iterator[str]:
    if it.looked_back_s is not None:
        yield f"Hubble remembers {it.looked_back_s:,.0f} s"
    yield clean(it.flow, 80)
    if it.cluster:
        yield f"cluster {clean(it.cluster, 60)}"


# -- JSON ------------------------------------------------------------------------------------------------------------


def render(it: NamespaceDrops) -> str:
    return json.dumps(encode(it), indent=2, ensure_ascii=True) + "\n"


def encode(it: NamespaceDrops) -> dict[str, Any]:
    """Every key is always there. `measured` is false where Hubble could not be asked: then no rule says nothing."""
    return {
        "namespace": it.namespace,
        "cluster": it.cluster or None,
        "flow": it.flow,
        "at": rfc3339(it.at),
        "measured": not it.not_measured,
        "not_measured": it.not_measured or None,
        "doubts": list(it.doubts),
        "looked_back_seconds": it.looked_back_s,
        "packets_dropped": it.packets,
        "rules": [_rule_out(each) for each in it.rules],
        "other_drops": [{"reason": each.reason, "number": each.number, "packets": each.packets} for each in it.others],
        "apiVersion": API_VERSION,
    }


def _rule_out(it: MissingRule) -> dict[str, Any]:
    change, about = it.changed, it.component
    return {
        "missing": it.what,
        "cause_class": it.cause_class,
        "direction": it.direction or None,
        "component": about and {"kind": about.kind, "namespace": about.namespace, "name": about.name},
        "changed": change and {"at": rfc3339(change.at), "kind": change.kind.value, "manager": change.manager},
        "since": it.since and rfc3339(it.since),
        "packets_dropped": it.packets,
        "pairs": [_pair_out(each) for each in it.pairs],
    }


def _pair_out(it: DeniedPair) -> dict[str, Any]:
    return {
        "source": it.source,
        "destination": it.destination,
        "port": it.port,
        "packets_dropped": it.packets,
        "attempts": it.attempts,
        "first": it.first and rfc3339(it.first),
        "last": it.last and rfc3339(it.last),
        "look": it.look,
    }


# -- Slack -----------------------------------------------------------------------------------------------------------


def message(it: NamespaceDrops, also: str = "") -> Said:
    """One message: the headline, each rule with its pairs, and what was not seen."""
    sign = "🔴" if it.rules else "🟢" if is_clear(it) else "⚪"
    first = f"{sign} *{safe(headline(it))}*"
    shown = it.rules[:MOST_IN_CHAT]
    left = len(it.rules) - len(shown)
    last = (_unmeasured(it), *_left(left), *_others(it), *it.doubts, *_seen(it))
    blocks = (
        section(first),
        *(section(_said(each, also)) for each in shown),
        {"type": "context", "elements": [mrkdwn(safe(_joined(last), 1900))]},
    )
    return Said(f"{sign} {safe(headline(it))}", blocks)


def _left(left: int) -> Sequence[str]:
    return (f"{counted(left, 'more rule')}: kai drops lists them in a terminal",) if left else ()


def _joined(parts: Iterable[str]) -> str:
    return " · ".join(filter(None, parts))


def _said(it: MissingRule, also: str) -> str:
    lines = [f"*{safe(it.what)}*", safe(change_words(it))]
    for each in it.pairs[:MOST_PAIRS]:
        slash = each.look.removeprefix("kai ").replace(" -n ", " ")
        lines += [f"• {safe(pair_words(each))}", f"   `/kai {safe(slash)}{also}`"]
    if left := len(it.pairs) - MOST_PAIRS:
        lines += [safe(f"{counted(left, 'more pair')}")] if left > 0 else []
    return fit("\n".join(filter(None, lines)), 2900)
