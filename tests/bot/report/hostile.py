"""A diagnosis in which every word that a cluster can choose is an attack on whoever reads it in Slack."""

from __future__ import annotations

from dataclasses import replace

from flows.model import Component, Diagnosis, Doubt, LayerRow
from sensors.kit import Evidence, Sight, Target
from tests.bot.report.examples import DENIED, FIX, ROOT, Said

ATTACK = (
    "<!channel> <!here> <@U0ALICE> <#C0INCIDENTS> <https://evil.example|click me> https://evil.example "
    "<javascript:alert(1)|x> *bold* _it_ ~no~ `code` ```fence``` &amp; &lt;!channel&gt; :siren: @channel "
    "\x1b[31mred\x1b[0m \x00 \u202egnp.exe \u200b www.evil.example mailto:a@b.c"
)
LONG = "&<>" * 4000


def attacked(words: str = ATTACK) -> Diagnosis:
    """The usual diagnosis with these words wherever a cluster has a say."""
    component = Component(words, words, words)
    finding = replace(ROOT, cause=words, because=words, component=component, recommendation=words)
    fix = replace(
        FIX,
        title=words,
        target=component,
        newly_allowed=(words, f"{words} 2"),
        newly_denied=(words, f"{words} 3"),
        notes=(words,),
        owner=words,
        proof=replace(FIX.proof, words=(words,)),
        kubectl=f"kubectl annotate {words}",
        undo=f"kubectl annotate {words}-",
    )
    evidence = {f"E{number}": Evidence(words, Sight.SEEN, Said(words)) for number in range(1, 13)}
    evidence["E13"] = Evidence(words, Sight.BLIND, why=words)
    layers = tuple(LayerRow(row.layer, row.state, tuple(evidence), words) for row in DENIED.layers)
    return replace(
        DENIED,
        target=Target(words, words, words, 443),
        reasoning=words,
        evidence=evidence,
        layers=layers,
        findings=tuple((replace(finding, belief=0.97 - n / 100), ("E1",)) for n in range(20)),
        fix=fix,
        doubts=tuple(Doubt(words, f"{words}{n}") for n in range(20)),
    )
