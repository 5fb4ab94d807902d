"""What is said of a policy change that cuts workloads, as a Slack message. Pure; every word of a cluster is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable

from bot.report.blocks import Block, Said, code, few, plain_text, section
from bot.report.mrkdwn import safe
from bot.report.sanitize import clean_command
from bot.slack.alert_words import LOOK
from bot.watch.drops import Cut
from bot.watch.proving import Proved
from bot.watch.watch import Finding

MOST_OTHERS = 5


def words_of(finding: Finding) -> Said:
    """One message: what was changed, whom it cuts, the proof of the way back, and the line that takes it back."""
    change, back = finding.change, finding.back
    cut = sorted({each.cut.way.cut_off for each in back.proved})
    by = f" by {safe(change.by, 80)}" if change.by else ""
    name = safe(change.policy, 200)
    text = f"{name} cuts {_count(len(cut), 'workload')}: it was {change.what} at {change.at:%H:%M:%S} UTC{by}."
    lines = [f"*{text}*", *map(_proved, back.proved), *_others(back.others)]
    if back.refused:
        lines.append(f"Look twice before it is taken back: {safe(back.refused, 400)}.")
    command = clean_command(change.kubectl())
    shown = (section("To take it back:"), code(command)) if command else ()
    return Said(text, (section(few(lines)), *shown, *_button(back.proved[0].cut)))


def _proved(it: Proved) -> str:
    way, packets = safe(it.cut.way, 300), _count(it.cut.packets, "packet")
    replayed = f"{it.allowed:,} of {_count(it.replayed, 'replayed packet')} would pass if the change were taken back"
    return f"• {way}: {packets} dropped since, none in the minutes before; {replayed}."


def _others(others: tuple[Cut, ...]) -> Iterable[str]:
    if others:
        ways = ", ".join(safe(each.way, 150) for each in others[:MOST_OTHERS])
        more = f" and {len(others) - MOST_OTHERS:,} more" if len(others) > MOST_OTHERS else ""
        yield f"Dropped since the change, too, and not replayed: {ways}{more}."


def _button(cut: Cut) -> tuple[Block, ...]:
    """The same button as below an alert: an investigation of one of the pods that are cut off."""
    it = cut.sample
    if it is None:
        return ()
    value = json.dumps({"pod": it.pod, "namespace": it.namespace, "host": it.to_host, "port": it.to_port})
    button = {"type": "button", "action_id": LOOK, "text": plain_text("Investigate"), "value": value}
    return ({"type": "actions", "elements": [button]},)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
