"""A namespace is chosen in the form: from now on it offers the pods of that namespace alone."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.slack import form
from bot.slack.button import Press, on_press
from bot.slack.services import SlackServices
from bot.triggers.form import NAMESPACE


def register(app: AsyncApp, services: SlackServices) -> None:
    async def narrow(press: Press) -> None:
        view = press.body.get("view") or {}
        try:
            await services.client.views_update(view_id=view.get("id"), hash=view.get("hash"), view=form.narrowed(view))
        except SlackApiError:
            return  # closed, or changed meanwhile: then all pods are offered, and a wrong one is asked about again

    on_press(app, services.gate, NAMESPACE, narrow)
