"""`/kai …`: the words of a person in, one command out. `@kai …` reads the same words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from bot.clusters.target import WORKLOAD_KINDS
from bot.store import OriginKind
from bot.triggers.commands import (
    Cancel,
    Command,
    Drops,
    Fill,
    Help,
    History,
    Investigate,
    Misread,
    ShowCommand,
    StatusCommand,
)
from bot.triggers.slack_text import typed
from bot.triggers.trigger import Nothing, Payload, Trigger
from sensors.kit.addresses import HostPort, host_port
from sensors.kit.durations import seconds_in
from sensors.kit.nearest import did_you_mean

USAGE = (
    "netdebug POD NAMESPACE [--to HOST:PORT[/PROTOCOL]] [--since 15m] [--cluster NAME]",
    "drops NAMESPACE [--cluster NAME]",
    "status",
    "history",
    "show ID",
    "cancel ID",
    "help",
)
"""What can be written behind `/kai` or `@kai`."""

LONGEST_LOOK_BACK = 24 * 3600
SHORTEST_VERB = 5
"""Letters of a mistyped verb: a shorter word is more likely the beginning of a sentence."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_ID = re.compile(r"[0-9a-z]{3,40}")
_OPTIONS = {"--to": "to", "--since": "since", "-n": "namespace", "--namespace": "namespace", "--cluster": "cluster"}


def parse(text: str) -> Command:
    """Raises `Misread`. Nothing at all is a wish for the form; a question without its namespace is one, too."""
    words = typed(text).split()
    if not words:
        return Fill()
    verb = words[0].lower()
    if verb not in _VERBS:
        raise Misread(_unknown(words))
    return _VERBS[verb](words[1:])


def is_command(text: str) -> bool:
    """Does the text begin with one of the verbs? In a thread, everything else is a question about the verdict."""
    words = typed(text).split()
    return bool(words) and words[0].lower() in _VERBS


def is_nearly_command(text: str) -> bool:
    """Does it begin with what looks like a verb, and go on as that verb does: with names, not with a sentence?"""
    words = typed(text).split()
    near = bool(words) and len(words[0]) >= SHORTEST_VERB and bool(did_you_mean(words[0].lower(), _VERBS))
    return near and 1 < len(words) <= 4 and all(_NAME.fullmatch(each) or each.startswith("-") for each in words[1:])


def since(text: str) -> int:
    """`15m` in seconds. Raises `Misread`."""
    try:
        seconds = math.ceil(seconds_in(text))
    except ValueError:
        seconds = 0
    if not 0 < seconds <= LONGEST_LOOK_BACK:
        raise Misread(f"--since wants a time such as 90s, 15m or 2h (24h at most), not {text[:20]!r}")
    return seconds


def peer_address(text: str) -> HostPort:
    """`HOST:PORT[/PROTOCOL]`, or an address of the web. Raises `Misread`."""
    try:
        return host_port(text)
    except ValueError as why:
        raise Misread(f"--to wants HOST:PORT, such as 10.96.0.1:443 or payments.prod:8080 ({why})") from None


def name(text: str, what: str) -> str:
    """A word that can name an object. Raises `Misread`."""
    if not _NAME.fullmatch(text):
        raise Misread(f"{text[:60]!r} cannot be the name of a {what}: letters, digits, dots and dashes only")
    return text


def pod_word(text: str) -> str:
    """A pod's name, its beginning, or `deploy/NAME`. Raises `Misread`."""
    kind, slash, rest = text.partition("/")
    if slash and kind.lower() in WORKLOAD_KINDS:
        return f"{kind.lower()}/{name(rest, 'workload')}"
    return name(text, "pod")


def _netdebug(words: Sequence[str]) -> Command:
    said, places = _options(words)
    if len(places) > 2:
        raise Misread(f"too many words: write netdebug POD NAMESPACE, not {' '.join(places)[:80]!r}")
    pod = places[0] if places else ""
    namespace = _one_namespace(places[1] if len(places) == 2 else "", said.get("namespace", ""))
    before, slash, after = pod.partition("/")
    if slash and before.lower() not in WORKLOAD_KINDS:
        pod, namespace = after, _one_namespace(before, namespace)
    peer = peer_address(said["to"]) if "to" in said else HostPort("")
    window = since(said["since"]) if "since" in said else None
    if not pod or not namespace:
        return Fill(
            pod_word(pod) if pod else "",
            name(namespace, "namespace") if namespace else "",
            said.get("to", ""),
            said.get("since", ""),
            cluster=said.get("cluster", ""),
        )
    place = pod_word(pod), name(namespace, "namespace")
    return Investigate(*place, peer.host or None, peer.port, window, peer.protocol, said.get("cluster", ""))


def _drops(words: Sequence[str]) -> Command:
    said, places = _options(words)
    if wrong := said.keys() - {"namespace", "cluster"}:
        raise Misread(f"drops knows no --{min(wrong)}: write drops NAMESPACE [--cluster NAME]")
    if len(places) > 1:
        raise Misread(f"too many words: write drops NAMESPACE, not {' '.join(places)[:80]!r}")
    namespace = _one_namespace(places[0] if places else "", said.get("namespace", ""))
    if not namespace:
        raise Misread("say the namespace: drops NAMESPACE")
    return Drops(name(namespace, "namespace"), said.get("cluster", ""))


def _one_namespace(first: str, second: str) -> str:
    if first and second and first != second:
        raise Misread(f"two namespaces, {first[:60]!r} and {second[:60]!r}: leave one out")
    return first or second


def _options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    said: dict[str, str] = {}
    places: list[str] = []
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag in _OPTIONS:
            value = value if equals else next(rest, "")
            if not value or value.startswith("--"):
                raise Misread(f"{flag} wants a value: {flag} {_EXAMPLES[_OPTIONS[flag]]}")
            said[_OPTIONS[flag]] = value
        elif word.startswith("-"):
            raise Misread(f"unknown option {word[:40]!r}{did_you_mean(word, _OPTIONS)}")
        elif word not in ("\u2192", "->"):
            places.append(word)
    return said, places


_EXAMPLES = {"to": "payments.prod:8080", "since": "15m", "namespace": "shop", "cluster": "prod-eu"}


def _one_id(verb: str, make: Callable[[str], Command]) -> Callable[[Sequence[str]], Command]:
    def read(words: Sequence[str]) -> Command:
        if len(words) != 1 or not _ID.fullmatch(words[0].lower()):
            raise Misread(f"{verb} wants the id of an investigation, such as {verb} 1f00baa5e77e (history lists them)")
        return make(words[0].lower())

    return read


def _cancel(words: Sequence[str]) -> Command:
    return _one_id("cancel", Cancel)(words) if words else Cancel()


def _unknown(words: Sequence[str]) -> str:
    verb = words[0][:40]
    near = did_you_mean(verb, _VERBS)
    if not near and len(words) in (2, 3) and _NAME.fullmatch(words[0]):
        return f"{verb!r} is no command; to look into a pod, write netdebug {words[0][:60]} {words[1][:60]}"
    return f"{verb!r} is no command{near}"


_VERBS: dict[str, Callable[[Sequence[str]], Command]] = {
    "netdebug": _netdebug,
    "drops": _drops,
    "help": lambda words: Help(),
    "status": lambda words: StatusCommand(),
    "history": lambda words: History(),
    "show": _one_id("show", ShowCommand),
    "cancel": _cancel,
    "stop": _cancel,
}


def read(payload: Payload) -> Command | Nothing:
    """The command in `payload["text"]`."""
    try:
        return parse(str(payload.get("text") or ""))
    except Misread as why:
        return Nothing(str(why))


TRIGGER = Trigger("slash", OriginKind.SLASH, read)
