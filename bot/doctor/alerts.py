"""Checks whether alerts reach KAI: who may call its webhooks, and what Slack lets it read, channel by channel. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bot.alert_settings import AlertSettings, WatchSettings
from bot.alerts.access import ChannelAccess
from bot.doctor.check import Check, CheckState

HISTORY = ("channels:history", "groups:history")
GIVE_SCOPE = "docs/slack-manifest.yaml  # paste the app's manifest with channels:history, then install the app anew"
TURN_ON = "export KAI_ALERT_CHANNEL=C… KAI_ALERT_TOKEN=…  # or KAI_ALERT_SENDERS=C…=A…; docs/alerts.md"
WATCH_ON = "export KAI_WATCH_CHANNEL=C…  # docs/alerts.md"
NO_MESSAGES = "no message of an alert channel is read, so none starts an investigation"
OWN_ROOTS = "webhooks are answered in root messages of their own, not in the alert's thread"


def alert_checks(alerts: AlertSettings, watch: WatchSettings, access: ChannelAccess) -> tuple[Check, ...]:
    """A line for each thing that alerts need; one line where nobody wants them."""
    return (*_alerts(alerts, watch, access), _watch(watch))


def unreadable(why: str) -> tuple[Check, ...]:
    """The settings themselves are wrong, so nothing else can be said."""
    return (Check("settings", CheckState.MISSING, why, "kai serve does not start", "docs/slack.md"),)


def _alerts(alerts: AlertSettings, watch: WatchSettings, access: ChannelAccess) -> Iterator[Check]:
    if not alerts.enabled:
        yield Check("alerts", CheckState.OFF, "no channel is configured", "no alert starts an investigation", TURN_ON)
    else:
        yield _webhooks(alerts)
        yield _scope(alerts, access)
    for channel in dict.fromkeys([*alerts.channels, *filter(None, [watch.channel])]):
        yield _membership(channel, access)
        yield from _silent(channel, access)
        if channel in alerts.channels:
            yield _senders(channel, alerts)


def _webhooks(alerts: AlertSettings) -> Check:
    name = "alerts: webhooks"
    if not alerts.channel:
        return Check(name, CheckState.OFF, "KAI_ALERT_CHANNEL is not set", "alerts come by messages only", TURN_ON)
    ways = {
        "a token": alerts.token,
        "a client certificate": alerts.tls,
        "Grafana's signature": alerts.grafana_secret,
        "PagerDuty's signature": alerts.pagerduty_secret,
    }
    shown = ", ".join(way for way, is_there in ways.items() if is_there)
    return Check(name, CheckState.OK, f"answered in {alerts.channel}; callers show {shown}")


def _scope(alerts: AlertSettings, access: ChannelAccess) -> Check:
    name = "alerts: scope channels:history"
    if access.why:
        return Check(name, CheckState.UNKNOWN, access.why)
    held = [each for each in HISTORY if each in access.scopes]
    if held:
        return Check(name, CheckState.OK, ", ".join(held))
    lacks = "the bot's token has neither channels:history nor groups:history"
    if alerts.senders:
        return Check(name, CheckState.MISSING, lacks, NO_MESSAGES, GIVE_SCOPE)
    return Check(name, CheckState.OFF, lacks, OWN_ROOTS, GIVE_SCOPE)


def _membership(channel: str, access: ChannelAccess) -> Check:
    name = f"alerts: channel {channel}"
    said = access.refusals.get(channel)
    if access.why or said is None:
        return Check(name, CheckState.UNKNOWN, access.why or "not asked")
    if not said:
        return Check(name, CheckState.OK, "KAI is a member")
    if said == "missing_scope":
        return Check(name, CheckState.UNKNOWN, "membership was not measured: the scope to read this channel is missing")
    if said not in _NO_MEMBER:
        return Check(name, CheckState.UNKNOWN, f"Slack answers {said}")
    return Check(name, CheckState.MISSING, _NO_MEMBER[said], "KAI can neither read nor answer there", "/invite @kai")


def _silent(channel: str, access: ChannelAccess) -> Iterator[Check]:
    """Only where KAI keeps silent: a channel of one's own is no news."""
    if why := access.silent.get(channel):
        mend = f"export KAI_SHARED_CHANNELS={channel}  # or the scopes channels:read, groups:read; docs/slack.md"
        found = f"another organisation reads along, or may ({why})"
        yield Check(f"alerts: who reads {channel}", CheckState.MISSING, found, "KAI says nothing there", mend)


_NO_MEMBER = {
    "not_in_channel": "KAI is not a member",
    "channel_not_found": "there is no such channel, or it is private and KAI is not a member",
    "is_archived": "the channel is archived",
}


def _senders(channel: str, alerts: AlertSettings) -> Check:
    name, listed = f"alerts: senders in {channel}", sorted(alerts.senders.get(channel, ()))
    if listed:
        return Check(name, CheckState.OK, f"{len(listed)} listed: {', '.join(listed)}")
    have = f"export KAI_ALERT_SENDERS={channel}=A…  # kai serve logs the ids of each sender that is not listed"
    return Check(
        name, CheckState.OFF, "none is listed", "only webhooks start something, no message in this channel", have
    )


def _watch(watch: WatchSettings) -> Check:
    name = "policy watch"
    if watch.channel:
        return Check(
            name, CheckState.OK, f"drops within {watch.window_s} s of a policy change are said in {watch.channel}"
        )
    return Check(
        name, CheckState.OFF, "KAI_WATCH_CHANNEL is not set", "a change that cuts workloads is not said", WATCH_ON
    )
