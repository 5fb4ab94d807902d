"""Puts the demo together: a Slack-like workspace, a simulated cluster, the real bot between them, and an alert."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.alert_settings import AlertSettings
from bot.app import Served, running
from bot.approval.person import Directory
from bot.approval.proposal import KubeUser
from bot.approval.rules import Approvals
from bot.secret import Secret
from bot.settings import Settings, SlackSettings
from lab.cluster import LabCluster
from lab.demo.alert import alert, command, note, topic
from lab.demo.surroundings import set_aside
from lab.workspace import Workspace
from lab.workspace.people import ALERTMANAGER, NOTES
from sensors.access.casefolder import BadCase
from sensors.kit import Target

CHANNEL = "alerts"
OUTSIDERS = ("grace", "mallory")
"""A guest, and somebody of another company: they see the buttons, too, and may press none of them."""

UNDO_AFTER_S = 25.0
"""Seconds after which a change that does not help is taken back; 60 elsewhere. Here a policy is in force at once."""

DEMO_PACE_S = 0.3
"""Seconds between two messages in a channel. Slack wants one; nobody limits rates here, and a visitor waits."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that runs. `url` opens #alerts with the alert in it; `command` is what to type there."""

    url: str
    command: str
    workspace: Workspace
    lab: LabCluster
    served: Served


@asynccontextmanager
async def demonstrate(case: Path, port: int = 0) -> AsyncIterator[Demo]:
    """Everything from started to removed. Raises `BadCase`; `OSError` when the port is taken. Port 0: any free one."""
    with set_aside(), tempfile.TemporaryDirectory(prefix="kai-demo-") as folder:
        async with AsyncExitStack() as stack:
            workspace = await stack.enter_async_context(Workspace.start(port))
            lab = await stack.enter_async_context(LabCluster.start(case, probe_servers=True))
            os.environ.update(lab.environ)
            served = await stack.enter_async_context(
                running(settings(workspace, lab, Path(folder)), within=UNDO_AFTER_S)
            )
            target = target_of(lab)
            await workspace.connected()
            await tell(workspace, lab, target)
            yield Demo(address(workspace), command(target), workspace, lab, served)


def settings(workspace: Workspace, lab: LabCluster, folder: Path) -> Settings:
    """As an operator would set KAI up, with everything on this machine."""
    app = workspace.app
    slack = SlackSettings(
        Secret(app.bot_token), "socket", Secret(app.app_token), api_url=workspace.api_url, pace=DEMO_PACE_S
    )
    return Settings(
        slack,
        Secret(f"sqlite:///{folder}/kai.db"),
        kubeconfig=str(lab.kubeconfig("kai")),
        hubble_server=lab.relay,
        host="127.0.0.1",
        port=0,
        alerts=AlertSettings(senders={workspace.world.channel(CHANNEL).id: frozenset({ALERTMANAGER.id})}),
        approvals=approvals(workspace),
    )


def approvals(workspace: Workspace) -> Approvals:
    """People of the simulated cluster: alice is on call there, bob may only look."""
    known = {workspace.user(name).user.id: KubeUser(name) for name in ("alice", "bob")}
    return Approvals(Directory(known))


def target_of(lab: LabCluster) -> Target:
    """The pod of the incident."""
    if lab.target is None:
        raise BadCase(f"{lab.recording.path}: the recording names no pod")
    return lab.target


async def tell(workspace: Workspace, lab: LabCluster, target: Target) -> None:
    """The alert, which KAI answers by itself, and below it, where the visitor looks first, what this is."""
    name, header = lab.recording.path.name, lab.recording.folder.header
    room = workspace.world.channel(CHANNEL)
    room.topic = topic(name)
    room.members |= {workspace.user(each).user.id for each in OUTSIDERS}
    said = ((alert(target), ALERTMANAGER), (note(name, header, target, lab.unsimulated), NOTES))
    for body, app in said:
        async with workspace.post_webhook(body, app.id) as answer:
            answer.raise_for_status()


def address(workspace: Workspace) -> str:
    """The page, with the alert in view."""
    room = workspace.world.channel(CHANNEL)
    return workspace.world.permalink(room.id, next(iter(room.messages)))
