"""An Event on the object that was changed, made in the approver's name: for whoever asks `kubectl describe` tomorrow.

It is told once and best effort: the change is in force whether or not this may be written. Source of the fields:
Kubernetes API reference, core/v1 Event.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot import __version__
from bot.patch.model import Approver, ObjectName
from bot.patch.wire import AnswerLost, ApiCall, NotSent, WriteConnection
from sensors.kit.objects import one_line

LONGEST_MESSAGE = 1000
"""The API server takes 1,024 bytes (`validation.go`: NoteLengthLimit); ours has signs of more than one."""

COMPONENT = "kai-netdebug"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Event about a change of `target` (the object with `uid`) for a proposal. `reason` is one word in CamelCase."""

    proposal: str
    approver: Approver | None
    target: ObjectName
    uid: str
    reason: str
    message: str
    at: datetime

    @property
    def namespace(self) -> str:
        """Namespace of the Event: beside the object; of a Namespace, inside it."""
        return self.target.namespace or self.target.name


async def announce(line: WriteConnection, it: Announcement) -> str:
    """The reason why it could not be told, in one line; empty when it stands there."""
    agent, path = f"kai-netdebug/{__version__} proposal/{it.proposal}", f"/api/v1/namespaces/{it.namespace}/events"
    call = ApiCall("POST", path, agent, body=event_of(it), approver=it.approver, why=it.proposal)
    try:
        reply = await line.send(call)
    except (NotSent, AnswerLost) as why:
        return str(why)
    return "" if reply.good or reply.status == 409 else reply.words


def event_of(it: Announcement) -> dict[str, Any]:
    """The same each time it is tried: a name that is taken says that it stands there already. Pure."""
    digest = hashlib.sha256(f"{it.proposal} {it.target}".encode()).hexdigest()[:16]
    stamp = it.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {"apiVersion": it.target.kind.api, "kind": it.target.kind.name, "name": it.target.name, "uid": it.uid}
    words = one_line(it.message, LONGEST_MESSAGE).encode()[:LONGEST_MESSAGE].decode(errors="ignore")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{it.target.name[:200]}.{digest}", "namespace": it.namespace},
        "involvedObject": {**about, "namespace": it.namespace},
        "reason": it.reason,
        "message": words,
        "type": "Normal",
        "count": 1,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": it.proposal,
        "action": it.reason,
    }
