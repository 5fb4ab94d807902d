"""Rules of an operator, namespace by namespace: who may ask, who may approve, how many, what never, and when.

Read from the `approvals:` part of the settings file. A word that is not known is an error: a rule that was misspelt
must not be a rule that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

from bot.approval.person import Directory
from bot.approval.proposal import KubeUser
from sensors.kit.nearest import did_you_mean

EXPIRY = timedelta(minutes=30)
LONGEST_EXPIRY = timedelta(hours=24)
MOST_NEEDED = 10
EVERYWHERE = "*"


class BadRules(ValueError):
    """The approvals of the settings cannot be used. The message is one line that names the place."""


class AskRule(StrEnum):
    """Rule for who may ask about a namespace. `rights`: whoever may read the logs of its pods (`get pods/log`)."""

    EVERYONE = "everyone"
    GROUP = "group"
    RIGHTS = "rights"


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of the day in UTC, over midnight where it ends before it begins."""

    begin: time
    end: time

    def holds(self, at: datetime) -> bool:
        now = at.time().replace(tzinfo=None)
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end

    def __str__(self) -> str:
        return f"{self.begin:%H:%M} to {self.end:%H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one namespace.

    `approvers`: Slack users and Kubernetes groups that may approve; empty: everybody whose Kubernetes rights suffice.
    `two_persons`: whoever asked, joined, ran it again or edited it does not count. `both_sides`: a fix in two
    namespaces needs two persons, also where one of them has rights on both sides. `denied`: nothing is changed here.
    `quiet`: no approval in these hours. `terminal_only`: no button approves here, only `kai approve` with one's own
    kubeconfig, for those to whom an account of Slack is not enough.
    """

    ask: AskRule = AskRule.EVERYONE
    askers: frozenset[str] = frozenset()
    approvers: frozenset[str] = frozenset()
    needed: int = 1
    two_persons: bool = False
    both_sides: bool = False
    denied: bool = False
    denied_kinds: frozenset[str] = frozenset()
    quiet: Hours | None = None
    terminal_only: bool = False
    expiry: timedelta = EXPIRY


@dataclass(frozen=True, slots=True)
class Approvals:
    """Everything about approvals. `enabled` is False until somebody is mapped: no button is shown then."""

    directory: Directory = field(default_factory=Directory)
    everywhere: Rules = field(default_factory=Rules)
    namespaces: Mapping[str, Rules] = field(default_factory=dict)

    @property
    def enabled(self) -> bool:
        return bool(self.directory.people or self.directory.domains)

    def of(self, namespace: str) -> Rules:
        return self.namespaces.get(namespace, self.everywhere)

    def strictest(self, namespaces: Iterable[str]) -> Rules:
        """Strictest rules for a change in all of these: the most persons, the shortest expiry."""
        every = [self.of(each) for each in namespaces] or [self.everywhere]
        return Rules(
            needed=max(each.needed for each in every),
            two_persons=any(each.two_persons for each in every),
            both_sides=any(each.both_sides for each in every),
            denied=any(each.denied for each in every),
            denied_kinds=frozenset().union(*(each.denied_kinds for each in every)),
            terminal_only=any(each.terminal_only for each in every),
            expiry=min(each.expiry for each in every),
        )


# -- reading ---------------------------------------------------------------------------------------------------------


def read(said: Any) -> Approvals:
    """From the `approvals:` part of the file; nothing said is the safe default: nobody is mapped. Raises `BadRules`."""
    top = _mapping(said, "approvals", ("people", "email", "everywhere", "namespaces"))
    spaces = _mapping(top.get("namespaces"), "approvals.namespaces", None)
    everywhere = _rules(top.get("everywhere"), "approvals.everywhere", Rules())
    return Approvals(
        _directory(top),
        everywhere,
        {str(name): _rules(each, f"approvals.namespaces.{name}", everywhere) for name, each in spaces.items()},
    )


def _directory(top: Mapping[str, Any]) -> Directory:
    people = _mapping(top.get("people"), "approvals.people", None)
    email = _mapping(top.get("email"), "approvals.email", ("domains", "prefix", "groups"))
    domains = frozenset(each.lower() for each in _words(email.get("domains"), "approvals.email.domains"))
    groups = tuple(_groups(email.get("groups"), "approvals.email.groups"))
    prefix = _text(email.get("prefix", "slack:"), "approvals.email.prefix")
    if domains and not prefix:
        raise BadRules("approvals.email.prefix should not be empty: an address must not become somebody else's name")
    return Directory({str(key): _person(str(key), each) for key, each in people.items()}, domains, prefix, groups)


_SLACK_USER = re.compile(r"[UW][A-Z0-9]{2,20}")


def _person(key: str, said: Any) -> KubeUser:
    place = f"approvals.people.{key}"
    if not _SLACK_USER.fullmatch(key):
        raise BadRules(f"{place}: people are named by their Slack ids, such as U024BE7LH")
    known = _mapping(said, place, ("user", "groups"))
    name = _text(known.get("user", ""), f"{place}.user")
    _not_of_the_system(name, f"{place}.user")
    return KubeUser(name, tuple(_groups(known.get("groups"), f"{place}.groups")))


def _groups(said: Any, place: str) -> list[str]:
    found = _words(said, place)
    for each in found:
        _not_of_the_system(each, place)
    return found


def _not_of_the_system(name: str, place: str) -> None:
    if not name or name.startswith("system:"):
        raise BadRules(f"{place} should be a person's own name or group, not {name[:40]!r}")


def _rules(said: Any, place: str, usual: Rules) -> Rules:
    known = _mapping(said, place, tuple(each.name for each in fields(Rules)))
    found = {each.name: getattr(usual, each.name) for each in fields(Rules)}
    for word, value in known.items():
        found[word] = _READ[word](value, f"{place}.{word}")
    rules = Rules(**found)
    if rules.ask is AskRule.GROUP and not rules.askers:
        raise BadRules(f"{place}.askers is missing: ask is group, and nobody is in it")
    return rules


def _ask(said: Any, place: str) -> AskRule:
    known = [each.value for each in AskRule]
    if said not in known:
        raise BadRules(f"{place} should be {', '.join(known)}, not {str(said)[:40]!r}{did_you_mean(str(said), known)}")
    return AskRule(said)


def _needed(said: Any, place: str) -> int:
    if isinstance(said, bool) or not isinstance(said, int) or not 1 <= said <= MOST_NEEDED:
        raise BadRules(f"{place} should be a number from 1 to {MOST_NEEDED}, not {str(said)[:40]!r}")
    return said


def _flag(said: Any, place: str) -> bool:
    if not isinstance(said, bool):
        raise BadRules(f"{place} should be true or false, not {str(said)[:40]!r}")
    return said


def _set(said: Any, place: str) -> frozenset[str]:
    return frozenset(_words(said, place))


_HOURS = re.compile(r"(?P<b>\d{2}:\d{2})-(?P<e>\d{2}:\d{2})")


def _hours(said: Any, place: str) -> Hours | None:
    found = _HOURS.fullmatch(said) if isinstance(said, str) else None
    try:
        if found is not None:
            return Hours(time.fromisoformat(found["b"]), time.fromisoformat(found["e"]))
    except ValueError:
        pass
    raise BadRules(f"{place} should be hours in UTC, such as 22:00-06:00, not {str(said)[:40]!r}")


_UNITS = {"m": 60, "h": 3600, "s": 1}


def _expiry(said: Any, place: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,4})([smh])", said) if isinstance(said, str) else None
    span = timedelta(seconds=int(found[1]) * _UNITS[found[2]]) if found else timedelta(0)
    if not timedelta(0) < span <= LONGEST_EXPIRY:
        raise BadRules(f"{place} should be a time of at most 24h, such as 30m, not {str(said)[:40]!r}")
    return span


_READ: Mapping[str, Callable[[Any, str], Any]] = {
    "ask": _ask,
    "askers": _set,
    "approvers": _set,
    "needed": _needed,
    "two_persons": _flag,
    "both_sides": _flag,
    "denied": _flag,
    "denied_kinds": _set,
    "quiet": _hours,
    "terminal_only": _flag,
    "expiry": _expiry,
}


def _mapping(said: Any, place: str, known: tuple[str, ...] | None) -> Mapping[str, Any]:
    if said is None:
        return {}
    if not isinstance(said, Mapping):
        raise BadRules(f"{place} should hold keys{f' such as {known[0]}' if known else ''}, not {str(said)[:40]!r}")
    for word in map(str, said):
        if known is not None and word not in known:
            raise BadRules(f"{place}: unknown word {word!r}{did_you_mean(word, known)}")
    return said


def _words(said: Any, place: str) -> list[str]:
    found = said if isinstance(said, list) else [] if said is None else [said]
    for each in found:
        if not isinstance(each, str) or not each.strip():
            raise BadRules(f"{place} should be a list of words, not {str(each)[:40]!r}")
    return list(found)


def _text(said: Any, place: str) -> str:
    if not isinstance(said, str):
        raise BadRules(f"{place} should be text, not {str(said)[:40]!r}")
    return said.strip()
