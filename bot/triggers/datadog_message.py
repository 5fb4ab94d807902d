"""Datadog's message in a channel: `Triggered: …` over a text, the group's tags in the link of its title."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from bot.store import OriginKind
from bot.triggers.alert import Alert, key_of, text
from bot.triggers.alert_message import alert_in, attachment_of, author_of, message_of, subject_of, title_of
from bot.triggers.datadog import tags_in
from bot.triggers.trigger import Nothing, Payload, Trigger


def fits(payload: Payload) -> bool:
    message = message_of(payload)
    link = text(attachment_of(message).get("title_link"))
    return author_of(message).startswith("datadog") or (".datadoghq." in link and "/monitors/" in link)


def read(payload: Payload) -> Alert | Nothing:
    message = message_of(payload)
    title, link = title_of(message), urlsplit_or_none(text(attachment_of(message).get("title_link")))
    if not title:
        return Nothing("the message has no title")
    if link is None:
        return alert_in("datadog_message", payload)
    path, query = link
    group = (parse_qs(query).get("group") or [""])[0]
    key = key_of("datadog_message", path, group or subject_of(title))
    return alert_in("datadog_message", payload, key=key, labels=tags_in(group))


def urlsplit_or_none(link: str) -> tuple[str, str] | None:
    """Path and query of a monitor's address."""
    try:
        parts = urlsplit(link.replace("&amp;", "&"))
    except ValueError:
        return None
    return (parts.path, parts.query) if "/monitors/" in parts.path else None


TRIGGER = Trigger("datadog_message", OriginKind.ALERT, read, fits)
