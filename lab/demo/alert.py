"""Messages in #alerts when the visitor comes: an alert about the recorded pod, and a note that this is a recording.

Pure. The alert has the form in which Alertmanager 0.25 posts to Slack: the title of its default template, a text from
an annotation, and fields for namespace and pod. Its words are made from the recording's own header.
"""

from __future__ import annotations

from typing import Any

from bot.report.mrkdwn import safe
from sensors.access.casefolder import CaseHeader
from sensors.kit import Target

Json = dict[str, Any]
ALERT_NAME = "PodCannotReachPeer"
AUTHOR = "KAI demo"
"""Who signs the note."""


def command(target: Target) -> str:
    """Command for the visitor to type: the recording's own question, with the peer where it names one."""
    peer = f" --to {target.to}" if target.to else ""
    return f"/kai netdebug {target.pod} {target.namespace}{peer}"


def alert(target: Target) -> Json:
    """The body that Alertmanager would post to its incoming webhook."""
    title = f"[FIRING:1] {ALERT_NAME} {target.namespace} ({target.pod} critical)"
    attachment = {
        "title": title,
        "text": _summary(target),
        "fallback": title,
        "color": "danger",
        "fields": [
            {"title": "namespace", "value": target.namespace, "short": True},
            {"title": "pod", "value": target.pod, "short": True},
        ],
        "mrkdwn_in": ["fallback", "pretext", "text"],
    }
    return {"channel": "#alerts", "username": "Alertmanager", "attachments": [attachment]}


def note(name: str, header: CaseHeader, target: Target, kept: list[str]) -> Json:
    """Says what is real here and what is not, and what to type. `kept`: what the simulated cluster cannot simulate."""
    said = [_section(_what_it_is(name, header)), _section(_what_to_do(target)), _context(ALERT_FOOTNOTE)]
    if kept:
        said.append(_context("Not simulated, always as recorded: " + "; ".join(safe(each, 300) for each in kept[:3])))
    return {"channel": "#alerts", "username": AUTHOR, "text": "This is a recording.", "blocks": said}


def topic(name: str) -> str:
    """Topic beside the channel's name."""
    return f"A recording ({name}) replayed on this machine: not your cluster"


ALERT_FOOTNOTE = (
    "The alert above is made from the recording's own header; all that KAI answers, it finds out by itself. "
    "Nothing leaves this machine, and Ctrl-C in the terminal removes everything."
)


def _what_it_is(name: str, header: CaseHeader) -> str:
    kind = "an incident made for trials" if header.synthetic else "a real incident"
    when = f", recorded on {header.recorded_at:%Y-%m-%d}" if header.recorded_at else ""
    return (
        f"*This is a recording*: {kind}{when} (`{safe(name)}`). A simulated cluster on this machine replays it: "
        "Kubernetes objects, hubble flows and logs as they were recorded, their times moved to now. "
        "It is not your cluster."
    )


def _what_to_do(target: Target) -> str:
    return (
        "The alert has started an investigation: KAI answers in its thread. Open it, ask `why?` or `what did you not "
        f"measure?` there, and press its buttons. To ask by yourself, type:\n```{command(target)}```"
    )


def _summary(target: Target) -> str:
    pod = f"{target.namespace}/{target.pod}"
    return f"{pod} cannot reach {target.to}" if target.to else f"{pod} reports that its connections fail"


def _section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _context(text: str) -> Json:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}
