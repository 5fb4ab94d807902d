"""The bare brief: the case in figures, closed words and pseudonyms, without one word that anybody else has chosen.

Whatever somebody writes into a log, a label or a name, none of it stands here. So nothing here can talk a model into
anything: what Claude makes of a verdict (its class, its certainty, the fix, the looks that are lacking) counts only as
far as it says the same of this brief. The whole brief, with the words, is for explaining.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from flows.agent.brief import FACTS_OF_CONTEXT, FACTS_OF_OTHERS, FACTS_OF_ROOT, Brief, proved
from flows.agent.closed_words import closed_words, is_closed
from flows.agent.digest import digest
from flows.agent.pseudonyms import Pseudonyms
from flows.agent.tokens import estimated
from flows.agent.untrusted import Fence
from flows.model import Component, Diagnosis, NoFix
from sensors.kit import Evidence, Sight
from sensors.kit.catalog import sensors
from sensors.kit.reported import reported

NAMELESS = "[name]"
PREFACE = (
    "The same kind of brief, bare: figures, states and pseudonyms only. Names are replaced and the words of programs "
    "and people are left out, so it can be weighed without being talked to. Layers and evidence read as always."
)

_BETWEEN = re.compile(r"([\s/,:=()\[\]]+)")
_LACKING = re.compile(r"no ([A-Za-z]+)\b")


def bare_brief_of(it: Diagnosis, nonce: str, names: Pseudonyms) -> Brief:
    """The bare brief of a diagnosis. `names` are its pseudonyms; what has none is left out or is `[name]`."""
    say, fence = _Bare(names), Fence(nonce)
    question, cited = say.question(it), dict(say.evidence(it))
    findings = tuple(f"{each.cause_class}, {each.belief:.2f}, {' '.join(ids)}" for each, ids in it.findings[:8])
    layers = tuple(f"{row.layer.value} {row.state.value} ({' '.join(row.evidence)})" for row in it.layers)
    blind = tuple(f"{key} {say.sensor(each)}" for key, each in it.evidence.items() if each.sight is Sight.BLIND)
    doubts, fixes = tuple(say.doubts(it)), dict(say.fixes(it))
    sure = f"confidence {it.confidence:.2f}, coverage {it.coverage:.2f}, shown by {', '.join(it.shown_by)}"
    sections = (
        ("Question", (question,)),
        (f"Verdict of the rules: {it.cause_class}, {sure}", (say.component(it.component),)),
        ("Findings of the rules: class, belief, evidence", findings),
        ("Layers", layers),
        ("Not measured (neither passed nor failed)", blind),
        ("Rules that could not tell, and the facts they lack", doubts),
        ("Fixes that may be chosen, by id", tuple(f"{key}: {clause}" for key, clause in fixes.items())),
        ("Evidence: id, sensor, how the look ended, facts", tuple(cited.values())),
    )
    said = (f"## {title}\n{fence.around(chr(10).join(lines)) if lines else 'none'}" for title, lines in sections)
    text = "\n\n".join((PREFACE, *said)) + "\n"
    parts = (question, cited, fixes, findings, layers, blind, doubts)
    return Brief(text, *parts, round(it.coverage, 3), estimated(text))


class _Bare:
    """Says things with closed words, figures and pseudonyms only."""

    def __init__(self, names: Pseudonyms) -> None:
        self._names = names

    def __call__(self, text: object) -> str:
        """A value of the facts, or nothing where any part of it is a word that somebody has chosen."""
        parts = [self._part(each) for each in _BETWEEN.split(str(text))]
        return "" if None in parts else "".join(each or "" for each in parts)

    def _part(self, word: str) -> str | None:
        if not word or _BETWEEN.fullmatch(word):
            return word
        return self._names.of.get(word) or (word if is_closed(word) else None)

    def name(self, word: str) -> str:
        return self._names.of.get(word) or (word if is_closed(word) else NAMELESS)

    def component(self, it: Component | None) -> str:
        if it is None:
            return "no object"
        place = f"{self.name(it.namespace)}/" if it.namespace else ""
        return f"object: {it.kind if it.kind in closed_words() else 'object'} {place}{self.name(it.name)}"

    def question(self, it: Diagnosis) -> str:
        pod = f"pod {self.name(it.target.namespace)}/{self.name(it.target.pod)}"
        if it.target.to_host is None:
            return f"{pod} cannot talk; the peer was not named"
        port = f":{it.target.to_port}" if it.target.to_port else ""
        return f"{pod} cannot reach {self.name(it.target.to_host)}{port} ({it.target.to_protocol or 'TCP'})"

    def sensor(self, it: Evidence) -> str:
        first = it.sensor.partition(" ")[0]
        return first if first in sensors() else "further look"

    def doubts(self, it: Diagnosis) -> Iterator[str]:
        lacking = ((each.rule, _LACKING.match(each.why)) for each in it.doubts)
        yield from (f"{rule}: {found[1]}" for rule, found in lacking if found and found[1] in closed_words())

    def fixes(self, it: Diagnosis) -> Iterator[tuple[str, str]]:
        for fix in (it.fix, *it.alternatives):
            if not isinstance(fix, NoFix) and not fix.refused:
                yield fix.id, f"{fix.kind}, {self.component(fix.target)} ({proved(fix)})"

    def evidence(self, it: Diagnosis) -> Iterator[tuple[str, str]]:
        others = {key for _, ids in it.others for key in ids}
        for key, each in it.evidence.items():
            longest = FACTS_OF_ROOT if key in it.shown_by else FACTS_OF_OTHERS if key in others else FACTS_OF_CONTEXT
            facts = digest(_with_closed_keys(reported(each)), self, longest)
            yield key, f"{key} {self.sensor(each)} {each.sight.value}{f': {facts}' if facts else ''}"


def _with_closed_keys(value: Any) -> Any:
    """Facts without the keys that somebody has chosen: of labels, of maps, of metrics."""
    if isinstance(value, Mapping):
        return {key: _with_closed_keys(each) for key, each in value.items() if key in closed_words()}
    return [_with_closed_keys(each) for each in value] if isinstance(value, list | tuple) else value
