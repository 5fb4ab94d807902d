"""`kai alert test`: what an alert would start, and why; nothing is started."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bot.alerts.gate import GateRule, Judged, NetworkRelevance, judged, load_gate, settled
from bot.alerts.target import ChosenTarget, ClusterReadings, UnclearTarget, named_target, read_scene, who
from bot.clusters.opening import PolicyWorlds, recorded
from bot.clusters.options import Live, live_of
from bot.clusters.recent_drops import recent_drops
from bot.clusters.served import ServedClusters, UnknownCluster, served
from bot.commands.output import write
from bot.errors import UsageMistake
from bot.report.cluster_name import UNNAMED
from bot.report.sanitize import clean
from bot.settings import clusters_of, word_of
from bot.triggers.alert import Alert, AlertState, text
from bot.triggers.alerts import message_trigger, webhook_of
from bot.triggers.trigger import Payload
from sensors.access.casefolder import BadCase
from sensors.kit import Absent, Blind, Cluster

MAX_ALERT_BYTES = 4 * 1024 * 1024
_MESSAGE = ("text", "blocks", "attachments")
WANTED = "give the body that a webhook sends (docs/alerts.md), or a message as Slack's event has it"


def typed(action: str, file: str, case: Path | None, gate: Path | None, offline: bool, **asked: Any) -> int:
    """`kai alert test -f FILE`: 0 when something would be started, 1 when nothing would. `action` is `test`."""
    own = word_of("alert_gate")
    payload, rules = payload_in(file), load_gate(gate or (Path(own).expanduser() if own else None))
    kind, alerts = alerts_in(payload, file)
    clusters, channel = clusters_of_alerts(case, live_of(asked)), text(payload.get("channel"))
    looked = asyncio.run(_readings(alerts, rules, None if offline else clusters, channel))
    rows = [("read as", kind), *(row for each in looked for row in (("", ""), *explained(each)))]
    write("".join(f"{f'{name:<15}{clean(said, 1000)}'.rstrip()}\n" for name, said in rows))
    return 0 if any(map(would_start, looked)) else 1


@dataclass(frozen=True, slots=True)
class AlertReading:
    """One alert, or why it starts nothing; what the gate says of it; who is meant, or why no cluster was read."""

    alert: Alert | str
    gate: Judged
    found: ChosenTarget | UnclearTarget | str


def clusters_of_alerts(case: Path | None, live: Live) -> ServedClusters:
    """The recording or the cluster that the command names; else those of the settings, as `kai serve` has them."""
    try:
        one = recorded(case) if case is not None else PolicyWorlds(live)
    except BadCase as why:
        raise UsageMistake(f"--case: {why}") from why
    of_settings = () if case is not None or live.names_a_cluster else clusters_of()
    return served(of_settings, word_of("default_cluster"), live) if of_settings else ServedClusters({UNNAMED: one})


async def _readings(
    alerts: Sequence[Alert | str], rules: tuple[GateRule, ...], clusters: ServedClusters | None, channel: str
) -> list[AlertReading]:
    """Each cluster is read once. `clusters`: None where none is to be asked."""
    scenes: dict[str, ClusterReadings | str] = {}
    return [await _reading(each, rules, clusters, channel, scenes) for each in alerts]


async def _reading(
    alert: Alert | str,
    rules: tuple[GateRule, ...],
    clusters: ServedClusters | None,
    channel: str,
    scenes: dict[str, ClusterReadings | str],
) -> AlertReading:
    if isinstance(alert, str):
        return AlertReading(alert, Judged(NetworkRelevance.NO, alert), alert)
    gate = judged(alert, rules)
    if clusters is None:
        return AlertReading(alert, gate, "the cluster was not asked (--offline)")
    try:
        name = clusters.of_alert(alert.labels, channel)
    except UnknownCluster as why:
        return AlertReading(alert, gate, UnclearTarget(str(why), is_unread=True))
    if name not in scenes:
        scenes[name] = await _scene(partial(clusters.cluster, name))
    scene = scenes[name]
    found = who(alert, scene) if isinstance(scene, ClusterReadings) else scene
    if isinstance(found, ChosenTarget) and alert.state is AlertState.FIRING:  # the pod's own state is needed and known
        gate = await settled(gate, found, partial(recent_drops, partial(clusters.cluster, name)))
    return AlertReading(alert, gate, found)


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


async def _scene(open_cluster: Callable[[], AbstractAsyncContextManager[Cluster]]) -> ClusterReadings | str:
    try:
        async with open_cluster() as cluster:
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
    yield "pod", _who(alert, it.found)
    yield "would", _would(it, alert)


def _who(alert: Alert, found: ChosenTarget | UnclearTarget | str) -> str:
    if isinstance(found, str):
        return f"{named_target(alert) or 'unknown'}, not checked: {found}"
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
    if isinstance(it.found, str):
        return "depend on the cluster: the alert names no pod by itself"
    if isinstance(it.found, UnclearTarget) and it.found.candidates:
        return "ask in the thread which pod is meant"
    return "start nothing: one line says that no pod was found"


def would_start(it: AlertReading) -> bool:
    """Taken by itself."""
    alert = it.alert
    if isinstance(alert, str) or alert.state is not AlertState.FIRING or it.gate.network is NetworkRelevance.NO:
        return False
    return named_target(alert) is not None if isinstance(it.found, str) else isinstance(it.found, ChosenTarget)
