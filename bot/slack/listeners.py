"""Listeners for what Slack sends, whichever way it comes: one folder for each kind, found by walking, behind one gate.

Everything is acked at once, and what nobody knows is acked, too, or Slack would send it again. Bolt passes arguments by
name, and a name that it does not know as None, so the names of a listener's arguments are Bolt's.
"""

from __future__ import annotations

import logging
import re
from types import ModuleType
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.slack import actions, commands, events, options, shortcuts, views
from bot.slack.services import SlackServices
from sensors.kit.catalog import modules_of

log = logging.getLogger(__name__)

LISTENER_PACKAGES: tuple[ModuleType, ...] = (commands, shortcuts, views, options, actions, events)


def register(app: AsyncApp, services: SlackServices) -> None:
    """The gate, every module's listeners, and at last those for what nobody knows: the first that fits wins."""
    app.use(services.gate.ours)
    for kind in LISTENER_PACKAGES:
        for module in modules_of(kind):
            module.register(app, services)
    _register_the_rest(app)
    app.error(failed)


def _register_the_rest(app: AsyncApp) -> None:
    anything = re.compile(".*", re.DOTALL)
    for known in (app.command, app.shortcut, app.view, app.view_closed, app.action, app.event):
        known(anything)(ignored)
    app.options(anything)(no_options)


async def ignored(ack: AsyncAck) -> None:
    await ack()


async def no_options(ack: AsyncAck) -> None:
    await ack(options=[])


async def failed(error: Exception, body: dict[str, Any]) -> None:
    log.error("a listener failed on %s", body.get("type") or body.get("command"), exc_info=error)
