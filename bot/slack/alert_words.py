"""Slack messages about alerts. Pure; everything that an alert or a cluster says is escaped."""

from __future__ import annotations

import json
from typing import Any

from bot.alerts.notices import ListedAlerts, Notice, PointedAlert, SkippedAlert, StartedByAlert, UnclearAlert
from bot.report.blocks import Said, SlackBlock, few, mrkdwn, plain_text, section
from bot.report.mrkdwn import fit, literal, safe
from bot.triggers.alert import Alert
from bot.triggers.commands import Investigate
from sensors.kit import Target
from sensors.kit.addresses import HostPort, host_port

LOOK, CHOOSE = "kai_alert_look", "kai_alert_pod"
MOST_SPACES = 20
_WORDS = ("host", "protocol", "cluster")
_TO = "to "
"""Begins the id of the block in which a pod is chosen; the alert's peer follows."""


def words_of(notice: Notice) -> Said:
    """The message."""
    match notice:
        case StartedByAlert():
            return _started(notice)
        case SkippedAlert():
            return _skipped(notice)
        case UnclearAlert():
            return _unclear(notice)
        case ListedAlerts():
            return _listed(notice)
        case PointedAlert():
            return _pointed(notice)


def _started(it: StartedByAlert) -> Said:
    others = f" It stands for {_count(it.others, 'other alert')}, too." if it.others else ""
    chosen = f" {_sentence(it.chosen)}" if it.chosen else ""
    text = f"Started by the alert {_name(it.alert)}, because {safe(it.because, 300)}.{chosen}{others}"
    return Said(text, ({"type": "context", "elements": [mrkdwn(text)]},))


def _skipped(it: SkippedAlert) -> Said:
    text = f"The alert {_name(it.alert)} was not looked into: {safe(it.why, 600).rstrip('.')}."
    target = it.target
    return Said(text, (section(text), *(_buttons(target, it.cluster) if target is not None else ())))


def _buttons(target: Target, cluster: str) -> tuple[SlackBlock, ...]:
    peer = {"host": target.to_host, "port": target.to_port, "protocol": target.to_protocol}
    value = json.dumps({"pod": target.pod, "namespace": target.namespace, **peer, "cluster": cluster})
    if len(value) > 2000:
        return ()
    button = {"type": "button", "action_id": LOOK, "text": plain_text("Investigate anyway"), "value": value}
    return ({"type": "actions", "elements": [button]},)


def _unclear(it: UnclearAlert) -> Said:
    text = f"Which pod the alert {_name(it.alert)} means is not clear: {safe(it.why, 600).rstrip('.')}."
    more = " Choose one:" if it.candidates else ""
    return Said(text, (section(f"{text}{more}"), *_select(it)))


def _select(it: UnclearAlert) -> tuple[SlackBlock, ...]:
    options = [_option(f"{namespace}/{pod}", it.cluster) for namespace, pod in it.candidates]
    fitting = [each for each in options if len(each["value"]) <= 150]
    if not fitting:
        return ()
    select = {
        "type": "static_select",
        "action_id": CHOOSE,
        "placeholder": plain_text("A pod"),
        "options": fitting[:100],
    }
    block_id = f"{_TO}{it.alert.peer or ''}"
    return ({"type": "actions", "elements": [select], **({"block_id": block_id} if len(block_id) <= 255 else {})},)


def _option(name: str, cluster: str) -> dict[str, Any]:
    return {"text": plain_text(literal(name, 75)), "value": f"{name} {cluster}".rstrip()}


def _listed(it: ListedAlerts) -> Said:
    name = f" {safe(it.name, 200)}" if it.name else ""
    what = "One investigation is for all of them." if it.investigated else f"Not looked into: {safe(it.why, 300)}."
    text = f"{_count(it.count, 'alert')}{name and ' of'}{name}. {what}"
    lines = [f"*{text}*", *(f"• {safe(each, 250)}" for each in it.lines)]
    spaces = [f"{safe(name, 80)} {count:,}" for name, count in it.by_namespace[:MOST_SPACES]]
    if it.count > len(it.lines):
        more = len(it.by_namespace) - MOST_SPACES
        lines.append(f"By namespace: {', '.join(spaces)}{f' and {more} more' if more > 0 else ''}.")
    if it.dropped:
        lines.append(f"{_count(it.dropped, 'more alert')} are not listed: too many came at once.")
    return Said(text, (section(few(lines)),))


def _pointed(it: PointedAlert) -> Said:
    others = f" together with {_count(it.others, 'other')}" if it.others > 0 else ""
    if it.investigated:
        hidden = "in a conversation that not everybody here is in"
        place = f"<{it.url}|in this thread>" if it.url else hidden if it.url is None else "in another thread"
        text = f"The alert {_name(it.alert)} is looked into{others}, {place}."
    else:
        place = f"<{it.url}|this list>" if it.url else "a list in this channel"
        text = f"The alert {_name(it.alert)} was not looked into by itself: it is in {place}{others}."
    return Said(text, ({"type": "context", "elements": [mrkdwn(text)]},))


def pressed_look(value: str) -> Investigate | None:
    """Request of the button; None where it cannot be read."""
    try:
        said = json.loads(value)
    except ValueError:
        return None
    if not isinstance(said, dict) or not all(isinstance(said.get(each), str) for each in ("pod", "namespace")):
        return None
    host, protocol, cluster = (each if isinstance(each := said.get(one), str) else None for one in _WORDS)
    port = each if isinstance(each := said.get("port"), int) else None
    return Investigate(said["pod"][:253], said["namespace"][:253], host, port, None, protocol, cluster or "")


def chosen_pod(value: str, block_id: str = "") -> Investigate | None:
    """Choice of a pod, of the alert's cluster and with its peer."""
    name, _, cluster = value.partition(" ")
    namespace, slash, pod = name.partition("/")
    if not (slash and namespace and pod):
        return None
    peer = _peer(block_id.removeprefix(_TO)) if block_id.startswith(_TO) else HostPort("")
    return Investigate(pod[:253], namespace[:253], peer.host or None, peer.port, None, peer.protocol, cluster)


def _peer(said: str) -> HostPort:
    try:
        return host_port(said) if said else HostPort("")
    except ValueError:
        return HostPort("")


def _name(alert: Alert) -> str:
    return f"*{safe(alert.name or alert.title or 'without a name', 150).replace('*', '')}*"


def _sentence(clause: str) -> str:
    return f"{fit(safe(clause, 400), 400).rstrip('.')}."


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
