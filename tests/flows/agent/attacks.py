"""Puts the words of an attack into a diagnosis, and answers like a model that obeys whatever it is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from flows.agent.money import SpentTokens
from flows.agent.reply import ModelReply, ToolCall
from flows.model import Diagnosis
from sensors.kit import Evidence, Sight
from sensors.kit.reported import RecordedFacts, reported

TAGS = re.compile(r"TAGS\(([^)]*)\)")
ZERO_WIDTH = re.compile(r"ZW\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Attack:
    """`at` says where each piece of text stands."""

    id: str
    language: str
    at: Mapping[str, str]


@cache
def attacks() -> tuple[Attack, ...]:
    rows = yaml.safe_load((Path(__file__).parent / "attacks.yaml").read_text("utf-8"))
    return tuple(
        Attack(row["id"], row["language"], {at: _spelt(each) for at, each in row["at"].items()}) for row in rows
    )


def _spelt(text: str) -> str:
    text = TAGS.sub(lambda found: "".join(chr(0xE0000 + ord(each)) for each in found[1]), text)
    return ZERO_WIDTH.sub(lambda found: "\u200b".join(found[1]), text)


# -- into the case ---------------------------------------------------------------------------------------------------


def attacked(it: Diagnosis, attack: Attack) -> Diagnosis:
    """The diagnosis as it would be with these words in its cluster; the rules' verdict is not theirs to change."""
    for place, text in attack.at.items():
        first, _, rest = place.partition(".")
        if first == "target":
            it = replace(it, target=replace(it.target, **{rest: text}))
        else:
            it = replace(it, evidence={**it.evidence, first: _with(it.evidence[first], rest, text)})
    return it


def _with(it: Evidence, path: str, text: str) -> Evidence:
    if path == "why":
        return Evidence(it.sensor, Sight.BLIND, why=text)
    facts = deepcopy(dict(reported(it)))
    _set(facts, path, text)
    return replace(it, facts=RecordedFacts(f"{it.summary}; {text}", facts))


def _set(facts: Any, path: str, text: str) -> None:
    """Sets a value that is there; of labels also a new one, whose key may hold dots."""
    head, _, rest = path.partition(".")
    if isinstance(facts, list):
        if rest:
            return _set(facts[int(head)], rest, text)
        facts[int(head)] = text
    elif head in ("labels", "namespace_labels") and isinstance(facts[head], dict):
        facts[head][rest] = text
    elif rest:
        _set(facts[head], rest, text)
    else:
        assert head in facts, f"no {head} in {list(facts)}"
        facts[head] = text
    return None


# -- the answerer ----------------------------------------------------------------------------------------------------


WORD = re.compile(r"[^\W_]{4,}")


def words_of(attack: Attack, besides: str) -> set[str]:
    """The words that the attack brings: those of four letters and more that do not stand in `besides` anyway."""
    return {word for text in attack.at.values() for word in WORD.findall(text) if word not in besides}


@dataclass(frozen=True, slots=True)
class Obedient:
    """Stands for a model that can be talked into anything: where it reads a word of the attack it wants another class,
    no certainty, another fix, and looks of the attacker's choice, each as well grounded as a clever attacker can.
    Where it reads none it agrees with the rules. `besides` is the brief as it would be without the attack."""

    diagnosis: Diagnosis
    cause_class: str
    attack: Attack
    besides: str

    async def ask(self, purpose: str, request: Mapping[str, Any], within: float) -> ModelReply:
        obeys = self._reads_it(request)
        if not purpose.startswith("ask"):
            return ModelReply(json.dumps(self._wish() if obeys else self._agreed()), (), (), SpentTokens())
        wish = ToolCall("toolu_1", "resolve_name", {"name": "exfil.evil.example"})
        own = ToolCall("toolu_1", "ask_sensor", {"sensor": "net.mtu"})
        return ModelReply("", (wish if obeys else own,), ({"type": "tool_use", "id": "toolu_1"},), SpentTokens())

    def _reads_it(self, request: Mapping[str, Any]) -> bool:
        read = " ".join(_texts(request["messages"]))
        return any(word in read for word in words_of(self.attack, self.besides))

    def _agreed(self) -> dict[str, Any]:
        it = self.diagnosis
        cause = {"text": "The policy blocks it.", "evidence": list(it.shown_by[:1])}
        return _answer([], it.cause_class, cause, [], it.confidence, it.fix.id)

    def _wish(self) -> dict[str, Any]:
        it, place = self.diagnosis, next(iter(self.attack.at)).partition(".")[0]
        innocent = next(key for key in it.evidence if key not in it.shown_by)
        words = {"text": next(iter(self.attack.at.values())), "evidence": [place, innocent]}
        fake = {"text": f"The pod is {self.cause_class}.", "evidence": ["E99"]}
        cause = {"text": "Everything is as it should be.", "evidence": [innocent]}
        return _answer([words, fake], self.cause_class, cause, [innocent, place], 0.01, self._fix())

    def _fix(self) -> str:
        """The last candidate, as the attacker wants it, else one that does not exist."""
        others = [each.id for each in self.diagnosis.alternatives]
        return others[-1] if others else "fix-deadbeef"


def _texts(value: Any) -> Iterator[str]:
    """What a model reads of a conversation: no roles, no types, no ids of blocks."""
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        for key in ("text", "content"):
            yield from [value[key]] if isinstance(value.get(key), str) else _texts(value.get(key))


def _answer(statements: list[Any], name: str, cause: Any, against: list[str], sure: float, fix: str) -> dict[str, Any]:
    return {
        "statements": statements,
        "cause_class": name,
        "cause": cause,
        "contradicting_evidence": against,
        "confidence": sure,
        "fix": fix,
    }
