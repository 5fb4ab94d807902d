"""Answers Claude's questions from the walk that led to a verdict, and the cluster that it was about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flows.agent import questions
from flows.agent.correlation import FurtherLookResult
from flows.engine import Walk, WalkTools
from flows.model import AskedLook
from sensors.kit import Cluster


class OpenWalk:
    """`Further` over a walk and its cluster, which has to stay open."""

    def __init__(self, walked: Walk, cluster: Cluster, tools: WalkTools) -> None:
        self.walked, self._cluster, self._tools = walked, cluster, tools

    async def tools(self) -> list[dict[str, Any]]:
        return questions.schemas(self.walked, self._tools)

    async def look(self, number: int, tool: str, said: Mapping[str, Any], known: str) -> FurtherLookResult:
        """Take the look, if it may be taken; the walk goes on with it."""
        try:
            question = questions.checked(tool, said, self.walked, self._tools, known)
        except questions.LookRefused as why:
            return FurtherLookResult(AskedLook(_words(tool, said), refused=str(why)))
        self.walked, key = await questions.taken(question, self.walked, self._cluster, self._tools)
        shown = self.walked.case.evidence[key].summary if key else "nothing"
        return FurtherLookResult(AskedLook(question.words, key, shown), self.walked.diagnosis)


def _words(tool: str, said: Mapping[str, Any]) -> str:
    told = ", ".join(f"{key} {str(value)[:60]}" for key, value in said.items())
    return f"{tool[:40]} {told}".strip()[:200]
