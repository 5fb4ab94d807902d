"""Namespaces and pods for the form."""

from __future__ import annotations

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp

from bot.slack import form
from bot.slack.names import PodSuggestions
from bot.slack.services import SlackServices
from bot.triggers.form import NAMESPACE, POD


def register(app: AsyncApp, services: SlackServices) -> None:
    async def namespaces(ack: AsyncAck, body: dict[str, Any]) -> None:
        names = await _names(services, body).namespaces()
        await ack(options=form.options(names, str(body.get("value") or "")))

    async def pods(ack: AsyncAck, body: dict[str, Any]) -> None:
        """Of the namespace that is chosen, of all when none is."""
        wanted = form.chosen_namespace(body)
        names = {pod for space, pod in await _names(services, body).pods() if wanted in ("", space)}
        await ack(options=form.options(names, str(body.get("value") or "")))

    app.options(NAMESPACE)(namespaces)
    app.options(POD)(pods)


def _names(services: SlackServices, body: dict[str, Any]) -> PodSuggestions:
    """Of the cluster that was named before the form was opened, else of its channel's."""
    view = body.get("view") or {}
    return services.names(form.place(view)[0], form.cluster_of(view))
