"""The further looks that Claude may ask for: read-only, by name, with arguments that are checked before they are used.

A name, an address or a pod must stand in the evidence or in the question already: so nothing that somebody wrote into
a log can send a question, or a word of ours, to a place of their choice that KAI has not met by itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flows.engine import Walk, WalkTools, walk_on
from flows.model import Case, Missing
from flows.proposed import BadChange
from flows.simulate import can
from sensors.k8s_pod import PodFacts
from sensors.kit import Cluster, Evidence, Sight, Target, observe
from sensors.kit.addresses import as_ip, host_port
from sensors.net_connect import Connects

LOOK, PEER, LOG, NAME, MAY = "ask_sensor", "try_peer", "read_pod_log", "resolve_name", "may_talk"
LOOK_TIMEOUT_S = 8.0
"""Seconds of one further look."""

OF_PEER = (
    "hubble.capture_flows",
    "k8s.network_policies",
    "k8s.services",
    "dns.lookup",
    "net.connect",
    "net.mtu",
)
"""The sensors that see another thing when the question is about another peer."""


class LookRefused(ValueError):
    """The look is not taken. The message is a clause: why."""


@dataclass(frozen=True, slots=True)
class CheckedLook:
    """One further look, checked. `words` is how a person reads it."""

    tool: str
    words: str
    sensors: tuple[str, ...] = ()
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Aside:
    """Facts of something that is not the target: for Claude and for people; no rule judges by it.

    `facts` are those of the sensor, where one looked.
    """

    about: str
    said: str
    more: tuple[str, ...] = field(default=())
    facts: Any = None

    def summary(self) -> str:
        return f"{self.about}: {self.said}"


# -- what may be asked -----------------------------------------------------------------------------------------------


def schemas(walked: Walk, tools: WalkTools) -> list[dict[str, Any]]:
    """The tools as the Messages API wants them: the looks that the rules missed come first in their list."""
    wanted = missing_looks(walked, tools)
    sensor = {"type": "string", "enum": wanted or sorted(tools.sensors)}
    text, port = {"type": "string"}, {"type": "integer"}
    return [
        _tool(LOOK, "Ask a sensor about the target. The first of the list are those that rules lacked.", sensor=sensor),
        _tool(PEER, "Look again with another peer as the question, one that stands in the evidence.", peer=text),
        _tool(
            LOG, "Read what the log of another pod says; the pod must stand in the evidence.", namespace=text, pod=text
        ),
        _tool(NAME, "Resolve a name from inside the target; it must stand in the evidence.", name=text),
        _tool(MAY, "Whether the policies let the target talk to a peer (HOST:PORT).", host=text, port=port),
    ]


def _tool(tool: str, description: str, **properties: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"name": tool, "description": description, "input_schema": schema, "strict": True}


def missing_looks(walked: Walk, tools: WalkTools) -> list[str]:
    """The sensors that were not asked or saw nothing: first those of which rules said that they need them."""
    seen = {each.sensor for each in walked.case.evidence.values() if each.sight is not Sight.BLIND}
    lacking = [name for name in tools.sensors if name not in seen]
    doubts = " ".join(each.why for each in walked.diagnosis.doubts)

    def wanted(name: str) -> tuple[bool, str]:
        return tools.sensors[name].gives.__name__ not in doubts and name not in doubts, name

    return sorted(lacking, key=wanted)


def checked(tool: str, said: Mapping[str, Any], walked: Walk, tools: WalkTools, known: str) -> CheckedLook:
    """The look that is meant. `known` is all text that may be named. Raises `LookRefused`."""
    if tool == LOOK:
        return _sensor(_word(said, "sensor"), walked, tools)
    if tool == PEER:
        return _peer(_word(said, "peer"), walked, known)
    if tool == LOG:
        return _log(_word(said, "namespace"), _word(said, "pod"), walked, known)
    if tool == NAME:
        host = _host(_word(said, "name"), known)
        return CheckedLook(
            NAME, f"resolve {host}", ("dns.lookup",), replace(walked.case.target, to_host=host, to_port=None)
        )
    if tool == MAY:
        return _may(said, walked, known)
    raise LookRefused(f"there is no look {tool[:40]!r}")


def _word(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= 253 or not value.isprintable():
        raise LookRefused(f"{key} should be one word")
    return value


def _sensor(name: str, walked: Walk, tools: WalkTools) -> CheckedLook:
    if name not in tools.sensors:
        raise LookRefused(f"there is no sensor {name[:40]!r}")
    if name not in missing_looks(walked, tools):
        raise LookRefused(f"{name} was asked already and has seen something")
    return CheckedLook(LOOK, name, (name,), walked.case.target)


def _peer(text: str, walked: Walk, known: str) -> CheckedLook:
    try:
        peer = host_port(text)
    except ValueError as why:
        raise LookRefused(f"peer should be HOST:PORT ({why})") from None
    host = _host(peer.host, known)
    target = replace(walked.case.target, to_host=host, to_port=peer.port, to_protocol=peer.protocol)
    if target == walked.case.target:
        raise LookRefused("this peer was asked about already")
    return CheckedLook(PEER, f"look again with the peer {target.to}", OF_PEER, target)


def _may(said: Mapping[str, Any], walked: Walk, known: str) -> CheckedLook:
    host, port = _host(_word(said, "host"), known), said.get("port")
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise LookRefused("port should be a number from 1 to 65535")
    target = replace(walked.case.target, to_host=host, to_port=port, to_protocol=None)
    return CheckedLook(MAY, f"may {target} talk to {target.to}", OF_PEER[:4], target)


def _log(namespace: str, pod: str, walked: Walk, known: str) -> CheckedLook:
    _stands(pod, known)
    _stands(namespace, known)
    if (namespace, pod) == (walked.case.target.namespace, walked.case.target.pod):
        raise LookRefused("the target's own log was read already")
    return CheckedLook(LOG, f"the log of {namespace}/{pod}", ("k8s.pod",), Target(pod, namespace))


def _host(host: str, known: str) -> str:
    if as_ip(host) is None and not all(
        part and part.replace("-", "").isalnum() for part in host.rstrip(".").split(".")
    ):
        raise LookRefused("it is neither a name nor an address")
    _stands(host.rstrip("."), known)
    return host.rstrip(".")


def _stands(word: str, known: str) -> None:
    """Whole words only: half a name is a guess."""
    if not re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-]|\.\w)", known):
        raise LookRefused(f"{word[:60]!r} stands nowhere in the evidence")


# -- taking it -------------------------------------------------------------------------------------------------------


async def taken(question: CheckedLook, walked: Walk, cluster: Cluster, tools: WalkTools) -> tuple[Walk, str]:
    """The walk with what the look showed, judged anew by the rules, and the id of the evidence that tells of it."""
    target = question.target or walked.case.target
    seen = await _observed(question.sensors, target, cluster, tools)
    if question.tool in (LOG, NAME, MAY):
        said = await asyncio.to_thread(_aside, question, seen, target, walked)
        return await _with(walked, walked.case.target, (said,), tools, replacing=False)
    return await _with(walked, target, seen, tools, replacing=True)


async def _observed(names: Iterable[str], target: Target, cluster: Cluster, tools: WalkTools) -> Sequence[Evidence]:
    asked = [tools.sensors[each] for each in names if each in tools.sensors]
    return await asyncio.gather(*(observe(each, target, cluster, within=LOOK_TIMEOUT_S) for each in asked))


async def _with(
    walked: Walk, target: Target, seen: Sequence[Evidence], tools: WalkTools, *, replacing: bool
) -> tuple[Walk, str]:
    """New evidence gets new ids. What it replaces goes: it answered another question, or was blind."""
    before = walked.case.evidence
    number = max((int(key[1:]) for key in before), default=0) + 1
    new = {f"E{number + at}": each for at, each in enumerate(seen)}
    gone = {each.sensor for each in seen if each.sight is not Sight.BLIND} if replacing else set()
    kept = {key: each for key, each in before.items() if each.sensor not in gone}
    return await walk_on(walked, target, {**kept, **new}, tools), _telling(new)


def _telling(new: Mapping[str, Evidence]) -> str:
    """Of several looks, the one that tries the connection; else the first."""
    tries = (key for key, each in new.items() if isinstance(each.facts, Connects))
    return next(tries, next(iter(new), ""))


def _aside(question: CheckedLook, seen: Sequence[Evidence], target: Target, walked: Walk) -> Evidence:
    if question.tool == MAY:
        return _may_talk(question, seen, target, walked)
    one = seen[0]
    if one.facts is None:
        return Evidence(f"{one.sensor} ({question.words})", one.sight, why=one.why, took_ms=one.took_ms)
    more = _log_lines(one.facts) if isinstance(one.facts, PodFacts) else ()
    return Evidence(f"{one.sensor} ({question.words})", one.sight, Aside(question.words, one.summary, more, one.facts))


def _log_lines(facts: PodFacts) -> tuple[str, ...]:
    return (*map(str, facts.log_errors), *(f"{container}: {line}" for container, line in facts.log_last))


def _may_talk(question: CheckedLook, seen: Sequence[Evidence], target: Target, walked: Walk) -> Evidence:
    mine = {each.sensor for each in seen}
    others = [each for each in walked.case.evidence.values() if each.sensor not in mine]
    evidence = {f"E{at}": each for at, each in enumerate([*seen, *others], start=1)}
    try:
        answer = can(Case(target, walked.case.environment, walked.case.at, evidence))
    except (BadChange, Missing) as why:
        return Evidence("simulate --can", Sight.BLIND, why=str(why))
    words = {True: "the policies allow it", False: "the policies deny it", None: "the policies do not decide it"}
    return Evidence("simulate --can", Sight.SEEN, Aside(question.words, words[answer.allowed], answer.seen[:4]))
