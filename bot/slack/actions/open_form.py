"""Fill in the form: opens it, with what is known already."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack import form
from bot.slack.button import Press, on_press
from bot.slack.services import SlackServices


def register(app: AsyncApp, services: SlackServices) -> None:
    async def open_form(press: Press) -> None:
        await services.investigating.fill(form.filled(press.value), press.who)

    on_press(app, services.gate, form.OPEN_FORM, open_form)
