"""The gate: is an alert about the network at all? A table of rules, as data, before any flow is spent."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from bot.alerts.target import ChosenTarget
from bot.clusters.recent_drops import RecentDrops
from bot.errors import UsageMistake
from bot.triggers.alert import Alert
from sensors.kit import Target
from sensors.kit.nearest import did_you_mean


class NetworkRelevance(StrEnum):
    """`ask`: only the pod's state can tell."""

    YES = "yes"
    NO = "no"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class GateRule:
    """All patterns that are there must fit. `why` is what is said of it."""

    network: NetworkRelevance
    why: str
    alert: re.Pattern[str] | None = None
    words: re.Pattern[str] | None = None
    labels: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    def fits(self, alert: Alert) -> bool:
        labels = all(pattern.search(alert.labels.get(name, "")) for name, pattern in self.labels.items())
        named = self.alert is None or self.alert.search(alert.name) is not None
        return labels and named and (self.words is None or self.words.search(alert.words) is not None)


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdict of the gate, with the reason in a clause."""

    network: NetworkRelevance
    why: str


CountDrops = Callable[[Target], Awaitable[RecentDrops]]
"""Asks Hubble, once and briefly, whether packets of a pod were dropped just now."""

UNKNOWN_ALERT = Judged(NetworkRelevance.ASK, "no rule of the gate knows it")
NAMED_PEER = Judged(NetworkRelevance.YES, "it names a peer that cannot be reached")


def judged(alert: Alert, rules: Sequence[GateRule]) -> Judged:
    """The first rule that fits decides. A named peer is about the network where no rule says that it is not."""
    found = next((each for each in rules if each.fits(alert)), None)
    said = UNKNOWN_ALERT if found is None else Judged(found.network, found.why)
    return NAMED_PEER if said.network is NetworkRelevance.ASK and alert.peer is not None else said


async def settled(gate: Judged, chosen: ChosenTarget, drops: CountDrops) -> Judged:
    """Decides by the pod what the gate left open: it is not ready, or Hubble saw its packets dropped just now.

    What nobody measured counts neither way: then only the pod's state decides, and the reason says so.
    """
    if gate.network is not NetworkRelevance.ASK:
        return gate
    if chosen.ready is not True:
        return Judged(
            NetworkRelevance.YES, "the pod is not ready" if chosen.ready is False else f"{gate.why}, and {UNREAD}"
        )
    seen = await drops(chosen.target)
    if seen.any:
        return Judged(NetworkRelevance.YES, seen.words())
    return Judged(
        NetworkRelevance.NO, f"{gate.why}, it names no peer, pod {chosen.target} is ready, and {seen.words()}"
    )


UNREAD = "whether the pod is ready could not be read"


def load_gate(own: Path | None = None) -> tuple[GateRule, ...]:
    """KAI's rules, after a team's own. Raises `UsageMistake`, in one line that names the rule."""
    theirs = () if own is None else _read(own.name, _text(own))
    return (*theirs, *_read("gate.yaml", (files("bot.alerts") / "gate.yaml").read_text("utf-8")))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as why:
        raise UsageMistake(f"KAI_ALERT_GATE: {path} cannot be read ({type(why).__name__})") from None


def _read(name: str, text: str) -> tuple[GateRule, ...]:
    try:
        said = yaml.safe_load(text) or []
    except yaml.YAMLError:
        raise UsageMistake(f"{name}: it is not YAML") from None
    if not isinstance(said, list):
        raise UsageMistake(f"{name}: it should be a list of rules")
    return tuple(_rule(f"{name}, rule {number}", each) for number, each in enumerate(said, 1))


GATE_KEYS = ("alert", "words", "labels", "network", "why")


def _rule(where: str, said: Any) -> GateRule:
    if not isinstance(said, dict):
        raise UsageMistake(f"{where}: a rule has the words {', '.join(GATE_KEYS)}")
    if unknown := next((each for each in said if each not in GATE_KEYS), None):
        raise UsageMistake(f"{where}: unknown word {unknown!r}{did_you_mean(str(unknown), GATE_KEYS)}")
    if not any(said.get(each) for each in ("alert", "words", "labels")):
        raise UsageMistake(f"{where}: it fits everything: give it alert, words or labels")
    labels = said.get("labels") or {}
    if not isinstance(labels, dict):
        raise UsageMistake(f"{where}: labels should be patterns by label")
    patterns = {str(label): _pattern(where, pattern) for label, pattern in labels.items()}
    alert, words = (_pattern(where, said[each]) if said.get(each) else None for each in ("alert", "words"))
    why = str(said.get("why") or "a rule says so")[:200]
    return GateRule(_network(where, said.get("network")), why, alert, words, patterns)


def _network(where: str, said: Any) -> NetworkRelevance:
    """YAML reads a bare yes and no as true and false."""
    word = {True: "yes", False: "no"}.get(said, said) if isinstance(said, bool) else said
    if word not in [each.value for each in NetworkRelevance]:
        raise UsageMistake(f"{where}: network should be yes, no or ask")
    return NetworkRelevance(word)


def _pattern(where: str, said: Any) -> re.Pattern[str]:
    if (
        not said or isinstance(said, bool) or not isinstance(said, str | int)
    ):  # a list would be read as a set of letters
        raise UsageMistake(f"{where}: a pattern should be a text in quotes, not {str(said)[:60]!r}")
    try:
        return re.compile(str(said), re.IGNORECASE)
    except re.error as why:
        raise UsageMistake(f"{where}: {str(said)[:60]!r} is no pattern: {why}") from None
