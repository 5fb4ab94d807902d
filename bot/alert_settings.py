"""Settings for alerts and for the watch on policies: where they come in, who sends them, where they are answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.errors import BadSettings
from bot.secret import Secret

TLS_PORT = 8443
WINDOW_S = 120
_CHANNEL, _SENDER = re.compile(r"[CG][A-Z0-9]{2,20}"), re.compile(r"[AB][A-Z0-9]{2,20}")
_TLS = ("alert_tls_cert", "alert_tls_key", "alert_client_ca")


@dataclass(frozen=True, slots=True)
class HookTls:
    """A port of its own for webhooks: our certificate, and the authority that has signed those of the senders."""

    certificate: Path
    key: Path
    client_ca: Path
    port: int = TLS_PORT


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """`channel`: where webhooks are answered. `senders`: ids (`bot_id`, `app_id`) whose messages count, by channel.

    Callers of webhooks show `token`, a certificate (`tls`), or a signature made with the secret of their kind.
    """

    channel: str = ""
    token: Secret | None = None
    pagerduty_secret: Secret | None = None
    senders: Mapping[str, frozenset[str]] = field(default_factory=dict)
    gate: Path | None = None
    grafana_secret: Secret | None = None
    tls: HookTls | None = None

    @property
    def enabled(self) -> bool:
        return bool(self.channel or self.senders)

    @property
    def channels(self) -> tuple[str, ...]:
        """Every channel in which alerts are read or answered, each once."""
        return tuple(dict.fromkeys([*filter(None, [self.channel]), *self.senders]))

    @property
    def secrets(self) -> tuple[Secret | None, ...]:
        return self.token, self.pagerduty_secret, self.grafana_secret


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """The watch on policy changes; without a channel it is off. `window_s`: how long after a change drops count."""

    channel: str = ""
    window_s: int = WINDOW_S


def alerts(found: Mapping[str, Any]) -> AlertSettings:
    """Raises `BadSettings`."""
    channel = _channel("KAI_ALERT_CHANNEL", found.get("alert_channel"))
    token, pagerduty, grafana = (found.get(each) for each in ("alert_token", "pagerduty_secret", "grafana_secret"))
    tls = _tls(found)
    may_call = token or pagerduty or grafana or tls
    if may_call and not channel:
        raise BadSettings("KAI_ALERT_CHANNEL is missing: the channel in which webhooks are answered")
    if channel and not may_call:
        raise BadSettings("KAI_ALERT_TOKEN is missing: what a webhook has to show (docs/alerts.md)")
    gate = found.get("alert_gate")
    senders = _senders(found.get("alert_senders"))
    return AlertSettings(channel, token, pagerduty, senders, _path(gate) if gate else None, grafana, tls)


def watch(found: Mapping[str, Any]) -> WatchSettings:
    """Raises `BadSettings`."""
    channel, window = found.get("watch_channel"), found.get("watch_window", WINDOW_S)
    return WatchSettings(_channel("KAI_WATCH_CHANNEL", channel), _whole("KAI_WATCH_WINDOW", window, 10, 600))


def _channel(name: str, said: object) -> str:
    channel = str(said or "")
    if channel and not _CHANNEL.fullmatch(channel):
        raise BadSettings(f"{name} should be a channel's id such as C0123ABCD, not {channel[:30]!r}")
    return channel


def channels(name: str, said: object) -> frozenset[str]:
    """`C0ONE,C0TWO`, or in the file a list. Raises `BadSettings`."""
    listed = said if isinstance(said, list) else str(said or "").replace(",", " ").split()
    return frozenset(_channel(name, each) for each in listed if each)


def _tls(found: Mapping[str, Any]) -> HookTls | None:
    said = [found.get(each) for each in _TLS]
    if not any(said):
        return None
    if missing := next((each for each, path in zip(_TLS, said, strict=True) if not path), None):
        raise BadSettings(f"KAI_{missing.upper()} is missing: TLS for webhooks needs certificate, key and client CA")
    certificate, key, client_ca = map(_path, said)
    port = _whole("KAI_ALERT_TLS_PORT", found.get("alert_tls_port", TLS_PORT), 0, 65535)
    return HookTls(certificate, key, client_ca, port)


def _senders(said: object) -> Mapping[str, frozenset[str]]:
    """`C0ALERTS=B0AM,A0GRAFANA C0OTHER=B0X`, or in the file lists by channel."""
    pairs = said.items() if isinstance(said, dict) else [each.partition("=")[::2] for each in str(said or "").split()]
    found = {str(channel): _ids(ids) for channel, ids in pairs}
    for channel, ids in found.items():
        if not _CHANNEL.fullmatch(channel) or not ids or not all(map(_SENDER.fullmatch, ids)):
            raise BadSettings(f"KAI_ALERT_SENDERS should be CHANNEL=BOT_ID,APP_ID …, not {channel[:30]!r}=…")
    return found


def _ids(said: object) -> frozenset[str]:
    return frozenset(map(str, said)) if isinstance(said, list) else frozenset(str(said or "").split(","))


def _path(said: object) -> Path:
    return Path(str(said)).expanduser()


def _whole(name: str, said: object, least: int, most: int) -> int:
    text = str(said)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise BadSettings(f"{name} should be a number from {least} to {most}, not {text[:20]!r}")
    return int(text)
