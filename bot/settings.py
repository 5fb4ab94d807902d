"""Settings of `kai serve`: environment over file, checked at the start, secrets never shown.

The file is `KAI_CONFIG`, else ~/.kai/config.yaml, else /etc/kai/config.yaml. It names where secrets are (`…_env`,
`…_file`) and never holds one. A secret that is there and empty is an error, not a feature that is quietly off.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from bot import claude_settings, cluster_settings
from bot.alert_settings import AlertSettings, WatchSettings, alerts, channels, watch
from bot.approval.rules import Approvals, BadRules, read
from bot.cluster_settings import NamedCluster
from bot.errors import BadSettings
from bot.secret import Secret
from bot.store.location import default_url
from flows.agent.settings import ClaudeSettings
from sensors.kit.nearest import did_you_mean

SLACK_API = "https://slack.com/api/"
USUAL_FILES = (Path("~/.kai/config.yaml"), Path("/etc/kai/config.yaml"))
MODES = ("socket", "http")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("text", "json")
_SECTIONS = ("slack", "alerts", "watch")
_PREFIXES = {"bot_token": ("xoxb-",), "app_token": ("xapp-",)}


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """`mode` socket needs an app token, http a signing secret. `pace` is seconds between messages in one channel.

    `shared_channels`: those shared with another organisation in which KAI may answer all the same.
    """

    bot_token: Secret
    mode: str = "socket"
    app_token: Secret | None = None
    signing_secret: Secret | None = None
    api_url: str = SLACK_API
    pace: float = 1.1
    shared_channels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything `kai serve` needs to know. `case`: a recording in place of the living cluster, for trials."""

    slack: SlackSettings
    database_url: Secret
    case: Path | None = None
    kubeconfig: str | None = None
    context: str | None = None
    hubble_server: str | None = None
    clusters: tuple[NamedCluster, ...] = ()
    default_cluster: str = ""
    host: str = "::"  # every address, IPv4 too: the kubelet's probes come from outside the pod
    port: int = 8080
    log_level: str = "INFO"
    log_format: str = "text"
    flow: str = "flow.k8s_network_debug"
    approvals: Approvals = field(default_factory=Approvals)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)
    claude: ClaudeSettings = field(default_factory=ClaudeSettings)


@dataclass(frozen=True, slots=True)
class _Key:
    """One setting: its variables in the environment and its place in the file."""

    names: tuple[str, ...]
    place: tuple[str, ...]
    secret: bool = False


_KEYS: Mapping[str, _Key] = {
    "bot_token": _Key(("SLACK_BOT_TOKEN",), ("slack", "bot_token"), secret=True),
    "app_token": _Key(("SLACK_APP_TOKEN",), ("slack", "app_token"), secret=True),
    "signing_secret": _Key(("SLACK_SIGNING_SECRET",), ("slack", "signing_secret"), secret=True),
    "mode": _Key(("KAI_SLACK_MODE",), ("slack", "mode")),
    "api_url": _Key(("SLACK_API_URL",), ("slack", "api_url")),
    "pace": _Key(("KAI_SLACK_PACE",), ("slack", "pace")),
    "shared_channels": _Key(("KAI_SHARED_CHANNELS",), ("slack", "shared_channels")),
    "database_url": _Key(("KAI_DATABASE_URL", "DATABASE_URL"), ("database_url",), secret=True),
    "case": _Key(("KAI_CASE",), ("case",)),
    "kubeconfig": _Key(("KAI_KUBECONFIG",), ("kubeconfig",)),
    "context": _Key(("KAI_CONTEXT",), ("context",)),
    "hubble_server": _Key(("HUBBLE_SERVER", "KAI_HUBBLE_ADDR"), ("hubble_server",)),
    "default_cluster": _Key(("KAI_CLUSTER",), ("default_cluster",)),
    "host": _Key(("KAI_HOST",), ("host",)),
    "port": _Key(("KAI_PORT",), ("port",)),
    "log_level": _Key(("KAI_LOG_LEVEL",), ("log_level",)),
    "log_format": _Key(("KAI_LOG_FORMAT",), ("log_format",)),
    "flow": _Key(("KAI_FLOW",), ("flow",)),
    "alert_channel": _Key(("KAI_ALERT_CHANNEL",), ("alerts", "channel")),
    "alert_token": _Key(("KAI_ALERT_TOKEN",), ("alerts", "token"), secret=True),
    "pagerduty_secret": _Key(("KAI_ALERT_PAGERDUTY_SECRET",), ("alerts", "pagerduty_secret"), secret=True),
    "grafana_secret": _Key(("KAI_ALERT_GRAFANA_SECRET",), ("alerts", "grafana_secret"), secret=True),
    "alert_tls_cert": _Key(("KAI_ALERT_TLS_CERT",), ("alerts", "tls_cert")),
    "alert_tls_key": _Key(("KAI_ALERT_TLS_KEY",), ("alerts", "tls_key")),
    "alert_client_ca": _Key(("KAI_ALERT_CLIENT_CA",), ("alerts", "client_ca")),
    "alert_tls_port": _Key(("KAI_ALERT_TLS_PORT",), ("alerts", "tls_port")),
    "alert_senders": _Key(("KAI_ALERT_SENDERS",), ("alerts", "senders")),
    "alert_gate": _Key(("KAI_ALERT_GATE",), ("alerts", "gate")),
    "watch_channel": _Key(("KAI_WATCH_CHANNEL",), ("watch", "channel")),
    "watch_window": _Key(("KAI_WATCH_WINDOW",), ("watch", "window")),
}


def load(environ: Mapping[str, str] | None = None, file: Path | None = None, **said: Any) -> Settings:
    """Reads settings from the command line, else the environment, else the file. Raises `BadSettings`."""
    return _checked(_everything(os.environ if environ is None else environ, file, said))


def _everything(environ: Mapping[str, str], file: Path | None, said: Mapping[str, Any]) -> dict[str, Any]:
    written = _written(_file(environ, file))
    return {**_found(environ, written, said), "approvals": _approvals(written), "clusters": _clusters(written)}


def _found(environ: Mapping[str, str], written: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in said.items() if value is not None}
    for name, key in _KEYS.items():
        if name not in found and (value := _value(key, environ, written)) is not None:
            found[name] = value
    found["claude"] = claude_settings.read(written.get("claude"), environ)
    return found


@dataclass(frozen=True, slots=True)
class AlertsSetUp:
    """As much of the settings as alerts need, for those who look at it without serving Slack."""

    alerts: AlertSettings
    watch: WatchSettings
    bot_token: Secret | None
    api_url: str
    shared_channels: frozenset[str]


def alerts_of(environ: Mapping[str, str], file: Path | None = None) -> AlertsSetUp:
    """Raises `BadSettings`. Whether Slack could be served does not matter."""
    found = _found(environ, _written(_file(environ, file)), {})
    api_url = _api_url(str(found.get("api_url") or SLACK_API))
    return AlertsSetUp(alerts(found), watch(found), found.get("bot_token"), api_url, _shared(found))


def check(environ: Mapping[str, str], file: Path | None = None) -> None:
    """Raises `UsageMistake` for what `kai serve` would refuse here; that Slack's tokens are not set is no mistake."""
    tokens = {"bot_token": Secret("xoxb-"), "app_token": Secret("xapp-"), "signing_secret": Secret("-")}
    _checked({**tokens, **_everything(environ, file, {})})


def word_of(key: str, environ: Mapping[str, str] | None = None, file: Path | None = None) -> str:
    """One setting alone, for a terminal; empty where it is not said. Raises `BadSettings`."""
    environ = os.environ if environ is None else environ
    return str(_value(_KEYS[key], environ, _written(_file(environ, file))) or "")


def approvals_of(file: Path | None = None, environ: Mapping[str, str] | None = None) -> Approvals:
    """The approvals of the settings file alone, for a terminal. Raises `BadSettings`."""
    return _approvals(_written(_file(os.environ if environ is None else environ, file)))


def claude_of(file: Path | None = None, environ: Mapping[str, str] | None = None) -> ClaudeSettings:
    """Settings for Claude alone, for a terminal. Raises `UsageMistake`."""
    environ = os.environ if environ is None else environ
    return claude_settings.read(_written(_file(environ, file)).get("claude"), environ)


def clusters_of(file: Path | None = None, environ: Mapping[str, str] | None = None) -> tuple[NamedCluster, ...]:
    """The clusters of the settings file alone, for a terminal. Raises `BadSettings`."""
    return _clusters(_written(_file(os.environ if environ is None else environ, file)))


def _clusters(written: Mapping[str, Any]) -> tuple[NamedCluster, ...]:
    return cluster_settings.read(written.get("clusters"))


def _approvals(written: Mapping[str, Any]) -> Approvals:
    try:
        return read(written.get("approvals"))
    except BadRules as why:
        raise BadSettings(str(why)) from None


# -- where a value comes from ----------------------------------------------------------------------------------------


def _file(environ: Mapping[str, str], named: Path | None) -> Path | None:
    wanted = named or (Path(environ["KAI_CONFIG"]) if environ.get("KAI_CONFIG") else None)
    if wanted is not None:
        if not wanted.is_file():
            raise BadSettings(f"{wanted}: no such file (KAI_CONFIG, --config)")
        return wanted
    return next((path for each in USUAL_FILES if (path := each.expanduser()).is_file()), None)


def _written(path: Path | None) -> Mapping[str, Any]:
    """The file's keys, each known; a secret in it is refused."""
    if path is None:
        return {}
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as why:
        raise BadSettings(f"{path} cannot be read: {type(why).__name__}") from None
    if not isinstance(said, dict) or not all(isinstance(said.get(each, {}), dict) for each in _SECTIONS):
        raise BadSettings(f"{path} should hold keys such as database_url_env and slack:")
    _check_words(path, said, _words(()), "the file")
    for each in _SECTIONS:
        _check_words(path, said.get(each, {}), _words((each,)), each)
    return said


def _words(place: tuple[str, ...]) -> list[str]:
    """Keys allowed at a place of the file; of a secret only where it is."""
    words = [*_SECTIONS, "approvals", "claude", "clusters"] if not place else []
    for key in _KEYS.values():
        if key.place[:-1] == place:
            words += [f"{key.place[-1]}_env", f"{key.place[-1]}_file"] if key.secret else [key.place[-1]]
    return words


def _check_words(path: Path, said: Mapping[Any, Any], known: list[str], where: str) -> None:
    for word in map(str, said):
        if f"{word}_env" in known:
            raise BadSettings(f"{path}: {word} is a secret: name its variable ({word}_env) or its file ({word}_file)")
        if word not in known:
            raise BadSettings(f"{path}: unknown word {word!r} in {where}{did_you_mean(word, known)}")


def _value(key: _Key, environ: Mapping[str, str], written: Mapping[str, Any]) -> Any:
    places: Mapping[str, Any] = written.get(key.place[0], {}) if len(key.place) == 2 else written
    for name in key.names:
        if name in environ:
            return _of_environment(name, environ[name], key)
        if key.secret and f"{name}_FILE" in environ:
            return _of_file(f"{name}_FILE", environ[f"{name}_FILE"])
    return _of_places(key, places, environ)


def _of_environment(name: str, text: str, key: _Key) -> Any:
    if key.secret and not text.strip():
        raise BadSettings(f"{name} is set and empty: give the secret, or do not set it at all")
    return Secret(text.strip()) if key.secret else (text.strip() or None)


def _of_places(key: _Key, places: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    word = key.place[-1]
    if not key.secret:
        return places.get(word)
    if (name := places.get(f"{word}_env")) is not None:
        if str(name) not in environ:
            raise BadSettings(f"{word}_env names {name}, which is not in the environment")
        return _of_environment(str(name), environ[str(name)], key)
    path = places.get(f"{word}_file")
    return None if path is None else _of_file(f"{word}_file", str(path))


def _of_file(name: str, path: str) -> Secret:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as why:
        raise BadSettings(f"{name}: {path} cannot be read ({type(why).__name__})") from None
    if not text:
        raise BadSettings(f"{name}: {path} is empty")
    return Secret(text)


# -- what a value must be --------------------------------------------------------------------------------------------


def _checked(found: Mapping[str, Any]) -> Settings:
    slack, clusters = _slack(found), found["clusters"]
    return Settings(
        slack=slack,
        database_url=found.get("database_url") or Secret(default_url()),
        case=_case(found.get("case")),
        clusters=clusters,
        default_cluster=_default_cluster(found),
        alerts=alerts(found),
        watch=watch(found),
        port=_number("KAI_PORT", found.get("port", 8080), 0, 65535),
        log_level=_one_of("KAI_LOG_LEVEL", str(found.get("log_level", "INFO")).upper(), LEVELS),
        log_format=_one_of("KAI_LOG_FORMAT", str(found.get("log_format", "text")), LOG_FORMATS),
        approvals=found["approvals"],
        claude=found["claude"],
        **_texts(found),
    )


def _default_cluster(found: Mapping[str, Any]) -> str:
    """The cluster that is meant where nobody names one. Raises `BadSettings` for what contradicts `clusters:`."""
    clusters, default = found["clusters"], str(found.get("default_cluster") or "")
    if clusters and found.get("case"):
        raise BadSettings("clusters: a recording (case, KAI_CASE) takes the place of all clusters: leave one out")
    if clusters and found.get("context"):
        raise BadSettings("clusters: each names its own context: leave the other context out")
    if default:
        cluster_settings.named(clusters, default)
    return default


def _texts(found: Mapping[str, Any]) -> dict[str, str]:
    names = ("kubeconfig", "context", "hubble_server", "host", "flow")
    return {name: str(found[name]) for name in names if found.get(name)}


def _slack(found: Mapping[str, Any]) -> SlackSettings:
    mode = _one_of("KAI_SLACK_MODE", str(found.get("mode", "socket")), MODES)
    _needed(found, "bot_token", "SLACK_BOT_TOKEN", "the bot's token, xoxb-…")
    if mode == "socket":
        _needed(found, "app_token", "SLACK_APP_TOKEN", "an app-level token with connections:write, xapp-…")
    else:
        _needed(found, "signing_secret", "SLACK_SIGNING_SECRET", "the app's signing secret, in http mode")
    for name, prefixes in _PREFIXES.items():
        if name in found and not found[name].reveal().startswith(prefixes):
            raise BadSettings(f"SLACK_{name.upper()} does not begin with {prefixes[0]}: is it another token?")
    return SlackSettings(
        bot_token=found["bot_token"],
        mode=mode,
        app_token=found.get("app_token"),
        signing_secret=found.get("signing_secret"),
        api_url=_api_url(str(found.get("api_url") or SLACK_API)),
        pace=_pace(found.get("pace", 1.1)),
        shared_channels=_shared(found),
    )


def _shared(found: Mapping[str, Any]) -> frozenset[str]:
    return channels("KAI_SHARED_CHANNELS", found.get("shared_channels"))


def _needed(found: Mapping[str, Any], name: str, variable: str, what: str) -> None:
    if name not in found:
        raise BadSettings(f"{variable} is missing: {what} (docs/slack.md says where to find it)")


def _api_url(url: str) -> str:
    """Tokens are sent there, so it is https, or this very machine."""
    parts = urlsplit(url)
    at_home = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not at_home):
        raise BadSettings("SLACK_API_URL should be https://…/api/ (http only on this machine)")
    return url if url.endswith("/") else f"{url}/"


def _case(said: object) -> Path | None:
    return None if said is None else Path(str(said)).expanduser()


def _pace(said: object) -> float:
    try:
        seconds = float(str(said))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 60:
        raise BadSettings(f"KAI_SLACK_PACE should be seconds between two messages, such as 1.1, not {str(said)[:20]!r}")
    return seconds


def _number(name: str, said: object, least: int, most: int) -> int:
    text = str(said)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise BadSettings(f"{name} should be a number from {least} to {most}, not {text[:20]!r}")
    return int(text)


def _one_of(name: str, said: str, known: tuple[str, ...]) -> str:
    if said not in known:
        raise BadSettings(f"{name} should be {' or '.join(known)}, not {said[:20]!r}{did_you_mean(said, known)}")
    return said


def secrets_of(settings: Settings) -> Iterator[str]:
    """Every secret, for the filter that keeps them out of the log."""
    slack = settings.slack
    for each in (
        slack.bot_token,
        slack.app_token,
        slack.signing_secret,
        settings.database_url,
        *settings.alerts.secrets,
    ):
        if each is not None and len(each.reveal()) >= 6:
            yield each.reveal()
    if settings.claude.key:
        yield settings.claude.key
