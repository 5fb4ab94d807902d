"""`kai alert test`: what an alert would start, and why; nothing is started."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bot.alerts.gate import GateRule, Judged, NetworkRelevance, judged, load_gate, settled
from bot.alerts.target import ChosenTarget, ClusterReadings, UnclearTarget, named_target, read_scene, who
from bot.clusters.opening import PolicyWorlds, recorded
from bot.clusters.options import live_of
from bot.clusters.recent_drops import recent_drops
from bot.commands.output import write
from bot.errors import UsageMistake
from bot.report.sanitize import clean
from bot.settings import alert_gate_of
from bot.triggers.alert import Alert, AlertState
from bot.triggers.alerts import message_trigger, webhook_of
from bot.triggers.trigger import Payload
from sensors.access.casefolder import BadCase
from sensors.kit import Absent, Blind

MAX_ALERT_BYTES = 4 * 1024 * 1024
_MESSAGE = ("text", "blocks", "attachments")
WANTED = "give the body that a webhook sends (docs/alerts.md), or a message as Slack's event has it"


def typed(action: str, file: str, case: Path | None, gate: Path | None, offline: bool, **asked: Any) -> int:
    """`kai alert test -f FILE`: 0 when something would be started, 1 when nothing would. `action` is `test`."""
    payload, rules = payload_in(file), load_gate(gate or alert_gate_of())
    kind, alerts = alerts_in(payload, file)
    try:
        worlds = recorded(case) if case is not None else PolicyWorlds(live_of(asked))
    except BadCase as why:
        raise UsageMistake(f"--case: {why}") from why
    scene = "the cluster was not asked (--offline)" if offline else asyncio.run(_scene(worlds))
    looked = [AlertReading(each, asyncio.run(_gate(each, rules, scene, worlds)), scene) for each in alerts]
    rows = [("read as", kind), *(row for each in looked for row in (("", ""), *explained(each)))]
    write("".join(f"{f'{name:<15}{clean(said, 1000)}'.rstrip()}\n" for name, said in rows))
    return 0 if any(map(would_start, looked)) else 1


@dataclass(frozen=True, slots=True)
class AlertReading:
    """One alert, or why it starts nothing; what the gate says of it; the cluster, or why that was not read."""

    alert: Alert | str
    gate: Judged
    scene: ClusterReadings | str


async def _gate(
    alert: Alert | str, rules: tuple[GateRule, ...], scene: ClusterReadings | str, worlds: PolicyWorlds
) -> Judged:
    """As far as the pod's own state is needed and known."""
    if isinstance(alert, str):
        return Judged(NetworkRelevance.NO, alert)
    gate, found = judged(alert, rules), who(alert, scene) if isinstance(scene, ClusterReadings) else None
    if not isinstance(found, ChosenTarget) or alert.state is not AlertState.FIRING:
        return gate
    return await settled(gate, found, partial(recent_drops, worlds.cluster))


def payload_in(file: str) -> Payload:
    """The JSON of a file, or of stdin for `-`. Raises `UsageMistake`."""
    try:
        raw = sys.stdin.buffer.read(MAX_ALERT_BYTES + 1) if file == "-" else Path(file).read_bytes()
    except OSError as why:
        raise UsageMistake(f"{file}: {why.strerror or why}") from why
    if len(raw) > MAX_ALERT_BYTES:
        raise UsageMistake(f"{file}: more than {MAX_ALERT_BYTES // 1024 // 1024} MiB is no alert")
    if not raw.strip():
        raise UsageMistake(f"{file}: it is empty; {WANTED}")
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        raise UsageMistake(f"{file}: it is not JSON; {WANTED}") from None
    said = said.get("event", said) if isinstance(said, dict) and said.get("type") == "event_callback" else said
    if not isinstance(said, dict):
        raise UsageMistake(f"{file}: it is not a JSON object; {WANTED}")
    return said


def alerts_in(payload: Payload, file: str) -> tuple[str, list[Alert | str]]:
    """Trigger that reads it, and each alert, or why it starts nothing. Raises `UsageMistake` for what is no alert."""
    trigger = webhook_of(payload)
    if trigger is None and not (any(each in payload for each in _MESSAGE) or isinstance(payload.get("message"), dict)):
        raise UsageMistake(
            f"{file}: it is no webhook of Alertmanager, Grafana, Datadog or PagerDuty, and no Slack message; {WANTED}"
        )
    trigger = trigger or message_trigger(payload)
    found = [trigger.read(each) for each in trigger.split(payload)]
    said = [each if isinstance(each, Alert) else getattr(each, "why", "nothing") for each in found]
    missing = trigger.left_out(payload)
    return trigger.id, [*(said or ["the payload has no alerts"]), *([f"{missing:,} more are left out"] * bool(missing))]


async def _scene(worlds: PolicyWorlds) -> ClusterReadings | str:
    try:
        async with worlds.cluster() as cluster:
            return await read_scene(cluster)
    except (Blind, Absent) as why:
        return str(why)


def explained(it: AlertReading) -> Iterator[tuple[str, str]]:
    """One alert in rows: what it says, what the gate says, who is meant, what would happen."""
    alert = it.alert
    if isinstance(alert, str):
        yield "would", f"start nothing: {alert}"
        return
    yield "alert", f"{alert.name or 'without a name'} ({alert.state})"
    yield "incident", f"{alert.key}{f', since {alert.since}' if alert.since else ''}"
    yield "channel title", alert.title
    yield "network", f"{it.gate.network}: {it.gate.why}"
    yield "names", ", ".join(map(str, alert.meant)) or "nothing that has a pod"
    yield "peer", str(alert.peer) if alert.peer is not None else "none that is named exactly"
    yield "pod", _who(alert, it.scene)
    yield "would", _would(it, alert)


def _who(alert: Alert, scene: ClusterReadings | str) -> str:
    if not isinstance(scene, ClusterReadings):
        target = named_target(alert)
        return f"{target or 'unknown'}, not checked: {scene}"
    found = who(alert, scene)
    if isinstance(found, ChosenTarget):
        return f"{found.target}{f' ({found.why})' if found.why else ''}"
    choice = ", ".join(f"{namespace}/{pod}" for namespace, pod in found.candidates)
    return f"not clear: {found.why}{f'; to choose from: {choice}' if choice else ''}"


def _would(it: AlertReading, alert: Alert) -> str:
    if alert.state is AlertState.RESOLVED:
        return "edit the answer to its firing; start nothing"
    if alert.state is AlertState.ACKNOWLEDGED:
        return "start nothing: the alert was acknowledged"
    if it.gate.network is NetworkRelevance.NO:
        return "start nothing: one line says why, with a button to investigate anyway"
    if would_start(it):
        return "start an investigation, unless the same firing was heard before or it is one of a storm"
    if not isinstance(it.scene, ClusterReadings):
        return "depend on the cluster: the alert names no pod by itself"
    found = who(alert, it.scene)
    if isinstance(found, UnclearTarget) and found.candidates:
        return "ask in the thread which pod is meant"
    return "start nothing: one line says that no pod was found"


def would_start(it: AlertReading) -> bool:
    """Taken by itself."""
    alert = it.alert
    if isinstance(alert, str) or alert.state is not AlertState.FIRING or it.gate.network is NetworkRelevance.NO:
        return False
    if not isinstance(it.scene, ClusterReadings):
        return named_target(alert) is not None
    return isinstance(who(alert, it.scene), ChosenTarget)
