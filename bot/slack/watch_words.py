"""Slack message about a policy change that cuts workloads. Pure; every word of a cluster is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta

from bot.report.blocks import Said, SlackBlock, code, few, plain_text, section
from bot.report.cluster_name import cluster_name
from bot.report.mrkdwn import safe
from bot.report.sanitize import clean_command
from bot.slack.alert_words import LOOK
from bot.watch.changes import PolicyChange
from bot.watch.drops import Cut
from bot.watch.proving import ProvedCut
from bot.watch.watch import CutFinding

MAX_SHOWN_OTHERS = 5


def words_of(finding: CutFinding, cluster: str = "") -> Said:
    """One message: what was changed, whom it cuts, the proof of the way back, and the line that takes it back."""
    change, back = finding.change, finding.back
    cut = sorted({each.cut.way.cut_off for each in back.proved})
    where = f" in cluster {safe(name, 63)}" if (name := cluster_name(cluster)) else ""
    text = f"{_names(change)} {_count(len(cut), 'workload')}{where}: {_told(change)}."
    lines = [f"*{text}*", *map(_proved, back.proved), *_others(back.others)]
    if back.refused:
        lines.append(f"Look twice before it is taken back: {safe(back.refused, 400)}.")
    command = clean_command(change.kubectl())
    shown = (section("To take it back:"), code(command)) if command else ()
    return Said(text, (section(few(lines)), *shown, *_button(back.proved[0].cut, cluster_name(cluster))))


def _names(change: PolicyChange) -> str:
    shown = [safe(each.policy, 200) for each in change.all[:MAX_SHOWN_OTHERS]]
    more = len(change.all) - len(shown)
    if len(change.all) == 1:
        return f"{shown[0]} cuts"
    return f"{', '.join(shown)}{f' and {more} more' if more else ''} together cut"


def _told(change: PolicyChange) -> str:
    by = f" by {safe(change.by, 80)}" if change.by else ""
    who = "it was" if not change.also else "the first of them was"
    return f"{who} {change.what} at {change.at:%H:%M:%S} UTC{by}"


def _proved(it: ProvedCut) -> str:
    way, packets = safe(it.cut.way, 300), _count(it.cut.packets, "packet")
    replayed = f"{it.allowed:,} of {_count(it.replayed, 'dropped packet')} that Hubble remembers would pass"
    if it.computed:
        replayed = "Hubble has forgotten them, and by the policies they would pass"
    before = f"none in the {_lasted(it.cut.quiet)} before"
    return f"• {way}: {packets} dropped since, {before}; {replayed} if the change were taken back."


def _lasted(time: timedelta) -> str:
    seconds = int(time.total_seconds())
    return f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"


def _others(others: tuple[Cut, ...]) -> Iterable[str]:
    if others:
        ways = ", ".join(safe(each.way, 150) for each in others[:MAX_SHOWN_OTHERS])
        more = f" and {len(others) - MAX_SHOWN_OTHERS:,} more" if len(others) > MAX_SHOWN_OTHERS else ""
        yield f"Dropped since the change, too, and not replayed: {ways}{more}."


def _button(cut: Cut, cluster: str) -> tuple[SlackBlock, ...]:
    """The same button as below an alert: an investigation of one of the pods that are cut off."""
    it = cut.sample
    if it is None:
        return ()
    peer = {"host": it.to_host, "port": it.to_port, "protocol": it.to_protocol}
    value = json.dumps({"pod": it.pod, "namespace": it.namespace, **peer, "cluster": cluster})
    button = {"type": "button", "action_id": LOOK, "text": plain_text("Investigate"), "value": value}
    return ({"type": "actions", "elements": [button]},)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
