"""Settings for Claude: the key from the environment, all else also from the `claude:` part of the file.

No key is a choice: rules decide alone. A key that is set and empty is a mistake, and said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.errors import UsageMistake
from flows.agent.money import Ceilings, Price, Prices
from flows.agent.settings import PROVIDERS, USUAL_MODEL, ClaudeSettings
from sensors.kit.nearest import did_you_mean

KEY, MODEL = "ANTHROPIC_API_KEY", "KAI_MODEL"
CLAUDE_KEYS = (
    "model",
    "provider",
    "base_url",
    "region",
    "project",
    "timeout",
    "second_look",
    "anonymize",
    "prices",
    "ceilings",
    "api_key_env",
    "api_key_file",
)
_CEILINGS = ("investigation", "day", "person")
_PRICES = ("input", "output", "cache_write", "cache_read")
_VARIABLES = {
    "model": MODEL,
    "provider": "KAI_CLAUDE_PROVIDER",
    "base_url": "ANTHROPIC_BASE_URL",
    "region": "KAI_CLAUDE_REGION",
    "project": "KAI_CLAUDE_PROJECT",
    "second_look": "KAI_CLAUDE_SECOND_LOOK",
    "anonymize": "KAI_CLAUDE_ANONYMIZE",
}
LONGEST_TIMEOUT_S = 25.0


class BadClaudeSettings(UsageMistake):
    """One line that names the setting and what it should be."""


def read(written: object, environ: Mapping[str, str]) -> ClaudeSettings:
    """From the `claude:` part of the settings file, and the environment above it. Raises `BadClaudeSettings`."""
    said = _mapping(written, "claude", CLAUDE_KEYS)
    found = {name: environ.get(variable, "").strip() or said.get(name) for name, variable in _VARIABLES.items()}
    provider = str(found["provider"] or "anthropic")
    if provider not in PROVIDERS:
        raise BadClaudeSettings(f"claude.provider should be {', '.join(PROVIDERS)}{did_you_mean(provider, PROVIDERS)}")
    return ClaudeSettings(
        key=_key(said, environ),
        model=str(found["model"] or USUAL_MODEL),
        provider=provider,
        base_url=_url(str(found["base_url"] or "")),
        region=str(found["region"] or ""),
        project=str(found["project"] or ""),
        timeout=_number(said.get("timeout", 20.0), "claude.timeout", 1.0, LONGEST_TIMEOUT_S),
        second_look=_flag(found["second_look"], "claude.second_look"),
        anonymize=_flag(found["anonymize"], "claude.anonymize"),
        prices=_prices(said.get("prices")),
        ceilings=_ceilings(said.get("ceilings")),
    )


def _key(said: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    variable = str(said.get("api_key_env", KEY))
    if variable in environ:
        if not environ[variable].strip():
            raise BadClaudeSettings(f"{variable} is set and empty: give the key, or do not set it at all")
        return environ[variable].strip()
    path = environ.get(f"{KEY}_FILE") or said.get("api_key_file")
    if path is None:
        return ""
    try:
        text = Path(str(path)).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as why:
        raise BadClaudeSettings(f"claude.api_key_file: {path} cannot be read ({type(why).__name__})") from None
    if not text:
        raise BadClaudeSettings(f"claude.api_key_file: {path} is empty")
    return text


def _url(url: str) -> str:
    """The key and the brief are sent there, so it is https, or this very machine."""
    parts = urlsplit(url)
    at_home = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if url and (
        not parts.hostname or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not at_home)
    ):
        raise BadClaudeSettings("ANTHROPIC_BASE_URL should be https://… (http only on this machine)")
    return url


def _prices(said: object) -> Prices:
    models = _mapping(said, "claude.prices", None)
    return Prices({str(model): _price(each, f"claude.prices.{model}") for model, each in models.items()})


def _price(said: object, place: str) -> Price:
    known = _mapping(said, place, _PRICES)
    missing = [each for each in _PRICES if each not in known]
    if missing:
        raise BadClaudeSettings(f"{place}.{missing[0]} is missing: US dollars for a million tokens")
    return Price(**{each: _number(known[each], f"{place}.{each}", 0.0, 10_000.0) for each in _PRICES})


def _ceilings(said: object) -> Ceilings:
    known = _mapping(said, "claude.ceilings", _CEILINGS)
    return Ceilings(**{name: _number(each, f"claude.ceilings.{name}", 0.0, 1e6) for name, each in known.items()})


def _mapping(said: object, place: str, known: tuple[str, ...] | None) -> Mapping[str, Any]:
    if said is None:
        return {}
    if not isinstance(said, Mapping):
        raise BadClaudeSettings(f"{place} should hold keys{f' such as {known[0]}' if known else ''}")
    for word in map(str, said):
        if word == "api_key":
            raise BadClaudeSettings(
                "claude.api_key is a secret: name its variable (api_key_env) or file (api_key_file)"
            )
        if known is not None and word not in known:
            raise BadClaudeSettings(f"{place}: unknown word {word!r}{did_you_mean(word, known)}")
    return said


def _number(said: object, place: str, least: float, most: float) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not least <= said <= most:
        raise BadClaudeSettings(f"{place} should be a number from {least:g} to {most:g}, not {str(said)[:20]!r}")
    return float(said)


def _flag(said: object, place: str) -> bool:
    words = {"": False, "true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
    word = "" if said is None else str(said).lower()
    if word not in words:
        raise BadClaudeSettings(f"{place} should be true or false, not {str(said)[:20]!r}")
    return words[word]
